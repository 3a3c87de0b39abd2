"""What a multilayer perceptron costs: linear maps with biases and a ReLU between them, float32."""

from collections.abc import Sequence
from itertools import pairwise

from training.federated.cost.work import FLOAT_BYTES


def mlp_parameters(sizes: Sequence[int]) -> int:
    """Weights and biases.

    >>> mlp_parameters([64, 10])
    650
    """
    return sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))


def mlp_forward_flops(sizes: Sequence[int], batch: int) -> float:
    """FLOPs of a forward pass; a multiply-accumulate counts as two.

    >>> mlp_forward_flops([64, 10], 2)
    2560.0
    """
    return 2.0 * batch * sum(inputs * outputs for inputs, outputs in pairwise(sizes))


def mlp_step_flops(sizes: Sequence[int], batch: int, *, input_gradient: bool = False) -> float:
    """FLOPs of forward and backward; `input_gradient` where a part below wants its gradient."""
    saved = 0.0 if input_gradient else mlp_forward_flops(sizes[:2], batch)
    return 3 * mlp_forward_flops(sizes, batch) - saved


def mlp_peak_bytes(sizes: Sequence[int], batch: int, optimiser: str = "sgd") -> int:
    """The most that a training step holds: weights, gradients, optimiser state, activations."""
    states = {"sgd": 2, "adamw": 4}[optimiser]
    kept = batch * (sizes[0] + sum(2 * width for width in sizes[1:-1]) + 3 * sizes[-1])
    return FLOAT_BYTES * (states * mlp_parameters(sizes) + kept)


def mlp_bytes(sizes: Sequence[int]) -> int:
    """Bytes of its parameters, as they travel."""
    return FLOAT_BYTES * mlp_parameters(sizes)
