"""Updates of unequal devices made one: small pure functions.

A device holds some of the model's arrays, by name. What devices hold of one name is averaged with
their weights; a name that few hold moves the model only by their share (`layerwise`), as CoCoFL
does it. Low-rank factors of unequal rank are filled up with zeros (`padded`, as HetLoRA), or
multiplied out, averaged and factorised again (`refactorised`, as FlexLoRA).

Factors are "STEM.lora_A" of shape (rank, in) and "STEM.lora_B" of shape (out, rank); all devices
scale their product alike, so the scale plays no part here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.exchange import Arrays

Held = tuple[Arrays, float]
"""Arrays that a device holds, with its weight (such as its number of samples)."""

A, B = ".lora_A", ".lora_B"


def normalised(weights: Sequence[float]) -> tuple[float, ...]:
    """Weights that sum to 1; InvalidInput where one is negative or none is above 0.

    >>> normalised([1, 3])
    (0.25, 0.75)
    """
    total = float(sum(weights))
    if min(weights, default=0.0) < 0 or not 0 < total < float("inf"):
        raise InvalidInput(f"weights must be 0 or more and not all 0 (got {list(weights)})")
    return tuple(weight / total for weight in weights)


def weighted_mean(held: Sequence[Held]) -> dict[str, NDArray[Any]]:
    """Per name the weighted mean over those who hold it; sums are of 64 bits.

    >>> means = weighted_mean([({"x": np.ones(1)}, 1), ({"x": np.zeros(1), "y": np.ones(1)}, 3)])
    >>> {name: float(value[0]) for name, value in means.items()}
    {'x': 0.25, 'y': 1.0}
    """
    return {name: _mean(_holding(held, name)) for name in _names(held)}


def shares(held: Sequence[Held]) -> dict[str, float]:
    """Per name the share of all weight that those have who hold it.

    >>> shares([({"x": np.ones(1)}, 1), ({"x": np.ones(1), "y": np.ones(1)}, 3)])
    {'x': 1.0, 'y': 0.75}
    """
    weights = normalised([weight for _, weight in held])
    return {
        name: min(
            1.0, sum(w for (arrays, _), w in zip(held, weights, strict=True) if name in arrays)
        )
        for name in _names(held)
    }


def layerwise(old: Arrays, held: Sequence[Held], *, share: bool = True) -> dict[str, NDArray[Any]]:
    """The model after a round: r * mean + (1 - r) * old per name, r the share of its holders.

    Without `share` r is 1 wherever anybody holds the name. What nobody holds stays as it is.
    InvalidInput where a device holds what the model does not.
    """
    unknown = sorted(set(_names(held)) - old.keys())
    if unknown:
        raise InvalidInput(f"arrays must be of the model's (got {', '.join(unknown)})")
    if not held:
        return dict(old)
    part = shares(held) if share else {}
    return dict(old) | {
        name: blended(old[name], mean, part.get(name, 1.0))
        for name, mean in weighted_mean(held).items()
    }


def blended(old: NDArray[Any], new: NDArray[Any], share: float) -> NDArray[Any]:
    """The sum share * new + (1 - share) * old, in the type of `old`.

    >>> blended(np.zeros(2), np.ones(2), 0.25)
    array([0.25, 0.25])
    """
    if share == 1:
        return np.asarray(new, old.dtype)
    return np.asarray(
        share * new.astype(np.float64) + (1 - share) * old.astype(np.float64), old.dtype
    )


def rank_of(arrays: Arrays, stem: str) -> int:
    """The rank of a pair of factors; InvalidInput where the two do not fit together."""
    rows, columns = arrays[stem + A].shape[0], arrays[stem + B].shape[1]
    if rows != columns:
        raise InvalidInput(f"ranks of {stem}: lora_A and lora_B must agree (got {rows}, {columns})")
    return int(rows)


def stems(arrays: Iterable[str]) -> tuple[str, ...]:
    """What has low-rank factors, sorted.

    >>> stems(["layer.0.query.lora_B", "layer.0.query.lora_A", "head.weight"])
    ('layer.0.query',)
    """
    return tuple(sorted(name.removesuffix(A) for name in arrays if name.endswith(A)))


def product(arrays: Arrays, stem: str) -> NDArray[np.float64]:
    """B @ A of a stem: what the factors add to a weight, but for the common scale."""
    rank_of(arrays, stem)
    return arrays[stem + B].astype(np.float64) @ arrays[stem + A].astype(np.float64)


def resized(arrays: Arrays, ranks: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """The factors of the stems in `ranks` cut, or filled up with zeros, to these ranks.

    Filling up leaves every product as it is; cutting keeps the first rows of A and columns of B.
    """
    sizes = {stem: (rank_of(arrays, stem), rank) for stem, rank in ranks.items()}
    changed = {
        name: array
        for stem, (_, rank) in sizes.items()
        for name, array in (
            (stem + A, _fitted(arrays[stem + A], 0, rank)),
            (stem + B, _fitted(arrays[stem + B], 1, rank)),
        )
    }
    return dict(arrays) | changed


def padded(held: Sequence[Held]) -> list[Held]:
    """All devices' factors filled up with zeros to the largest rank that any holds of a stem."""
    largest: dict[str, int] = {}
    for arrays, _ in held:
        for stem in stems(arrays):
            largest[stem] = max(largest.get(stem, 0), rank_of(arrays, stem))
    return [
        (resized(arrays, {stem: largest[stem] for stem in stems(arrays)}), weight)
        for arrays, weight in held
    ]


