"""Peak memory of a training step and of inference, in bytes of float32 tensors."""

from training.federated.cost.parameters import all_parameters, trained_parameters
from training.federated.cost.work import FLOAT_BYTES, Work


def peak_bytes(work: Work) -> int:
    """The most that one training step holds: weights, gradients, optimiser state, activations."""
    states = {"sgd": 1, "adamw": 3}[work.optimiser]
    fixed = all_parameters(work) + states * trained_parameters(work)
    return FLOAT_BYTES * (fixed + work.depth * _kept_per_layer(work) + _working_set(work))


def inference_peak_bytes(work: Work) -> int:
    """The most that a forward pass without gradients holds."""
    return FLOAT_BYTES * (all_parameters(work) + _working_set(work))


def zeroth_order_peak_bytes(work: Work, *, split: bool = False) -> int:
    """The most that a zeroth-order step holds: inference, and two split activations."""
    kept = 2 * work.batch * work.tokens * work.shape.hidden if split else 0
    return inference_peak_bytes(work) + FLOAT_BYTES * kept


def _kept_per_layer(work: Work) -> int:
    """What a trained layer's backward pass needs of its forward pass."""
    seen = work.batch * work.tokens
    scores = work.batch * work.heads * work.tokens**2
    return seen * (4 * work.shape.hidden + 4 * work.attention_width + 2 * work.ffn) + scores


def _working_set(work: Work) -> int:
    seen = work.batch * work.tokens
    return seen * (3 * work.shape.hidden + 2 * work.ffn)
