"""FLOPs of a transformer's forward pass and training step, as PyTorch's flop counter counts them.

A multiply-accumulate counts as two; only matrix products count (element-wise work is left out).
"""

from training.federated.cost.linear import Linear, layer_linears
from training.federated.cost.work import Work


def forward_flops(work: Work) -> float:
    """FLOPs of one forward pass."""
    return _frozen_layer(work) * work.shape.layers + _lora_forward(work) + _top(work)


def step_flops(work: Work) -> float:
    """FLOPs of one training step: forward, and backward as far down as something is trained."""
    return forward_flops(work) + _backward(work)


def layer_forward_flops(work: Work) -> float:
    """FLOPs of one encoder layer's forward pass, without adapters."""
    return _frozen_layer(work)


def _frozen_layer(work: Work) -> float:
    return sum(_product(work, linear) for linear in layer_linears(work)) + _attention(work)


def _product(work: Work, linear: Linear) -> float:
    return 2.0 * work.batch * work.tokens * linear.inputs * linear.outputs


def _attention(work: Work) -> float:
    """The products of queries with keys, and of their softmax with values."""
    return 4.0 * work.batch * work.tokens**2 * work.attention_width


def _top(work: Work) -> float:
    """Pooler and head, which see one token per text."""
    hidden = work.shape.hidden
    return 2.0 * work.batch * hidden * (hidden + work.shape.classes)


def _adapter(work: Work, linear: Linear, rank: int) -> float:
    return 2.0 * work.batch * work.tokens * linear.lora_parameters(rank)


def _lora_forward(work: Work) -> float:
    ranks = work.suffix.ranks or ()
    return sum(_adapter(work, linear, rank) for rank in ranks for linear in layer_linears(work))


def _backward(work: Work) -> float:
    total = _top_backward(work)
    for index in range(work.depth):
        passes_on = index > 0 or work.suffix.embeddings
        total += _layer_backward(work, index, passes_on=passes_on)
    if work.suffix.embeddings:
        total += 2 * _attention(work) * (work.shape.layers - work.depth)
        frozen = sum(_product(work, linear) for linear in layer_linears(work))
        total += frozen * (work.shape.layers - work.depth)
    return total


def _top_backward(work: Work) -> float:
    """Twice the forward; without a trained layer below, the pooler passes no gradient on."""
    below = work.depth > 0 or work.suffix.embeddings
    hidden = work.shape.hidden
    return 2 * _top(work) - (0.0 if below else 2.0 * work.batch * hidden * hidden)


def _layer_backward(work: Work, index: int, *, passes_on: bool) -> float:
    """Gradients of a trained layer; of its input too where something below wants it."""
    ranks = work.suffix.ranks
    total = 2 * _attention(work)
    for linear in layer_linears(work):
        inputs = passes_on or not linear.first
        product = _product(work, linear)
        if ranks is None:
            total += product + product * inputs
        else:
            half = 2.0 * work.batch * work.tokens * ranks[index]
            total += product * inputs + half * (linear.inputs + 2 * linear.outputs)
            total += half * linear.inputs * inputs
    return total
