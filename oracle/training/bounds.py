"""Bounds on all decisions at once: which may meet all targets, and how hot each is at least.

Alone on an idle memory everybody is fastest: who misses a target there misses it always. Others'
traffic lengthens stalls, at most to what all loads together make of the queue when everybody is at
its fastest; and the longer the stalls, the less a core switches. Its activity is a convex function
of the queue's length, so that it lies above its tangent (at `USUAL`), and the sum over a cluster is
a sum of tangents.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.training.exact import SAME
from oracle.training.facts import Facts
from oracle.training.packings import Packings
from oracle.training.warmth import Warmth
from platforms.simulated.performance import HIGHEST_LOAD

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

USUAL = 1.3
"""The queue's length at which the tangents touch; any is right, a usual one is near (chosen)."""


class Option(NamedTuple):
    """Training on so many cores of a cluster, or on an accelerator (0 cores), or nowhere (-1)."""

    unit: int
    cores: int


@dataclass(frozen=True)
class Side:
    """A cluster with each packing at each operating point, all (N, o).

    `possible`: nobody misses a target on an idle memory. `load` is on the memory, at most; `watts`
    and `hottest_w` what all cores and the hottest of them take without leakage at a usual queue,
    and how that falls with the queue (`slope`, `hottest_slope`).
    """

    possible: Flags
    load: Floats
    watts: Floats
    slope: Floats
    hottest_w: Floats
    hottest_slope: Floats


def side(facts: Facts, packed: Packings, x: int) -> Side:
    """What the packings make of a cluster."""
    board, points = facts.board, int(facts.board.points[x])
    shape = (len(packed.group), points)
    possible = np.ones(shape, dtype=bool)
    load, watts, slope, hottest_w, hottest_slope = (np.zeros(shape) for _ in range(5))
    compute_s, stall_s = facts.compute_s[:, x, :points], facts.stall_s[:, x, None]
    floor, dynamic_w = board.activity_floor[x], board.dynamic_w[x, :points]
    rate = 1.0 / (compute_s + stall_s)
    for g in range(int(board.sizes[x])):
        inside = packed.group == g
        sharers = inside.sum(axis=1)
        share = inside / np.maximum(sharers, 1)[:, None]
        own = share @ (facts.pull_s[:, None] * rate)
        load += own
        enough = rate >= facts.target_ips[:, None] * (1.0 - SAME) * sharers[:, None, None]
        possible &= (enough | ~inside[:, :, None]).all(axis=1)
        left = 1.0 - np.minimum(own, HIGHEST_LOAD)
        whole_s = compute_s + stall_s * left[:, None, :] * USUAL
        busy = compute_s / whole_s
        falls = -busy * stall_s * left[:, None, :] / whole_s
        each = share[:, :, None] * facts.activity[:, None] * dynamic_w
        group_w = (each * (floor + (1.0 - floor) * busy)).sum(axis=1)
        group_slope = (each * (1.0 - floor) * falls).sum(axis=1)
        watts += group_w
        slope += group_slope
        hotter = group_w > hottest_w
        hottest_w, hottest_slope = (
            np.where(hotter, group_w, hottest_w),
            np.where(hotter, group_slope, hottest_slope),
        )
    possible[packed.groups > board.sizes[x]] = False
    return Side(possible, load, watts, slope, hottest_w, hottest_slope)


