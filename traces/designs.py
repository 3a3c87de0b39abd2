"""Sampling designs: which operating points of the grid a recording visits on each core.

The grid is the product of the clusters' `axes`. A design is named as on the command line:

``full``
    every point: the yardstick, and the most runs
``corners``
    the lowest and the highest point of every cluster, in all combinations
``axes``
    every point of one cluster while the others stand at their lowest, one cluster after the other
``latin:N``
    N points in which every cluster's range is covered evenly, paired at random (a Latin hypercube,
    drawn anew for each core, so that the cores of a cluster complete each other)
``corners+latin:N``
    both

What is not visited a model fills in (`traces.fill_model`); docs/recording.md says how well.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from platforms.errors import InvalidInput

Axes = Sequence[Sequence[int]]
Points = tuple[tuple[int, ...], ...]

NAMES = "full, corners, axes, latin:N or corners+latin:N"


def design_points(name: str, axes: Axes, rng: np.random.Generator) -> Points:
    """The points of a design in the order of the grid; `rng` draws where it is random.

    Raises InvalidInput for a name that is none.

    >>> rng = np.random.default_rng(0)
    >>> design_points("corners", [[0, 1, 2], [0, 3]], rng)
    ((0, 0), (0, 3), (2, 0), (2, 3))
    >>> design_points("axes", [[0, 1, 2], [0, 3]], rng)
    ((0, 0), (0, 3), (1, 0), (2, 0))
    >>> len(design_points("latin:3", [[0, 1, 2], [0, 3]], rng))
    3
    """
    found: set[tuple[int, ...]] = set()
    for part in name.split("+"):
        kind, colon, count = part.partition(":")
        if colon:
            if kind != "latin" or not count.isdecimal() or not 2 <= int(count) <= 1000:
                raise _unknown(name)
            found |= _latin(axes, int(count), rng)
        elif kind in _FIXED:
            found |= _FIXED[kind](axes)
        else:
            raise _unknown(name)
    return tuple(sorted(found))


def check_design(name: str) -> None:
    """Raise InvalidInput for a name that is no design."""
    design_points(name, [[0, 1]], np.random.default_rng(0))


def _unknown(name: str) -> InvalidInput:
    return InvalidInput(f"--design must be {NAMES}, with N of 2 ... 1000 (got {name!r})")


def _full(axes: Axes) -> set[tuple[int, ...]]:
    return set(itertools.product(*axes))


def _corners(axes: Axes) -> set[tuple[int, ...]]:
    return set(itertools.product(*((axis[0], axis[-1]) for axis in axes)))


def _axes(axes: Axes) -> set[tuple[int, ...]]:
    lowest = tuple(axis[0] for axis in axes)
    return {
        (*lowest[:cluster], point, *lowest[cluster + 1 :])
        for cluster, axis in enumerate(axes)
        for point in axis
    }


_FIXED: dict[str, Callable[[Axes], set[tuple[int, ...]]]] = {
    "full": _full,
    "corners": _corners,
    "axes": _axes,
}


def _latin(axes: Axes, count: int, rng: np.random.Generator) -> set[tuple[int, ...]]:
    """`count` points, or as many as the grid has; each axis is walked evenly, in a random order.

    Where pairs come out twice the order is drawn again, as a small grid has few pairs.
    """
    count = min(count, int(np.prod([len(axis) for axis in axes])))
    best: set[tuple[int, ...]] = set()
    for _ in range(_DRAWS):
        columns = [rng.permutation(_even(axis, count)) for axis in axes]
        drawn = {tuple(point) for point in np.column_stack(columns).tolist()}
        best = max(best, drawn, key=len)
        if len(best) == count:
            break
    return best


_DRAWS = 20


def _even(axis: Sequence[int], count: int) -> list[int]:
    """`count` of an axis' points, as evenly as can be, its ends among them.

    >>> _even([0, 1, 2, 3, 4], 3), _even([0, 1], 5)
    ([0, 2, 4], [0, 0, 0, 1, 1])
    """
    if count >= len(axis):
        return [axis[i * len(axis) // count] for i in range(count)]
    return [axis[i] for i in np.linspace(0, len(axis) - 1, count).round().astype(int)]
