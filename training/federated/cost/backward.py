"""The tensors of a backward pass, in the order in which they come and go; see `forward`.

Each step takes its gradients, then drops what autograd had kept for it and the gradient that it
has used up.
"""

from training.federated.cost.ledger import Ledger
from training.federated.cost.linear import Linear
from training.federated.cost.parameters import (
    embedding_parameters,
    norm_parameters,
    top_parameters,
)
from training.federated.cost.work import Work


def walk_backward(work: Work, ledger: Ledger) -> None:
    """Take gradients from the loss down to the first trained layer, and drop all that was kept."""
    n, h = float(work.batch * work.tokens), work.shape.hidden
    top = work.batch * (2 * h + 2 * work.shape.classes)
    ledger.take(top_parameters(work))
    ledger.drop(top, n * h)
    if not work.depth:
        return
    ledger.take(n * h)
    for index in reversed(range(work.depth)):
        _layer(work, ledger, index, passes_on=index > 0 or work.suffix.embeddings)
    if work.suffix.embeddings:
        ledger.take(n * h)
        ledger.drop(2 * n * h + 2 * n)
        ledger.take(embedding_parameters(work))
        ledger.drop(n * h)


def _layer(work: Work, ledger: Ledger, index: int, *, passes_on: bool) -> None:
    """One trained layer: its output's gradient (n h) is in the ledger, its input's replaces it."""
    n, h, w, f = float(work.batch * work.tokens), work.shape.hidden, work.attention_width, work.ffn
    rank = work.suffix.ranks[index] if work.suffix.ranks else 0
    _norm(work, ledger, rank)
    _linear(ledger, n, Linear(f, h), rank, kept=n * f)
    ledger.take(n * f)
    ledger.drop(2 * n * f)  # what GELU kept, and the gradient behind it
    _linear(ledger, n, Linear(h, f), rank, kept=n * h, joins=True)
    ledger.drop(n * f, n * h)  # the gradient behind it; two gradients become one sum
    _norm(work, ledger, rank)
    _linear(ledger, n, Linear(w, h), rank)
    ledger.take(3 * n * w)
    ledger.drop(n * w, 4 * n * w + work.batch * work.heads * work.tokens, work.mask)
    for kept in (0.0, 0.0, n * h):
        _linear(ledger, n, Linear(h, w), rank, kept=kept, passes_on=passes_on, joins=True)
        ledger.drop(n * w, n * h if passes_on else 0.0)
    if not passes_on:
        ledger.drop(n * h)  # the residual's gradient


def _norm(work: Work, ledger: Ledger, rank: int) -> None:
    """A layer norm: its input's gradient replaces its output's; without LoRA it is trained."""
    n, h = float(work.batch * work.tokens), work.shape.hidden
    ledger.take(n * h + (0 if rank else norm_parameters(work)))
    ledger.drop(2 * n * h + 2 * n)


def _linear(
    ledger: Ledger,
    n: float,
    linear: Linear,
    rank: int,
    *,
    kept: float = 0.0,
    passes_on: bool = True,
    joins: bool = False,
) -> None:
    """The gradients of its parameters, and of its input where that is passed on.

    `kept` is what is dropped once the parameters' gradients are there. LoRA's branch comes first:
    its scaling, B, A, and then the frozen map. The two gradients of the input are summed in place
    where they join the residual's, else into a third.
    """
    inputs = n * linear.inputs if passes_on else 0.0
    if not rank:
        ledger.take(inputs + linear.parameters)
        ledger.drop(kept)
        return
    ledger.take(n * linear.outputs)
    ledger.take(n * rank + linear.outputs * rank)
    ledger.drop(n * linear.outputs, n * rank)
    ledger.take(inputs + linear.inputs * rank)
    ledger.drop(n * rank, kept)
    ledger.touch(inputs if joins else 2 * inputs)
