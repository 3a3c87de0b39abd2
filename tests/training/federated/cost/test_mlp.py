"""The cost of a multilayer perceptron, against PyTorch's own counts."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from training.federated.cost.measure import measured_flops, measured_peak_bytes
from training.federated.cost.mlp import (
    mlp_bytes,
    mlp_forward_flops,
    mlp_parameters,
    mlp_peak_bytes,
    mlp_step_flops,
)
from training.federated.cost.work import Optimiser
from training.federated.dice import dice
from training.federated.local import train_steps
from training.federated.tasks.task import Examples

SIZES = (64, 128, 64, 10)


def mlp() -> nn.Sequential:
    """A perceptron of those sizes."""
    torch.set_num_threads(1)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(SIZES):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(model: nn.Module, batch: int, optimiser: Optimiser, steps: int) -> None:
    """Some steps on noise."""
    rng = dice(0, "mlp")
    x = rng.standard_normal((batch, SIZES[0])).astype("float32")
    examples = Examples(x=x, y=rng.integers(0, SIZES[-1], batch))
    train_steps(
        model,
        examples,
        steps=steps,
        batch=batch,
        learning_rate=0.1,
        optimiser=optimiser,
        seed=0,
    )


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("batch", [1, 32, 512])
def test_memory_is_what_the_allocator_says(batch: int, optimiser: Optimiser) -> None:
    """Within a hundredth; the batch itself comes from numpy, which the allocator never saw."""
    model = mlp()
    counted = measured_peak_bytes(model, lambda: train(model, batch, optimiser, 2))
    counted += 4 * batch * SIZES[0]
    assert counted == pytest.approx(mlp_peak_bytes(SIZES, batch, optimiser), rel=0.01)


def test_flops_are_what_the_counter_says() -> None:
    """Exactly: there are only linear maps."""
    model = mlp()
    assert mlp_step_flops(SIZES, 32) == measured_flops(lambda: train(model, 32, "sgd", 1))
    x = torch.zeros(32, SIZES[0])
    assert mlp_forward_flops(SIZES, 32) == measured_flops(lambda: model(x))


def test_the_gradient_of_the_input_costs_one_more_product() -> None:
    """A bottom part that is trained elsewhere wants it."""
    more = mlp_step_flops(SIZES, 32, input_gradient=True) - mlp_step_flops(SIZES, 32)
    assert mlp_forward_flops(SIZES[:2], 32) == more


def test_parameters_are_those_of_the_module() -> None:
    """Weights and biases, four bytes each."""
    count = sum(parameter.numel() for parameter in mlp().parameters())
    assert count == mlp_parameters(SIZES)
    assert 4 * count == mlp_bytes(SIZES)
