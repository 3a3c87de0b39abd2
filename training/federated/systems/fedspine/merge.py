"""Devices' factors of unequal rank, in full coordinates, made one set of global factors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.federated.aggregation import (
    A,
    B,
    Held,
    padded,
    product,
    rank_of,
    refactorised,
    resized,
    stems,
    weighted_mean,
)
from training.federated.exchange import Arrays
from training.federated.systems.fedspine.options import Merge


def merge(how: Merge, whole: Arrays, held: Sequence[Held]) -> dict[str, NDArray[Any]]:
    """The global arrays after a round; `whole` are those before it, of the largest rank.

    See `Options.merge`; what is no factor is the weighted mean.
    """
    ranks = {stem: rank_of(whole, stem) for stem in stems(whole)}
    plain = weighted_mean([(_without_factors(arrays), weight) for arrays, weight in held])
    if how == "pad":
        return resized(weighted_mean(padded(held)), ranks) | plain
    if how == "residual":
        held = [(lengthened(arrays, whole), weight) for arrays, weight in held]
    return refactorised(held, ranks) | plain


def lengthened(arrays: Arrays, whole: Arrays) -> dict[str, NDArray[Any]]:
    """A device's factors with the rest of the rank as it was: the device has not trained it.

    What FedMP does to pruned coordinates (its residual recovery) is done to the rank.
    """
    found = dict(arrays)
    for stem in stems(arrays):
        rank = rank_of(arrays, stem)
        found[stem + A] = np.concatenate([arrays[stem + A], whole[stem + A][rank:]], axis=0)
        found[stem + B] = np.concatenate([arrays[stem + B], whole[stem + B][:, rank:]], axis=1)
    return found


def moved(before: Arrays, after: Arrays) -> float:
    """How far the products of all factors have moved: the root of the sum of squares."""
    total = sum(
        float(np.square(product(after, stem) - product(before, stem)).sum())
        for stem in stems(after)
    )
    return float(np.sqrt(total))


def _without_factors(arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {name: array for name, array in arrays.items() if not name.endswith((A, B))}
