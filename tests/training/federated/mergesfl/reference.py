"""The network once more, in torch and by autograd: what the numpy halves are checked against."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, relu

from training.federated.systems.mergesfl.network import Floats, Labels

torch.set_num_threads(1)

Batch = tuple[Floats, Labels]


def logits(weights: Mapping[str, Tensor], x: Floats) -> Tensor:
    """The whole network."""
    first = relu(torch.from_numpy(x) @ weights["bottom.weight"].T + weights["bottom.bias"])
    second = relu(first @ weights["top.0.weight"].T + weights["top.0.bias"])
    return second @ weights["top.1.weight"].T + weights["top.1.bias"]


def step(weights: Mapping[str, Floats], batch: Batch, rate: float) -> dict[str, Floats]:
    """One step of SGD on the mean cross-entropy of a batch, all on one machine."""
    leaves = {name: torch.tensor(array, requires_grad=True) for name, array in weights.items()}
    loss = cross_entropy(logits(leaves, batch[0]), torch.from_numpy(batch[1]))
    slopes = torch.autograd.grad(loss, list(leaves.values()))
    return {
        name: (leaf - rate * slope).detach().numpy()
        for (name, leaf), slope in zip(leaves.items(), slopes, strict=True)
    }


def mean(models: Sequence[Mapping[str, Floats]]) -> dict[str, Floats]:
    """The plain mean of models."""
    return {name: np.mean([model[name] for model in models], axis=0) for name in models[0]}


def drawn_batch(rng: np.random.Generator, size: int) -> Batch:
    """A batch of 12 features and 5 classes."""
    return rng.normal(size=(size, 12)).astype(np.float32), rng.integers(5, size=size)


def assert_same(expected: Mapping[str, Floats], found: Mapping[str, Floats]) -> None:
    """To the tolerance of float32 sums."""
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=2e-4, atol=2e-6, err_msg=name)
