"""What a multilayer perceptron costs: linear maps with biases and a ReLU between them, float32."""

from collections.abc import Sequence
from itertools import pairwise

from training.federated.cost.ledger import Ledger
from training.federated.cost.memory import STATE, UPDATE
from training.federated.cost.work import FLOAT_BYTES, Optimiser


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


def mlp_peak_bytes(sizes: Sequence[int], batch: int, optimiser: Optimiser = "sgd") -> int:
    """The most that a training step holds, from the second step on, the batch included.

    Weights, gradients (those of the step before live until the forward pass ends), the optimiser's
    state, and the activations, walked through as PyTorch takes and drops them.
    """
    parameters = mlp_parameters(sizes)
    held = batch * sizes[0] + (2 + STATE[optimiser]) * parameters
    ledger = Ledger(held)
    for width in sizes[1:-1]:
        ledger.take(batch * width)
        ledger.take(batch * width)
        ledger.drop(batch * width)
    ledger.take(2 * batch * sizes[-1])
    ledger.drop(parameters)
    ledger.take(2 * batch * sizes[-1])
    ledger.drop(3 * batch * sizes[-1])
    for inputs, outputs in reversed(list(pairwise(sizes))[1:]):
        ledger.take((inputs + 1) * outputs + batch * inputs)
        ledger.drop(batch * outputs)
        ledger.take(batch * inputs)
        ledger.drop(2 * batch * inputs)
    ledger.take((sizes[0] + 1) * sizes[1])
    ledger.drop(batch * sizes[1])
    ledger.touch(UPDATE[optimiser] * max(i * o for i, o in pairwise(sizes)))
    return int(FLOAT_BYTES * ledger.peak)


def mlp_bytes(sizes: Sequence[int]) -> int:
    """Bytes of its parameters, as they travel."""
    return FLOAT_BYTES * mlp_parameters(sizes)
