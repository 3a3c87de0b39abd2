"""Tests of a device's plain work."""

import numpy as np
import pytest
import torch

from platforms.errors import InvalidInput
from training.federated.batches import batches
from training.federated.local import Optimiser, accuracy, logits, train_steps
from training.federated.models.load import load_model
from training.federated.tasks.task import Examples

RNG = np.random.default_rng(0)
TEXTS = Examples(x=RNG.integers(2, 60, (32, 12)), y=np.arange(32) % 4)


def mlp() -> torch.nn.Module:
    """A small network on features, always the same one."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))


def blobs() -> Examples:
    """Two classes of points, easily told apart."""
    rng = np.random.default_rng(1)
    y = np.arange(64) % 2
    return Examples(x=(rng.normal(0, 0.3, (64, 2)) + y[:, None]).astype(np.float32), y=y)


@pytest.mark.parametrize(("optimiser", "rate"), [("sgd", 0.5), ("adamw", 0.02)])
def test_training_learns(optimiser: Optimiser, rate: float) -> None:
    """From a coin's accuracy to near all."""
    model, examples = mlp(), blobs()
    before = accuracy(model, examples)
    done = train_steps(
        model, examples, steps=60, batch=16, learning_rate=rate, optimiser=optimiser, seed=0
    )
    assert before < 0.8 < 0.95 < accuracy(model, examples)
    assert 60 * 16 == done.samples


def test_the_same_seed_trains_the_same_bit_for_bit_and_another_differently() -> None:
    """Whatever engine carries the order."""
    results = []
    for seed in (5, 5, 6):
        model = load_model("source-2:random", "", 4, 0)
        train_steps(model, TEXTS, steps=3, batch=8, learning_rate=0.1, seed=seed)
        results.append(logits(model, torch.from_numpy(TEXTS.x)))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_the_loss_told_is_the_mean_before_each_step() -> None:
    """With a rate of 0 it is the loss of the batches as they come."""
    model, examples = mlp(), blobs()
    done = train_steps(model, examples, steps=2, batch=32, learning_rate=0.0, seed=0)
    expected = torch.nn.functional.cross_entropy(
        model(torch.from_numpy(examples.x)), torch.from_numpy(examples.y)
    )
    assert done.loss == pytest.approx(expected.item(), rel=1e-5)


def test_a_text_is_understood_the_same_with_padding_behind_it() -> None:
    """Token 0 is not attended to."""
    model = load_model("source-2:random", "", 4, 0)
    x = torch.from_numpy(TEXTS.x)
    padded = torch.nn.functional.pad(x, (0, 5))
    torch.testing.assert_close(logits(model, x), logits(model, padded), atol=1e-5, rtol=1e-4)


def test_accuracy_is_the_share_of_right_answers_over_all_parts() -> None:
    """More examples than are looked at in one go."""
    x = np.eye(2, dtype=np.float32)[np.arange(600) % 2]
    right = np.arange(600) % 2
    examples = Examples(x=x, y=np.where(np.arange(600) < 450, right, 1 - right))
    assert 0.75 == accuracy(torch.nn.Identity(), examples)


def test_batches_show_every_example_once_before_any_twice() -> None:
    """In an order drawn from the seed."""
    drawn = list(batches(10, batch=5, steps=4, seed=2))
    assert list(range(10)) == sorted(np.concatenate(drawn[:2]).tolist())
    assert list(range(10)) == sorted(np.concatenate(drawn[2:]).tolist())
    assert drawn[0].tolist() != drawn[2].tolist()


def test_a_batch_is_no_larger_than_what_a_device_has() -> None:
    """Three examples give batches of three."""
    assert [3, 3] == [len(rows) for rows in batches(3, batch=16, steps=2, seed=0)]


def test_an_unknown_optimiser_is_refused() -> None:
    """With the ones that there are."""
    with pytest.raises(InvalidInput, match=r"optimiser must be sgd or adamw \(got lion\)"):
        train_steps(mlp(), blobs(), steps=1, batch=1, learning_rate=1, optimiser="lion", seed=0)  # type: ignore[arg-type]
