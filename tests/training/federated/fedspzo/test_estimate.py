"""Slopes from forward passes against autograd, against plain code, and what they leave behind."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.training.federated.fedspzo.toys import batch, centres_chain, layers_chain, tied_chain
from training.federated.systems.fedspzo.chain import Chain, Weights
from training.federated.systems.fedspzo.descend import Rates, descend
from training.federated.systems.fedspzo.estimate import Estimate, central, forward, loss_of
from training.federated.systems.fedspzo.noise import Direction, Noise, draw

NOISE = Noise()


def _central(
    chain: Chain, seed: int, *, boundary: int, samples: int, eps: float = 1e-3
) -> Estimate:
    inputs, labels = batch()
    return central(
        chain,
        chain.initial,
        inputs,
        loss_of(labels),
        seed=seed,
        step=0,
        boundary=boundary,
        samples=samples,
        eps=eps,
        noise=NOISE,
    )


def _gradient(chain: Chain) -> np.ndarray:
    """Autograd's, in the order of the weights."""
    inputs, labels = batch()
    chain.run(chain.initial, inputs)
    modules = [copy.deepcopy(stage.module).requires_grad_() for stage in chain.stages]
    for module, part in zip(modules, chain.initial, strict=True):
        torch.nn.utils.vector_to_parameters(torch.from_numpy(part.copy()), module.parameters())
    cross_entropy(torch.nn.Sequential(*modules)(inputs), labels).backward()
    return np.concatenate(
        [p.grad.numpy().reshape(-1) for m in modules for p in m.parameters() if p.grad is not None]
    )


def _estimated(chain: Chain, estimate: Estimate, seed: int, boundary: int) -> np.ndarray:
    """The gradient that a step of rate 1 goes down by."""
    moved: Weights = [np.zeros_like(part) for part in chain.initial]
    descend(moved, estimate.slopes, seed, 0, Rates(boundary, 1.0, 1.0), NOISE)
    return -np.concatenate(moved)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_the_estimate_is_unbiased_on_a_quadratic() -> None:
    """In both blocks the mean of 4,000 estimates is the gradient, within five standard errors."""
    chain = centres_chain(3, 4)

    def loss(seen: list[torch.Tensor]) -> float:
        low, high = (part.double() for part in seen)
        return float(((low - 1) ** 2).sum() / 2 + 3 * ((high + 1) ** 2).sum() / 2)

    low, high = (part.astype(np.float64) for part in chain.initial)
    expected = np.concatenate([low - 1, 3 * (high + 1)])
    found = []
    for seed in range(4000):
        estimate = central(
            chain,
            chain.initial,
            [],
            loss,
            seed=seed,
            step=0,
            boundary=1,
            samples=2,
            eps=1e-2,
            noise=NOISE,
        )
        found.append(_estimated(chain, estimate, seed, 1))
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - expected) < 5 * error).all()


