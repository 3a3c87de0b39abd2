"""Peak memory of a training step and of inference, in bytes, by walking through their tensors.

The walk takes and drops what PyTorch does on a CPU for a BERT of Transformers without dropout, with
`scaled_dot_product_attention`: weights, gradients of the last step (they live until the forward
pass ends), state of the optimiser, what autograd keeps of the forward pass, and what lives only
for a moment. Memory that a kernel takes within itself is left out.
"""

from training.federated.cost.backward import walk_backward
from training.federated.cost.forward import walk_forward
from training.federated.cost.ledger import Ledger
from training.federated.cost.parameters import (
    all_parameters,
    largest_trained_tensor,
    trained_parameters,
)
from training.federated.cost.work import FLOAT_BYTES, Work

STATE = {"sgd": 0, "adamw": 2}
"""Numbers of the optimiser's state per trained parameter."""

UPDATE = {"sgd": 0, "adamw": 2}
"""Tensors as large as the parameter that live while it is changed."""


def peak_bytes(work: Work) -> int:
    """The most that a training step holds, from the second step on."""
    trained = trained_parameters(work)
    ledger = Ledger(_resident(work) + (1 + STATE[work.optimiser]) * trained)
    walk_forward(work, ledger, trains=True)
    ledger.drop(trained)
    walk_backward(work, ledger)
    ledger.touch(UPDATE[work.optimiser] * largest_trained_tensor(work))
    return int(FLOAT_BYTES * ledger.peak)


def inference_peak_bytes(work: Work) -> int:
    """The most that a forward pass without gradients holds."""
    ledger = Ledger(_resident(work))
    walk_forward(work, ledger, trains=False)
    return int(FLOAT_BYTES * ledger.peak)


def zeroth_order_peak_bytes(work: Work, *, split: bool = False) -> int:
    """The most that a zeroth-order step holds: inference, or one tensor's perturbation.

    With `split` the two activations between the blocks are held as well.
    """
    kept = 2.0 * work.batch * work.tokens * work.shape.hidden if split else 0.0
    ledger = Ledger(_resident(work) + kept)
    walk_forward(work, ledger, trains=False)
    ledger.touch(2 * largest_trained_tensor(work))
    return int(FLOAT_BYTES * ledger.peak)


def _resident(work: Work) -> float:
    """Weights, the model's two buffers of int64 per position, and the batch's int64 tokens."""
    int64 = 2.0 * (2 * work.shape.positions + work.batch * work.tokens)
    return all_parameters(work) + int64
