"""Tests of what a step costs: the network as it is, and the one that it can stand for."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from platforms.errors import InvalidInput
from training.federated.systems.mergesfl.costs import costs_of

SIZES = {"inputs": 64, "hidden": 64, "classes": 10}


def counted_step(bottom: nn.Sequential, top: nn.Sequential, x: torch.Tensor) -> tuple[int, int]:
    """FLOPs of a step of the bottom alone and of both, as torch counts them."""
    with FlopCounterMode(display=False) as halves:
        bottom(x).sum().backward()
    with FlopCounterMode(display=False) as whole:
        top(bottom(x)).sum().backward()
    return halves.get_total_flops(), whole.get_total_flops()


def parameters(module: nn.Module) -> int:
    """How many there are."""
    return sum(parameter.numel() for parameter in module.parameters())


def test_flops_and_bytes_of_the_network_are_those_that_torch_counts() -> None:
    """For one sample."""
    bottom = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    top = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    costs = costs_of("", **SIZES)
    assert counted_step(bottom, top, torch.ones(1, 64)) == (costs.bottom_flops, costs.whole_flops)
    assert 4 * parameters(bottom) == costs.bottom_bytes
    assert 4 * parameters(bottom) + 4 * parameters(top) == costs.whole_bytes
    assert 4 * 64 == costs.feature_bytes


def alexnet() -> tuple[nn.Sequential, nn.Sequential]:
    """Both halves, as the table of layers describes them."""
    bottom = nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 192, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
    layers = [nn.Linear(1024, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU()]
    return bottom, nn.Sequential(*layers, nn.Linear(4096, 10))


def test_the_network_that_it_stands_for_is_counted_as_torch_counts_it() -> None:
    """Built here for the purpose, and never trained."""
    bottom, top = alexnet()
    costs = costs_of("alexnet-cifar10", **SIZES)
    x = torch.ones(1, 3, 32, 32)
    assert counted_step(bottom, top, x) == (costs.bottom_flops, costs.whole_flops)
    assert 4 * parameters(bottom) == costs.bottom_bytes
    assert 4 * parameters(bottom) + 4 * parameters(top) == costs.whole_bytes
    assert 4 * bottom(x).numel() == costs.feature_bytes


def test_an_unknown_stand_in_is_refused() -> None:
    """With what there is."""
    with pytest.raises(InvalidInput, match="stand_in must be nothing or one of alexnet-cifar10"):
        costs_of("roberta-base", **SIZES)
