"""Which attention heads and feed-forward channels of a transformer are left after pruning."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from training.federated.exchange import Arrays

HEADS = "importance.heads"
CHANNELS = "importance.channels"


class Kept(Struct, frozen=True, kw_only=True):
    """The heads and feed-forward channels that are left in each layer, ascending."""

    heads: tuple[tuple[int, ...], ...]
    channels: tuple[tuple[int, ...], ...]


def left(whole: int, ratio: float) -> int:
    """How many of so many structures a pruning ratio leaves: rounded, and never none.

    >>> [left(4, ratio) for ratio in (0.0, 0.1, 0.2, 0.5, 1.0)]
    [4, 4, 3, 2, 1]
    """
    return max(1, whole - int(ratio * whole + 0.5))


def everything(layers: int, heads: int, channels: int) -> Kept:
    """Nothing is pruned.

    >>> everything(1, 2, 3)
    Kept(heads=((0, 1),), channels=((0, 1, 2),))
    """
    return Kept(heads=(tuple(range(heads)),) * layers, channels=(tuple(range(channels)),) * layers)


def choose_kept(importance: Arrays, ratio: float) -> Kept:
    """The most important structures of each layer, ties by number; every layer loses as many.

    >>> scores = {HEADS: np.array([[1.0, 3.0]]), CHANNELS: np.array([[0.0, 2.0, 2.0, 5.0]])}
    >>> choose_kept(scores, 0.5)
    Kept(heads=((1,),), channels=((1, 3),))
    """
    return Kept(heads=_best(importance[HEADS], ratio), channels=_best(importance[CHANNELS], ratio))


def _best(scores: NDArray[np.floating], ratio: float) -> tuple[tuple[int, ...], ...]:
    many = left(scores.shape[1], ratio)
    ranked = np.argsort(-scores, axis=1, kind="stable")[:, :many]
    return tuple(tuple(map(int, sorted(layer))) for layer in ranked)


def kept_arrays(kept: Kept) -> dict[str, NDArray[np.int64]]:
    """What is left, as arrays that travel; `kept_of` reads them."""
    return {
        "kept.heads": np.array(kept.heads, np.int64),
        "kept.channels": np.array(kept.channels, np.int64),
    }


def kept_of(arrays: Arrays, heads: int, channels: int) -> Kept | None:
    """What an array says is left; None where a number is out of range, twice there or not sorted.

    >>> kept_of(kept_arrays(everything(2, 2, 3)), 2, 3) == everything(2, 2, 3)
    True
    >>> kept_of(kept_arrays(everything(2, 2, 3)), 2, 2)
    """
    found = []
    for name, whole in (("kept.heads", heads), ("kept.channels", channels)):
        numbers = arrays[name]
        if numbers.dtype.kind != "i" or not _ascending(numbers, whole):
            return None
        found.append(tuple(tuple(map(int, layer)) for layer in numbers))
    return Kept(heads=found[0], channels=found[1])


def _ascending(numbers: NDArray[np.int64], whole: int) -> bool:
    within = bool((numbers >= 0).all() and (numbers < whole).all())
    return within and bool((np.diff(numbers, axis=1) > 0).all())


def rows_of_heads(heads: Sequence[int], head_size: int) -> NDArray[np.int64]:
    """The rows of a query, key or value matrix that belong to heads.

    >>> rows_of_heads((0, 2), 2).tolist()
    [0, 1, 4, 5]
    """
    starts = np.asarray(heads, np.int64)[:, None] * head_size
    return (starts + np.arange(head_size)).reshape(-1)
