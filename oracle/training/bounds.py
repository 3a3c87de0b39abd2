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
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

USUAL = 1.3
"""The queue's length at which the tangents touch; any is right, a usual one is near (chosen)."""


ROUNDING_K = np.float32(1e-3)
"""What single precision may be off by, and far more."""


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


class Bound(NamedTuple):
    """Decisions by number, (N,), and how warm the hottest core is at least."""

    number: Ints
    least_c: Singles


@dataclass(frozen=True)
class _Flat:
    """Of every possible decision but for training, (N,): one cluster's part of it."""

    opp: Ints
    used: Singles
    watts: Singles
    slope: Singles
    hottest_w: Singles
    hottest_slope: Singles

    def some(self, which: Ints) -> "_Flat":
        """Some of the decisions."""
        return _Flat(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


class Bounds:
    """Bounds on all decisions: mappings (x, M) of `packings` at operating points.

    A decision's number counts through the mappings and then the points of every cluster.
    """

    def __init__(
        self, facts: Facts, warmth: Warmth, packed: Sequence[Packings], mapped: Ints
    ) -> None:
        """Find those by which nobody is sure to miss a target."""
        self._facts, self._warmth = facts, warmth
        sides = [side(facts, one, x) for x, one in enumerate(packed)]
        self.shape = (mapped.shape[1], *(int(points) for points in facts.board.points))
        possible: Flags = np.ones((self.shape[0], *[1] * len(sides)), dtype=bool)
        for x, one in enumerate(sides):
            points = [1] * len(sides)
            points[x] = self.shape[1 + x]
            possible = possible & one.possible[mapped[x]].reshape(-1, *points)
        self.number: Ints = np.flatnonzero(possible)
        mapping, *opps = np.unravel_index(self.number, self.shape)
        self._load = np.zeros(len(self.number), dtype=np.float32)
        self._flat: list[_Flat] = []
        for x, (one, packing) in enumerate(zip(sides, packed, strict=True)):
            row, opp = mapped[x][mapping], opps[x]
            self._load += one.load[row, opp].astype(np.float32)
            parts = (one.watts, one.slope, one.hottest_w, one.hottest_slope)
            used = packing.groups[row].astype(np.float32)
            self._flat.append(
                _Flat(opp, used, *(part[row, opp].astype(np.float32) for part in parts))
            )

    def at_least(self, option: Option, allowed: Flags) -> Bound:
        """The decisions that are possible with an option, in some mode of `allowed` (s, o)."""
        board, clusters = self._facts.board, range(len(self._flat))
        which = np.arange(len(self.number))
        training = None
        if 0 <= option.unit < len(self._flat):
            training = _Training(self._facts, option, allowed)
            host = self._flat[option.unit]
            free = host.used + option.cores <= board.sizes[option.unit]
            which = np.flatnonzero(free & training.possible[host.opp])
        flat, load = [one.some(which) for one in self._flat], self._load[which]
        if training is not None:
            load = load + training.load[flat[option.unit].opp]
        queue = np.float32(1.0) / (np.float32(1.0) - np.minimum(load, np.float32(HIGHEST_LOAD)))
        shared_w: Any = np.float32(0.0)
        cores_w, hottest_w = [], []
        for x, one in enumerate(flat):
            own = training if x == option.unit else None
            takes, hottest, shared = self._of_cluster(x, one, queue, own, option.cores)
            shared_w = shared_w + shared
            cores_w.append(takes)
            hottest_w.append(hottest)
        warmth = self._warmth
        beside_k = _of_accelerator(self._facts, warmth, option, allowed)
        least = np.full(len(which), -np.inf, dtype=np.float32)
        for y in clusters:
            warm = (
                np.float32(warmth.base[y] + beside_k[y]) + np.float32(warmth.shared[y]) * shared_w
            )
            warm = warm + np.float32(warmth.hot[y]) * hottest_w[y]
            for x in clusters:
                warm = warm + np.float32(warmth.units[y, x]) * cores_w[x]
            np.maximum(least, warm, out=least)
        return Bound(self.number[which], least - ROUNDING_K)

    def _of_cluster(
        self, x: int, one: _Flat, queue: Singles, training: "_Training | None", cores: int
    ) -> tuple[Singles, Singles, Singles]:
        """What a cluster's cores take at least, the hottest of them, and its shared part."""
        board = self._facts.board
        leaks = self._facts.leaks(self._warmth.base)[x]
        leakage_w = (leaks * board.leakage_w[x]).astype(np.float32)[one.opp]
        takes = np.maximum(one.watts + one.slope * (queue - USUAL), 0.0)
        hottest = np.maximum(one.hottest_w + one.hottest_slope * (queue - USUAL), 0.0)
        awake = one.used
        if training is not None:
            thread_w = training.at_least_w(one.opp, queue)
            awake = awake + cores
            takes = takes + cores * thread_w
            hottest = np.maximum(hottest, thread_w)
        idle_w = np.float32(board.idle_w[x])
        takes = takes + awake * leakage_w + (board.sizes[x] - awake) * idle_w
        busy = awake > 0.0
        shared_w = board.shared_w[x].astype(np.float32)[one.opp]
        return (
            takes,
            np.where(busy, hottest + leakage_w, np.float32(0.0)),
            np.where(busy, shared_w, np.float32(board.idle_shared_w[x])),
        )


def _of_accelerator(facts: Facts, warmth: Warmth, option: Option, allowed: Flags) -> Floats:
    """What an accelerator heats each cluster by at least, in one of the modes that are allowed."""
    at = option.unit - len(warmth.base)
    if at < 0:
        return np.zeros(len(warmth.base))
    modes = np.argwhere(allowed).tolist()
    least_w = min((facts.point(at, o, s).mean_w for s, o in modes), default=0.0)
    found: Floats = warmth.accelerators[:, at] * least_w
    return found


class _Training:
    """The most load and the least power of some settings on some cores, by operating point."""

    def __init__(self, facts: Facts, option: Option, allowed: Flags) -> None:
        x, points = option.unit, int(facts.board.points[option.unit])
        train_s = facts.train_s[:, x, option.cores, :points]
        pull_s = facts.train_pull_s[:, None]
        fast = allowed[:, :points]
        self.possible: Flags = np.logical_or.reduce(fast, axis=0)
        load = np.where(fast, option.cores * pull_s / (train_s + pull_s), 0.0)
        self.load = load.max(axis=0).astype(np.float32)
        self._stalls = np.where(fast, pull_s / train_s, 0.0).max(axis=0).astype(np.float32)
        self._floor = np.float32(facts.board.activity_floor[x])
        self._dynamic_w = facts.board.dynamic_w[x, :points].astype(np.float32)

    def at_least_w(self, opp: Ints, queue: Singles) -> Singles:
        """What a thread takes without leakage."""
        busy = 1.0 / (1.0 + self._stalls[opp] * queue)
        least: Singles = self._dynamic_w[opp] * (self._floor + (1.0 - self._floor) * busy)
        return least
