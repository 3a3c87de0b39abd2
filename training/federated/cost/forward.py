"""The tensors of a forward pass, in the order in which they come and go.

Sizes are numbers of float32: n texts x tokens, h hidden, w attention, f feed-forward.
"""

from training.federated.cost.ledger import Ledger
from training.federated.cost.work import Work


def walk_forward(work: Work, ledger: Ledger, *, trains: bool) -> None:
    """Take what a forward pass takes; what autograd keeps (if it `trains`) stays in the ledger."""
    nh = _seen(work) * work.shape.hidden
    whole = trains and work.suffix.embeddings
    ledger.touch(3 * nh)
    ledger.take(nh)
    if whole:
        ledger.take(nh + 2 * _seen(work))
    first = work.shape.layers - work.depth
    held = work.mask / 4  # in bytes, and for each layer anew in floats
    if first or not trains:
        held += nh  # the embeddings' output
    ledger.take(held)
    for layer in range(work.shape.layers):
        rank = _rank(work, layer - first)
        if trains and layer >= first:
            _trained_layer(work, ledger, rank)
        else:
            _frozen_layer(work, ledger, rank)
    ledger.drop(held)
    ledger.take(_top(work))
    if not trains:
        ledger.drop(nh + _top(work))


def kept_by_layer(work: Work, index: int) -> float:
    """What autograd keeps of the trained layer `index`, its output but not its input."""
    ledger = Ledger()
    _trained_layer(work, ledger, _rank(work, index))
    return ledger.held


def _seen(work: Work) -> float:
    return float(work.batch * work.tokens)


def _rank(work: Work, index: int) -> int:
    """LoRA's rank of the trained layer `index`; 0 without LoRA or for a frozen layer."""
    ranks = work.suffix.ranks
    return ranks[index] if ranks and index >= 0 else 0


def _log_sum(work: Work) -> float:
    return float(work.batch * work.heads * work.tokens)


def _top(work: Work) -> float:
    """Pooled, its tanh, logits and their softmax."""
    return float(work.batch * (2 * work.shape.hidden + 2 * work.shape.classes))


def _linear(ledger: Ledger, n: float, outputs: int, rank: int, *, keeps: bool = False) -> None:
    """A linear map's output; with LoRA A's, which a trained layer keeps, and two more for now."""
    ledger.take(n * outputs)
    if rank:
        ledger.take(n * rank)
        ledger.touch(n * outputs)
        ledger.drop(0.0 if keeps else n * rank)
        ledger.touch(2 * n * outputs)


def _frozen_layer(work: Work, ledger: Ledger, rank: int) -> None:
    """Nothing is kept; the output takes the input's place."""
    n, h, w, f = _seen(work), work.shape.hidden, work.attention_width, work.ffn
    moment = Ledger()
    for _ in range(3):
        _linear(moment, n, w, rank)
    moment.take(n * w + _log_sum(work) + work.mask)
    moment.drop(3 * n * w + _log_sum(work) + work.mask)
    _linear(moment, n, h, rank)
    moment.take(2 * n * h + 2 * n)
    moment.drop(n * w + 2 * n * h + 2 * n)
    _linear(moment, n, f, rank)
    moment.take(n * f)
    moment.drop(n * f)
    _linear(moment, n, h, rank)
    moment.take(2 * n * h + 2 * n)
    ledger.touch(moment.peak)


def _trained_layer(work: Work, ledger: Ledger, rank: int) -> None:
    """Kept: queries, keys, values, attention, inputs of both norms, FFN before and after GELU.

    The norms' outputs are kept as inputs of the linear maps behind them.
    """
    n, h, w, f = _seen(work), work.shape.hidden, work.attention_width, work.ffn
    for _ in range(3):
        _linear(ledger, n, w, rank, keeps=True)
    ledger.take(n * w + _log_sum(work) + work.mask)
    _linear_and_norm(ledger, n, h, rank)
    _linear(ledger, n, f, rank, keeps=True)
    ledger.take(n * f)
    _linear_and_norm(ledger, n, h, rank)


def _linear_and_norm(ledger: Ledger, n: float, h: int, rank: int) -> None:
    """A linear map, whose output goes once it is added to the residual, and a layer norm."""
    _linear(ledger, n, h, rank, keeps=True)
    ledger.take(2 * n * h + 2 * n)
    ledger.drop(n * h)