def at_least(
    facts: Facts,
    warmth: Warmth,
    packed: Sequence[Packings],
    sides: Sequence[Side],
    mapped: Ints,
    option: Option,
    allowed: Flags,
) -> NDArray[np.float32]:
    """The hottest core at least, (M, o of every cluster), of mappings (x, M) with an option.

    `allowed` (s, o) are the modes in which it may train. Infinite where it cannot be.
    """
    board, clusters = facts.board, len(sides)
    spread = [_Spread(x, clusters, len(mapped[0])) for x in range(clusters)]
    load: Any = 0.0
    possible: Any = True
    for x, at in enumerate(spread):
        load = load + at(sides[x].load[mapped[x]])
        possible = possible & at(sides[x].possible[mapped[x]])
    training = _Training(facts, option, allowed) if 0 <= option.unit < clusters else None
    if training is not None:
        load = load + spread[option.unit].points(training.load)
    queue = 1.0 / (1.0 - np.minimum(load, HIGHEST_LOAD))
    leaks = facts.leaks(warmth.base)
    shared_w: Any = 0.0
    cores_w, hottest_w = [], []
    for x, at in enumerate(spread):
        one, used = sides[x], packed[x].groups[mapped[x]]
        dynamic_w = at(one.watts[mapped[x]]) + at(one.slope[mapped[x]]) * (queue - USUAL)
        hottest = at(one.hottest_w[mapped[x]]) + at(one.hottest_slope[mapped[x]]) * (queue - USUAL)
        own = option.cores if x == option.unit else 0
        busy = at.rows(used + own)
        points = int(board.points[x])
        leakage_w = leaks[x] * board.leakage_w[x, :points]
        takes = np.maximum(dynamic_w, 0.0) + busy * at.points(leakage_w)
        takes = takes + (board.sizes[x] - busy) * board.idle_w[x]
        if training is not None and own:
            thread_w = training.at_least_w(at, queue)
            takes = takes + own * thread_w
            hottest = np.maximum(hottest, thread_w)
            possible = possible & (busy <= board.sizes[x]) & at.points(training.possible)
        cores_w.append(takes)
        hottest_w.append(np.where(busy > 0, np.maximum(hottest, 0.0) + at.points(leakage_w), 0.0))
        shared_w = shared_w + np.where(
            busy > 0, at.points(board.shared_w[x, :points]), board.idle_shared_w[x]
        )
    beside_k = _of_accelerator(facts, warmth, option, allowed)
    least: Floats | None = None
    for y in range(clusters):
        warm = (
            warmth.base[y]
            + beside_k[y]
            + warmth.shared[y] * shared_w
            + warmth.hot[y] * hottest_w[y]
        )
        for x in range(clusters):
            warm = warm + warmth.units[y, x] * cores_w[x]
        least = warm if least is None else np.maximum(least, warm)
    assert least is not None
    found: NDArray[np.float32] = np.where(possible, least, np.inf).astype(np.float32)
    return found


def _of_accelerator(facts: Facts, warmth: Warmth, option: Option, allowed: Flags) -> Floats:
    """What an accelerator heats each cluster by at least, in one of the modes that are allowed."""
    at = option.unit - len(warmth.base)
    if at < 0:
        return np.zeros(len(warmth.base))
    modes = np.argwhere(allowed).tolist()
    least_w = min((facts.point(at, o, s).mean_w for s, o in modes), default=0.0)
    found: Floats = warmth.accelerators[:, at] * least_w
    return found


class _Spread:
    """Spreads what is of one cluster over the axes of all."""

    def __init__(self, x: int, clusters: int, rows: int) -> None:
        self._shape = [rows, *[1] * clusters]
        self._axis = 1 + x

    def __call__(self, of_points: Any) -> Any:
        """(M, o)."""
        shape = list(self._shape)
        shape[self._axis] = of_points.shape[1]
        return of_points.reshape(shape)

    def rows(self, values: Ints) -> Ints:
        """(M,)."""
        return values.reshape(self._shape)

    def points(self, values: Any) -> Any:
        """(o,)."""
        shape = [1, *self._shape[1:]]
        shape[self._axis] = len(values)
        return values.reshape(shape)


class _Training:
    """The most load and the least power of some settings on some cores, by operating point."""

    def __init__(self, facts: Facts, option: Option, allowed: Flags) -> None:
        x, points = option.unit, int(facts.board.points[option.unit])
        train_s = facts.train_s[:, x, option.cores, :points]
        pull_s = facts.train_pull_s[:, None]
        fast = allowed[:, :points]
        self.possible = fast.any(axis=0)
        self.load = np.where(fast, option.cores * pull_s / (train_s + pull_s), 0.0).max(axis=0)
        self._stalls = np.where(fast, pull_s / train_s, 0.0).max(axis=0)
        self._floor = facts.board.activity_floor[x]
        self._dynamic_w = facts.board.dynamic_w[x, :points]

    def at_least_w(self, at: _Spread, queue: Floats) -> Floats:
        """What a thread takes without leakage."""
        busy = 1.0 / (1.0 + at.points(self._stalls) * queue)
        least: Floats = at.points(self._dynamic_w) * (self._floor + (1.0 - self._floor) * busy)
        return least
