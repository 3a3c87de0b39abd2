"""Samples to the target: counted on digits, the same on every machine."""

import numpy as np
import pytest
import torch

from training.federated.dice import dice
from training.federated.systems.joint_batch_frequency.digits import halves
from training.federated.systems.joint_batch_frequency.efficiency import (
    count_samples,
    samples_of,
    samples_table,
)
from training.federated.systems.joint_batch_frequency.perceptron import (
    accuracy,
    first_weights,
    logits,
    step,
)


def test_the_perceptrons_step_is_autograds() -> None:
    """Gradients by hand against PyTorch's."""
    rng = dice(0, "step")
    x = rng.standard_normal((8, 64)).astype(np.float32)
    y = rng.integers(0, 5, 8)
    weights = first_weights(64, 5, seed=0)
    moved, loss = step(weights, x, y, 0.5)
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in weights.items()}
    hidden = (torch.tensor(x) @ tensors["hidden.weight"] + tensors["hidden.bias"]).relu()
    scores = hidden @ tensors["head.weight"] + tensors["head.bias"]
    expected = torch.nn.functional.cross_entropy(scores, torch.tensor(y))
    expected.backward()  # type: ignore[no-untyped-call]
    assert expected.item() == pytest.approx(loss, rel=1e-5)
    for name, tensor in tensors.items():
        assert tensor.grad is not None
        after = weights[name] - 0.5 * tensor.grad.numpy()
        np.testing.assert_allclose(after, moved[name], atol=1e-6)
    assert accuracy(weights, x, logits(weights, x).argmax(axis=1)) == 1


def test_the_halves_share_no_digit_and_no_example() -> None:
    """Labels 0 to 4 in both; the proxy never sees what the devices learn."""
    for half in ("proxy", "target"):
        train, seen = halves(half)  # type: ignore[arg-type]
        assert set(range(5)) == set(train.y) == set(seen.y)
    (proxy, _), (target, _) = halves("proxy"), halves("target")
    images = {row.tobytes() for row in proxy.x}
    assert not any(row.tobytes() in images for row in target.x)


def test_samples_are_counted_the_same_every_time() -> None:
    """By a seed, not by a clock."""
    train, seen = halves("target")
    counts = [count_samples(train, seen, batch=16, rate=0.2, seed=3) for _ in range(2)]
    assert counts[0] == counts[1] < 3000
    assert 0 == counts[0] % 16


def test_a_rate_that_never_gets_there_counts_as_never() -> None:
    """And is left out of the table."""
    train, seen = halves("proxy")
    assert float("inf") == count_samples(train, seen, batch=2048, rate=1e-6, seed=0)
    assert {} == samples_table("proxy", "constant", 1e-7, (256,), 1)


def test_the_learning_rates_rule_decides_what_a_large_batch_costs() -> None:
    """As the reference measured it: constant punishes a batch of 128 most, at a rate of 0.1."""

    def penalty(rule: str) -> float:
        sizes = (128, 16)
        large, small = (samples_of("target", rule, 0.1, b, 5) for b in sizes)  # type: ignore[arg-type]
        return large / small

    assert penalty("constant") > 1.5 * penalty("sqrt") > penalty("sqrt") > 1


def test_the_proxy_has_about_the_targets_shape_over_the_batch() -> None:
    """Target over proxy varies less than a third as much as samples over batches do."""
    sizes = (4, 16, 64, 128)
    proxy = samples_table("proxy", "sqrt", 0.1, sizes, 5)
    target = samples_table("target", "sqrt", 0.1, sizes, 5)
    ratios = [target[batch] / proxy[batch] for batch in sizes]
    spread = max(target.values()) / min(target.values())
    assert max(ratios) / min(ratios) < 1.7
    assert spread > 3