def test_more_directions_come_closer_to_the_gradient() -> None:
    """The cosine with autograd's grows with K, as sqrt(K / (K + weights + 1)) says."""
    chain = layers_chain()
    gradient = _gradient(chain)
    means = []
    for samples in (1, 16, 256, 2048):
        cosines = [
            _cosine(
                _estimated(chain, _central(chain, seed, boundary=0, samples=samples), seed, 0),
                gradient,
            )
            for seed in range(max(2, 40 // samples))
        ]
        means.append(np.mean(cosines))
    assert means == sorted(means)
    expected = np.sqrt(2048 / (2048 + chain.parameters + 1))
    assert expected == pytest.approx(means[-1], abs=0.03)


def test_a_split_estimate_is_unbiased_in_both_blocks() -> None:
    """Along autograd's gradient the mean of 2,500 estimates is 1, within four standard errors."""
    chain = layers_chain(width=4)
    boundary = chain.boundary(2)
    cut = sum(chain.sizes[:boundary])
    gradient = _gradient(chain)
    estimates = [
        _estimated(chain, _central(chain, seed, boundary=boundary, samples=2), seed, boundary)
        for seed in range(2500)
    ]
    for block in (slice(0, cut), slice(cut, None)):
        expected = gradient[block].astype(np.float64)
        along = np.stack(estimates)[:, block] @ expected / (expected @ expected)
        error = np.std(along) / np.sqrt(len(along))
        assert error < 0.2
        assert 1 == pytest.approx(along.mean(), abs=4 * error)


def _plain_loss(chain: Chain, flat: np.ndarray) -> float:
    """The loss at weights that are put in by PyTorch's own means."""
    inputs, labels = batch()
    modules = torch.nn.Sequential(*(copy.deepcopy(stage.module) for stage in chain.stages))
    torch.nn.utils.vector_to_parameters(torch.from_numpy(flat), modules.parameters())
    with torch.no_grad():
        return float(cross_entropy(modules(inputs).double(), labels))


@pytest.mark.parametrize("first", [None, 0, 1, 3])
def test_slopes_are_those_of_two_passes_on_perturbed_copies(first: int | None) -> None:
    """FedSPZO for each split, MeZO without one; activations that are used again change nothing."""
    chain = layers_chain()
    boundary = 0 if first is None else chain.boundary(first)
    estimate = _central(chain, 9, boundary=boundary, samples=3)
    base = np.concatenate(chain.initial)
    expected = []
    for which in (1, 2, 3):
        along = np.concatenate(
            [
                draw(Direction(9, 0, 0 if stage < boundary else which), stage, size)
                for stage, size in enumerate(chain.sizes)
            ]
        )
        step = along * np.float32(1e-3)
        ahead, back = _plain_loss(chain, base + step), _plain_loss(chain, base - step)
        expected.append((ahead - back) / 2e-3)
    assert expected == pytest.approx(estimate.slopes.tolist(), rel=1e-6)


def test_the_forward_estimate_is_one_sided() -> None:
    """DeComFL's rge-forward: (l(w + eps z) - l(w)) / eps."""
    chain, (inputs, labels) = layers_chain(), batch()
    found = forward(
        chain,
        chain.initial,
        inputs,
        loss_of(labels),
        seed=9,
        step=0,
        samples=2,
        eps=1e-3,
        noise=NOISE,
    )
    base = np.concatenate(chain.initial)
    for which, slope in enumerate(found.slopes, start=1):
        along = np.concatenate(
            [draw(Direction(9, 0, which), n, size) for n, size in enumerate(chain.sizes)]
        )
        ahead = _plain_loss(chain, base + along * np.float32(1e-3))
        assert (ahead - _plain_loss(chain, base)) / 1e-3 == pytest.approx(slope, rel=1e-6)


def test_the_weights_are_the_same_bits_after_an_estimate() -> None:
    """They were never perturbed: the shift goes into a scratch block."""
    chain, (inputs, labels) = layers_chain(), batch()
    before = [part.tobytes() for part in chain.initial]
    answer = chain.run(chain.initial, inputs)
    for step in range(50):
        for estimate in (central, forward):
            more = {"boundary": 2} if estimate is central else {}
            estimate(
                chain,
                chain.initial,
                inputs,
                loss_of(labels),
                seed=1,
                step=step,
                samples=2,
                eps=0.1,
                noise=NOISE,
                **more,
            )
    assert before == [part.tobytes() for part in chain.initial]
    assert torch.equal(answer, chain.run(chain.initial, inputs))


def test_shared_weights_are_held_once_and_perturbed_once() -> None:
    """The head that scores by the embedding sees it shifted as the embedding itself was."""
    chain = tied_chain(words=7, width=4)
    assert (28, 20, 7) == chain.sizes
    boundary, seen = 1, []
    head = chain.stages[2].module
    head.register_forward_hook(lambda module, inputs, output: seen.append(module.weight.clone()))
    words, labels = torch.tensor([[1, 2], [3, 4]]), torch.tensor([0, 5])
    central(
        chain,
        chain.initial,
        words,
        loss_of(labels),
        seed=3,
        step=0,
        boundary=boundary,
        samples=2,
        eps=0.5,
        noise=NOISE,
    )
    along = torch.from_numpy(draw(Direction(3, 0, 0), 0, 28)).view(7, 4) * 0.5
    base = torch.from_numpy(chain.initial[0]).view(7, 4)
    expected = [base + along, base - along] * 2
    assert all(torch.equal(a, b) for a, b in zip(expected, seen, strict=True))


def test_shared_weights_go_down_once() -> None:
    """A step changes them by the first block's direction alone."""
    chain = tied_chain()
    weights = [part.copy() for part in chain.initial]
    descend(weights, np.array([2.0, 4.0], np.float32), 3, 0, Rates(1, 0.1, 0.5), NOISE)
    expected = chain.initial[0] - draw(Direction(3, 0, 0), 0, 28) * np.float32(0.1 * 3)
    assert expected.tobytes() == weights[0].tobytes()


def test_each_block_goes_down_by_its_own_rate() -> None:
    """Below by the mean slope along one direction, above along each by its own."""
    chain = centres_chain(5, 5)
    weights = [part.copy() for part in chain.initial]
    descend(weights, np.array([1.0, 3.0], np.float32), 8, 4, Rates(1, 0.25, 0.5), NOISE)
    low = chain.initial[0] - draw(Direction(8, 4, 0), 0, 5) * np.float32(0.25 * 2)
    high = chain.initial[1] - draw(Direction(8, 4, 1), 1, 5) * np.float32(0.5 * 1 / 2)
    high = high - draw(Direction(8, 4, 2), 1, 5) * np.float32(0.5 * 3 / 2)
    assert low.tobytes() == weights[0].tobytes()
    assert high.tobytes() == weights[1].tobytes()
