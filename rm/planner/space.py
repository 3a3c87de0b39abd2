"""All plans at once: every division of the applications, every mode, every operating point.

A plan is a row (who is on which cluster), an operating point per cluster, and perhaps a mode of one
unit. Temperatures and powers are sums over units, so that all combinations are a few additions of
arrays. Rows that would be too hot whatever is chosen are passed over.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rm.planner.heat import HeatModel
from rm.planner.mode_table import ModeTable
from rm.planner.packed import Packed
from rm.planner.sides import Side, accelerated, with_training, without_training

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

FIRST, CHUNK = 16, 256
"""Rows that are looked at together: few at first, as others may be passed over then (chosen)."""

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
    choices: tuple[int, ...]
    host: "Host"


class Within(NamedTuple):
    """What a plan must keep; power at its peak, with the leakage of the limit."""

    temp_c: float = math.inf
    power_w: float = math.inf


class Host(NamedTuple):
    """The sides while a unit trains (None: nobody does), and its modes.

    `sets` says per side which set is each row's, `heated` which rows of the heat model count.
    """

    sides: tuple[Side, ...]
    unit: int | None
    modes: Ints
    sets: tuple[Ints, ...]
    heated: tuple[int, ...]

    @property
    def axis(self) -> int:
        """Which of the sides trains."""
        assert self.unit is not None
        return min(self.unit, len(self.sides) - 1)


@dataclass(frozen=True)
class Space:
    """The plans for B divisions of the applications.

    `packed` is by cluster, `sets` (clusters, B) says which of its sets is each row's. `progress`
    (modes) is reference samples/s; powers at their peak have the leakage of `limit_c`.
    """

    heat: HeatModel
    packed: tuple[Packed, ...]
    sets: Ints
    table: ModeTable
    progress: Floats
    limit_c: float

    @cached_property
    def idle(self) -> Host:
        """Nobody trains."""
        sides = [without_training(self.heat, one, x) for x, one in enumerate(self.packed)]
        if self.sets.shape[1] > CHUNK:
            sides = [side.undominated() for side in sides]
        none, rows = np.zeros(0, dtype=np.int64), tuple(range(len(sides)))
        return Host(tuple(sides), None, none, tuple(self.sets), rows)

    def hosts(self, modes: Ints) -> list[Host]:
        """Each unit in turn as the one that trains, in one of its modes."""
        found, idle = [], self.idle
        units = self.table.unit[modes]
        for unit in sorted(set(units.tolist())):
            chosen, sides = modes[units == unit], list(idle.sides)
            if unit < len(sides):
                sides[unit] = with_training(self.heat, self.packed[unit], unit, self.table, chosen)
                found.append(Host(tuple(sides), unit, chosen, idle.sets, idle.heated))
            else:
                sides.append(accelerated(self.heat, self.table, chosen))
                sets = (*idle.sets, np.zeros_like(idle.sets[0]))
                found.append(Host(tuple(sides), unit, chosen, sets, (*idle.heated, unit)))
        return found

    def best(
        self,
        hosts: Sequence[Host],
        goal: Goal,
        within: Within,
        leak_c: float,
        *,
        base_w: float = 0.0,
        known: Found | None = None,
    ) -> Found | None:
        """The best plan of some hosts, None where there is none; better than `known`, or that.

        Leakage is taken at `leak_c`. Energy is of what is taken beside `base_w`.
        """
        leaks, found = self.heat.leaks(leak_c), known
        bounds = [self._bound(host, goal, leaks, base_w) for host in hosts]
        bounds.sort(key=lambda bound: float(bound.value.min()))
        for host, least_c, value in bounds:
            left = np.flatnonzero(least_c <= min(within.temp_c, _HOTTEST_C))
            size = FIRST
            while True:
                if found is not None:
                    left = left[value[left] < found.value]
                if left.size > size:
                    left = left[np.argpartition(value[left], size - 1)]
                if not left.size:
                    break
                better = self._least(host, left[:size], goal, within, leaks, base_w)
                if better is not None and (found is None or better.value < found.value):
                    found = better
                left, size = left[size:], CHUNK
        return found

    def rated(self, found: Found, leak_c: float) -> Found:
        """The same plan with the temperature and power that leakage at `leak_c` makes of it."""
        host, leaks = found.host, self.heat.leaks(leak_c)
        pairs = [
            (side, sets[found.row : found.row + 1], choice)
            for side, sets, choice in zip(host.sides, host.sets, found.choices, strict=True)
        ]
        base_c = self.heat.reach.base_c
        temp_c = max(
            base_c[row] + sum(float(side.warm(row, at, leaks)[0, i]) for side, at, i in pairs)
            for row in host.heated
        )
        power_w = sum(float(side.takes(at, leaks)[0, i]) for side, at, i in pairs)
        return found._replace(temp_c=float(temp_c), power_w=power_w)

    def _least_c(self, host: Host, leaks: float) -> Singles:
        """How warm each row is at least."""
        heated = list(host.heated)
        least = self.heat.reach.base_c[heated, None].astype(np.float32)
        for side, sets in zip(host.sides, host.sets, strict=True):
            coolest = side.coolest(leaks)[heated]
            least = least + (coolest[:, sets] if coolest.shape[1] > 1 else coolest)
        hottest: Singles = least.max(axis=0)
        return hottest

    def _bound(self, host: Host, goal: Goal, leaks: float, base_w: float) -> "_Bound":
        """How warm each row is at least, and its value at least."""
        least_c = self._least_c(host, leaks)
        if goal == "temperature":
            return _Bound(host, least_c, least_c)
        if goal == "progress":
            most = np.float32(self.progress[host.modes].max())
            return _Bound(host, least_c, np.full(len(least_c), -most))
        watts: Singles = np.full((len(least_c), 1), -base_w, dtype=np.float32)
        for axis, (side, sets) in enumerate(zip(host.sides, host.sets, strict=True)):
            takes = side.takes(sets, leaks)
            trains = goal == "energy" and axis == host.axis
            watts = watts + (takes if trains else takes.min(axis=1, keepdims=True))
        if goal == "energy":
            watts = (watts / self.progress[host.modes]).astype(np.float32)
        value: Singles = watts.min(axis=1)
        return _Bound(host, least_c, value * np.float32(1.0 - 1e-5))  # of single precision

    def _least(
        self, host: Host, rows: Ints, goal: Goal, within: Within, leaks: float, base_w: float
    ) -> Found | None:
        """The best plan of some rows."""
        pairs = [(side, sets[rows]) for side, sets in zip(host.sides, host.sets, strict=True)]
        temp_c = self._temperatures(host, pairs, leaks)
        possible = temp_c <= np.float32(min(within.temp_c, _HOTTEST_C))
        if within.power_w < math.inf:
            limit = self.heat.leaks(self.limit_c)
            peak_w = _sum([side.takes_at_peak(sets, limit) for side, sets in pairs])
            possible &= peak_w <= np.float32(within.power_w)
        value = np.where(possible, self._values(host, pairs, temp_c, goal, leaks, base_w), _NEVER)
        at = np.unravel_index(int(value.argmin()), value.shape)
        if not value[at] < np.inf:
            return None
        row, *choices = (int(i) for i in at)
        opps = [int(side.opp[i]) for side, i in zip(host.sides, choices, strict=True)]
        mode = None if host.unit is None else int(host.modes[choices[host.axis]])
        temp = float(temp_c[at])
        found = Found(
            float(value[at]),
            temp,
            0.0,
            mode,
            int(rows[row]),
            tuple(opps[: len(self.packed)]),
            tuple(choices),
            host,
        )
        power_w = sum(
            float(side.takes(sets[row : row + 1], leaks)[0, i])
            for (side, sets), i in zip(pairs, choices, strict=True)
        )
        return found._replace(power_w=power_w)

    def _temperatures(
        self, host: Host, pairs: Sequence[tuple[Side, Ints]], leaks: float
    ) -> Singles:
        """The hottest place that counts in every combination, (B, M of every side)."""
        hottest: Singles | None = None
        for row in host.heated:
            base_c = float(self.heat.reach.base_c[row])
            temp_c = _sum([side.warm(row, sets, leaks) for side, sets in pairs], base_c)
            hottest = temp_c if hottest is None else np.maximum(hottest, temp_c, out=hottest)
        assert hottest is not None
        return hottest

    def _values(
        self,
        host: Host,
        pairs: Sequence[tuple[Side, Ints]],
        temp_c: Singles,
        goal: Goal,
        leaks: float,
        base_w: float,
    ) -> Singles:
        if goal == "temperature":
            return temp_c
        if goal == "power":
            return _sum([side.takes(sets, leaks) for side, sets in pairs])
        shape = [1] * temp_c.ndim
        shape[1 + host.axis] = len(host.modes)
        progress = self.progress[host.modes].astype(np.float32).reshape(shape)
        if goal == "progress":
            return -progress
        watts = _sum([side.takes(sets, leaks) for side, sets in pairs], -base_w)
        energy: Singles = watts / progress
        return energy


class _Bound(NamedTuple):
    """A host's rows (B,): how warm they are at least, and what they are worth at best."""

    host: Host
    least_c: Singles
    value: Singles


_HOTTEST_C = 1e6
"""Warmer is only what is not possible at all."""

_NEVER = np.float32(np.inf)


def _sum(parts: Sequence[Singles], start: float = 0.0) -> Singles:
    """The sum of (B, M) of every side in every combination, and `start`."""
    total: Singles | None = None
    for axis, part in enumerate(parts):
        shape = [len(part), *[1] * len(parts)]
        shape[1 + axis] = part.shape[1]
        spread = (part + np.float32(start) if axis == 0 else part).reshape(shape)
        total = spread if total is None else total + spread
    assert total is not None
    return total