def refactorised(held: Sequence[Held], ranks: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """The weighted mean of the products of each stem in `ranks`, as factors of that rank.

    The best approximation of that rank by singular values, exact where the mean has no higher
    rank. Singular values go to B and A keeps rows of length 1: a direction without weight still
    gets a gradient. Ranks above those of the matrix are filled up with zeros.
    """
    result: dict[str, NDArray[Any]] = {}
    for stem, rank in ranks.items():
        having = [(arrays, weight) for arrays, weight in held if stem + A in arrays]
        result[stem + A], result[stem + B] = _factors(having, stem, rank)
    return result


def _factors(held: Sequence[Held], stem: str, rank: int) -> tuple[NDArray[Any], NDArray[Any]]:
    weights = normalised([weight for _, weight in held])
    for arrays, _ in held:
        rank_of(arrays, stem)
    left = np.hstack([arrays[stem + B].astype(np.float64) for arrays, _ in held])
    right = np.vstack(
        [
            w * arrays[stem + A].astype(np.float64)
            for (arrays, _), w in zip(held, weights, strict=True)
        ]
    )
    left_basis, left_core = np.linalg.qr(left)
    right_basis, right_core = np.linalg.qr(right.T)
    u, values, vt = np.linalg.svd(left_core @ right_core.T)
    kept = min(rank, len(values))
    b = left_basis @ (u[:, :kept] * values[:kept])
    a = vt[:kept] @ right_basis.T
    sign = np.sign(a[np.arange(kept), np.abs(a).argmax(axis=1)])
    kind = held[0][0][stem + A].dtype
    return (
        _fitted(a * sign[:, None], 0, rank).astype(kind),
        _fitted(b * sign, 1, rank).astype(kind),
    )


def _fitted(array: NDArray[Any], axis: int, size: int) -> NDArray[Any]:
    cut = np.take(array, range(min(size, array.shape[axis])), axis=axis)
    missing = [(0, 0)] * array.ndim
    missing[axis] = (0, size - cut.shape[axis])
    return np.pad(cut, missing)


def _names(held: Sequence[Held]) -> list[str]:
    return list(dict.fromkeys(name for arrays, _ in held for name in arrays))


def _holding(held: Sequence[Held], name: str) -> list[tuple[NDArray[Any], float]]:
    return [(arrays[name], weight) for arrays, weight in held if name in arrays]


def _mean(copies: Sequence[tuple[NDArray[Any], float]]) -> NDArray[Any]:
    first = copies[0][0]
    wrong = [copy.shape for copy, _ in copies if copy.shape != first.shape]
    if wrong:
        raise InvalidInput(
            f"copies of one array must be of one shape (got {first.shape}, {wrong[0]})"
        )
    weights = normalised([weight for _, weight in copies])
    total = np.zeros(first.shape, np.float64)
    for (copy, _), weight in zip(copies, weights, strict=True):
        total += weight * copy
    return total.astype(first.dtype if first.dtype.kind == "f" else np.float64)
