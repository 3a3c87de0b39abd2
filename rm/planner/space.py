"""All plans at once: every division of the applications, every mode, every operating point.

A plan is a row (who is on which cluster), an operating point per cluster, and perhaps a mode of one
unit. Temperatures and powers are sums over units, so that all combinations are a few additions of
arrays. Where there are many rows, those that would be too hot whatever is chosen are passed over.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rm.planner.heat import HeatModel
from rm.planner.mode_table import ModeTable
from rm.planner.packed import Packed
from rm.planner.sides import Leaks, Side, accelerated, with_training, without_training

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

CHUNK = 256
"""Rows that are looked at together, where there are more (chosen)."""

Goal = Literal["temperature", "power", "progress", "energy"]
"""The least temperature, power or energy of the rest of the round; the most progress."""


class Found(NamedTuple):
    """A plan: its `value` by the goal, its row, and what follows from it."""

    value: float
    temp_c: float
    power_w: float
    mode: int | None
    row: int
    opp_index: tuple[int, ...]


class Within(NamedTuple):
    """What a plan must keep."""

    temp_c: float = math.inf
    power_w: float = math.inf


@dataclass(frozen=True)
class Space:
    """The plans for B divisions of the applications.

    `packed` is by cluster, `sets` (clusters, B) says which of its sets is each row's. `progress`
    (modes) is reference samples/s; powers at their peak have the leakage of `limit_c`, and `base_w`
    is what would be spent without training.
    """

    heat: HeatModel
    packed: tuple[Packed, ...]
    sets: Ints
    table: ModeTable
    progress: Floats
    limit_c: float
    base_w: float = 0.0

    def best(self, modes: Ints | None, goal: Goal, within: Within, leak_c: float) -> Found | None:
        """The best plan out of these modes (None: without training); None where there is none.

        Leakage is taken at `leak_c`, that of powers at their peak at the limit.
        """
        leaks = self._leaks(leak_c)
        idle = [without_training(self.heat, one, x, leaks) for x, one in enumerate(self.packed)]
        if self.sets.shape[1] > CHUNK:
            idle = [side.undominated() for side in idle]
        found: Found | None = None
        for host in self._hosts(idle, modes, leaks):
            rows, least_c = self._in_order(host)
            for at in range(0, len(rows), CHUNK):
                if least_c[at] > within.temp_c or not self._may_improve(
                    found, host, float(least_c[at]), goal
                ):
                    break
                better = self._least(host, rows[at : at + CHUNK], goal, within)
                if better is not None and (found is None or better.value < found.value):
                    found = better
        return found

    def rated(self, found: Found, leak_c: float) -> Found:
        """The temperature and power of a plan with leakage taken at `leak_c`."""
        leaks = self._leaks(leak_c)
        pairs = zip(self.packed, self.sets, strict=True)
        packed = [one.only(int(sets[found.row])) for one, sets in pairs]
        sides = [without_training(self.heat, one, x, leaks) for x, one in enumerate(packed)]
        modes = None if found.mode is None else np.array([found.mode])
        alone = replace(self, packed=tuple(packed), sets=np.zeros((len(packed), 1), dtype=np.int64))
        (host,) = alone._hosts(sides, modes, leaks)
        choices = [*found.opp_index, 0][: len(host.sides)]
        if host.unit is not None:
            choices[host.axis] = 0
        temp_c = max(
            float(self.heat.reach.base_c[row])
            + sum(float(side.rise[row, 0, i]) for side, i in zip(host.sides, choices, strict=True))
            for row in host.heated(len(packed))
        )
        watts = sum(float(side.watts[0, i]) for side, i in zip(host.sides, choices, strict=True))
        return found._replace(temp_c=temp_c, power_w=watts)

    def _leaks(self, leak_c: float) -> Leaks:
        return Leaks(self.heat.leaks(leak_c), self.heat.leaks(self.limit_c))

    def _hosts(self, idle: Sequence[Side], modes: Ints | None, leaks: Leaks) -> Iterator["_Host"]:
        """Nobody, or each unit in turn, as the one that trains."""
        if modes is None:
            yield _Host(tuple(idle), None, np.zeros(0, dtype=np.int64))
            return
        units = self.table.unit[modes]
        for unit in np.unique(units).tolist():
            chosen, sides = modes[units == unit], list(idle)
            if unit < len(idle):
                packed = self.packed[unit]
                sides[unit] = with_training(self.heat, packed, unit, self.table, chosen, leaks)
                yield _Host(tuple(sides), unit, chosen)
            else:
                sides.append(accelerated(self.heat, self.table, chosen))
                yield _Host(tuple(sides), unit, chosen)

    def _in_order(self, host: "_Host") -> tuple[Ints, Floats]:
        """The rows, those first that may be coolest, and how warm each is at least."""
        rows = np.arange(self.sets.shape[1])
        if len(rows) <= CHUNK:
            return rows, np.full(len(rows), -math.inf)
        sides = (side.rise.min(axis=2) for side in host.sides)
        total = sum(
            (rise[:, sets] if rise.shape[1] > 1 else rise)
            for rise, sets in zip(sides, host.sets(self.sets), strict=True)
        )
        least_c = (self.heat.reach.base_c[:, None] + total)[host.heated(len(self.packed))]
        coldest = least_c.max(axis=0)
        rows = np.argsort(coldest, kind="stable")
        return rows, coldest[rows]

    def _may_improve(self, found: Found | None, host: "_Host", least_c: float, goal: Goal) -> bool:
        """Whether a host's rows, none of them cooler than `least_c`, may be better than `found`."""
        if found is None:
            return True
        if goal == "progress":
            return -float(self.progress[host.modes].max()) < found.value
        return goal != "temperature" or least_c < found.value

    def _least(self, host: "_Host", rows: Ints, goal: Goal, within: Within) -> Found | None:
        """The best plan of some rows."""
        sides = [
            side.at(sets[rows]) for side, sets in zip(host.sides, host.sets(self.sets), strict=True)
        ]
        temp_c = self._temperatures(sides, host.heated(len(self.packed)))
        peak_w = _sum([side.peak_w for side in sides]) if within.power_w < math.inf else None
        value = self._values(host, sides, temp_c, goal)
        if within.temp_c < math.inf:
            value = np.where(temp_c <= within.temp_c, value, np.inf)
        if peak_w is not None:
            value = np.where(peak_w <= within.power_w, value, np.inf)
        at = np.unravel_index(int(value.argmin()), value.shape)
        if not (value[at] < np.inf and temp_c[at] < np.inf):
            return None
        row, *choices = (int(i) for i in at)
        opps = [int(side.opp[i]) for side, i in zip(sides, choices, strict=True)]
        return Found(
            float(value[at]),
            float(temp_c[at]),
            sum(side.watts_of(row, i) for side, i in zip(sides, choices, strict=True)),
            None if host.unit is None else int(host.modes[choices[host.axis]]),
            int(rows[row]),
            tuple(opps[: len(self.packed)]),
        )

    def _temperatures(self, sides: Sequence[Side], heated: Sequence[int]) -> Singles:
        """The hottest of the rows `heated` in every combination, (B, M of every side)."""
        hottest: Singles | None = None
        for row in heated:
            base_c = np.float32(self.heat.reach.base_c[row])
            temp_c = _sum([side.rise[row] for side in sides]) + base_c
            hottest = temp_c if hottest is None else np.maximum(hottest, temp_c, out=hottest)
        assert hottest is not None
        return hottest

    def _values(self, host: "_Host", sides: Sequence[Side], temp_c: Singles, goal: Goal) -> Singles:
        if goal == "temperature":
            return temp_c
        possible = temp_c < np.inf
        watts = _sum([side.watts for side in sides])
        if goal == "power":
            return np.where(possible, watts, np.float32(np.inf))
        shape = [1] * temp_c.ndim
        shape[1 + host.axis] = len(host.modes)
        progress = self.progress[host.modes].astype(np.float32).reshape(shape)
        value = -progress if goal == "progress" else (watts - np.float32(self.base_w)) / progress
        return np.where(possible, value, np.float32(np.inf))


class _Host(NamedTuple):
    """The sides when a unit trains (None: nobody does), and its modes."""

    sides: tuple[Side, ...]
    unit: int | None
    modes: Ints

    @property
    def axis(self) -> int:
        """Which of the sides trains."""
        assert self.unit is not None
        return min(self.unit, len(self.sides) - 1)

    def sets(self, of_clusters: Ints) -> list[Ints]:
        """The set of every row, by side."""
        alone = [np.zeros_like(of_clusters[0])] * (len(self.sides) - len(of_clusters))
        return [*of_clusters, *alone]

    def heated(self, clusters: int) -> list[int]:
        """The rows of the heat model that count."""
        rows = list(range(clusters))
        return rows if self.unit is None or self.unit < clusters else [*rows, self.unit]


def _sum(parts: Sequence[Singles]) -> Singles:
    """The sum of (B, M) of every side in every combination."""
    total: Singles | None = None
    for axis, part in enumerate(parts):
        shape = [len(part), *[1] * len(parts)]
        shape[1 + axis] = part.shape[1]
        spread = part.reshape(shape)
        total = spread if total is None else total + spread
    assert total is not None
    return total
