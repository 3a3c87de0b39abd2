"""Foreground and training planned together: who is where, which clocks, which mode.

The order in which a plan keeps things: every target of the foreground; the limits of temperature,
power and memory; the round's deadline; then the objective. Where all cannot be kept, the last ones
go first: training is slower than its deadline asks for, or pauses, before a limit is passed, and a
limit is passed (by as little as possible) before an application misses its target.

The plans are every division of the applications between the clusters, packed onto as few cores as
first fit needs at the cluster's operating point; training on cores of one cluster that nobody else
uses, or on an accelerator; every operating point. Two clusters with up to nine applications, or
three with six, are searched through; of more applications the divisions near the present one and
near the best so far, as many as `MOST_WORK` allows. A cluster in which threads of one application
outnumber the free cores has no core for training: they run wherever it is their cluster.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping.demand import Demand
from rm.mapping.divisions import divisions
from rm.mapping.neighbours import neighbours
from rm.planner.divided import MOST_ROWS, Divided, every_set, some_sets
from rm.planner.foreground import Needs, needs
from rm.planner.heat import HeatModel
from rm.planner.late import least_late
from rm.planner.mode_table import ModeTable
from rm.planner.modes import effective_progress, undominated
from rm.planner.plans import Constraint, Limits, Objective, Plan, RoundLeft
from rm.planner.space import Found, Host, Space, Within
from rm.planner.traffic import levels_in_time, levels_of_fastest, loads_of

__all__ = ["Limits", "Plan", "RoundLeft", "plan"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

STEPS = 3
"""Times that the neighbours of the best division so far are looked at (chosen)."""

MOST_WORK = 12_288
"""So many divisions, times their applications, are looked at in all, as the governor waits for it:
up to 13 applications take all steps. With 32 on the HiKey 970 or 20 on the RK3588 plans are 0.03 K
warmer in the mean than without it, and none of 35 random ones keeps less."""

PASSES = 4
CLOSE_K = 0.02
"""Leakage is taken at the temperature found and the best plan sought again, so often at most, until
it is not cooler by so much."""


def plan(
    board: Board,
    heat: HeatModel,
    demand: Demand | None,
    table: ModeTable,
    left: RoundLeft | None,
    limits: Limits,
    *,
    objective: Objective = "temperature",
    present: Plan | None = None,
    threads: Sequence[int] = (),
    lowest_opp: Sequence[int] | None = None,
    highest_opp: Sequence[int] | None = None,
    activity: float = 1.0,
) -> Plan:
    """The best plan for the foreground (None: nobody) and what is left of a round (None: nothing).

    `present` says where the foreground is. `threads` are the clusters of threads that stay there,
    the last ones of the demand (`rm.mapping.threads`). `lowest_opp` is per cluster what others
    need, `highest_opp` what the kernel allows. `activity` is what the
    programs were seen to switch relative to the board's busy power (1: at most).
    """

    def asked(load: float) -> Needs:
        return needs(
            board,
            demand,
            training_load=load,
            threads=threads,
            lowest_opp=lowest_opp,
            highest_opp=highest_opp,
            activity=activity,
        )

    search = _Search(heat, asked, table, left, limits, objective)
    if len(board.clusters) ** search.alone.movable <= MOST_ROWS:
        return search.among(None)
    start = None if present is None else present.cluster[: search.alone.movable]
    return search.from_some(start)


class _Search:
    """One question."""

    def __init__(
        self,
        heat: HeatModel,
        asked: Callable[[float], Needs],
        table: ModeTable,
        left: RoundLeft | None,
        limits: Limits,
        objective: Objective,
    ) -> None:
        self.heat, self.asked, self.table = heat, asked, table
        self.limits, self.objective = limits, objective
        self.alone = asked(0.0)
        self._levels: dict[tuple[float, int], _Level] = {}
        bandwidth = heat.board.memory.bandwidth_bytes_per_s
        self.progress = effective_progress(table, self.alone.memory_load, bandwidth)
        self.loads = loads_of(table, bandwidth)
        self.fits = table.memory_bytes <= limits.memory_bytes
        self.samples = 0.0 if left is None else max(left.samples, 0.0)
        self.time_s = math.inf if left is None else left.time_s
        self.leak_c = limits.temp_c if limits.temp_c < math.inf else heat.leak_c
        self.within = Within(limits.temp_c, limits.power_w)

    def from_some(self, start: Sequence[int] | None) -> Plan:
        """The best plan of divisions along an order, then of the neighbours of the best so far."""
        movable = self.alone.demand.first(self.alone.movable)
        clusters = len(self.alone.board.clusters)
        left = MOST_WORK // movable.count
        third = max(1, left // 3)
        around = []
        if start is not None and len(start) == movable.count:
            around.append(neighbours(start, clusters)[:third])
        along = divisions(movable)
        around.append(along[:: math.ceil(len(along) / third)])
        rows = np.unique(np.concatenate(around), axis=0)
        best = self.among(rows)
        for _ in range(STEPS):
            left -= len(rows)
            if left <= 1:
                break
            rows = neighbours(best.cluster[: movable.count], clusters)[:left]
            found = self.among(rows)
            if found.cluster == best.cluster:
                return found
            best = found
        return best

    def among(self, rows: Ints | None) -> Plan:
        """The best plan of some divisions (None: of all)."""
        self._levels.clear()
        deadline: tuple[Constraint, ...] = ()
        if self.samples > 0.0 and self.time_s < math.inf:
            found = self._in_time(rows)
            if found is not None:
                return found
            deadline = ("deadline",)
        if self.samples > 0.0 and self.fits.any():
            found = self._as_fast_as_may_be(rows, deadline)
            if found is not None:
                return found
        level = self._level(0.0, rows)
        if level.divided.serves:
            return self._paused(level, deadline)
        return self._late(level, deadline)

    # --- in the order in which things are kept ----------------------------------------------------

    def _in_time(self, rows: Ints | None) -> Plan | None:
        """The best plan that ends the round by its deadline."""
        for level in self._that_serve(self._in_time_levels, rows):
            found = self._plan(level, self._soon(level))
            if found is not None:
                return found
        return None

    def _as_fast_as_may_be(self, rows: Ints | None, broken: tuple[Constraint, ...]) -> Plan | None:
        """The plan with most progress within the limits, then the best one by the objective."""
        for level in self._that_serve(levels_of_fastest(self.loads, self.fits), rows):
            found = self._plan(level, self._fastest(level), broken)
            if found is not None:
                in_time = bool(broken) and self._fast[found.mode]
                return self._plan(level, self._soon(level)) if in_time else found
        return None

    def _that_serve(self, loads: Iterable[float], rows: Ints | None) -> Iterator["_Level"]:
        """The levels at which all targets can be met."""
        for load in loads:
            level = self._level(load, rows)
            if level.divided.serves:
                yield level
            elif not self._level(0.0, rows).divided.serves:
                return

    def _paused(self, level: "_Level", broken: tuple[Constraint, ...]) -> Plan:
        """The best plan without training; it passes a limit by as little as may be."""
        space = level.space
        found = self._plan(level, self._most_sparing(space, [space.idle]), broken)
        if found is not None:
            return found
        least = space.best([space.idle], "power", Within(self.limits.temp_c), self.leak_c)
        found = self._plan(level, least, ("power", *broken))
        if found is not None:
            return found
        coolest = self._coolest(space, [space.idle], Within())
        assert coolest is not None
        too_much: tuple[Constraint, ...] = ("temperature",)
        if coolest.power_w > self.limits.power_w:
            too_much = ("temperature", "power")
        found = self._plan(level, coolest, (*too_much, *broken))
        assert found is not None
        return found

    def _late(self, level: "_Level", deadline: tuple[Constraint, ...]) -> Plan:
        """Where targets are missed anyhow: training in modes by which no more is missed."""
        alone = least_late(level.needs, level.divided.assignments)
        wanted = [(load, True) for load in self._in_time_levels]
        if self.samples > 0.0 and self.fits.any():
            wanted += [(load, False) for load in levels_of_fastest(self.loads, self.fits)]
        for load, in_time in wanted:
            asked = self.asked(load)
            loaded = _Level(self, load, asked, alone.under(asked))
            if len(loaded.divided):
                best = self._soon(loaded) if in_time else self._fastest(loaded)
                if best is not None:
                    late = () if self._fast[best.mode] else deadline
                    found = self._plan(loaded, best, ("foreground", *late))
                    assert found is not None
                    return found
        found = self._paused(replace(level, divided=alone.divided), deadline)
        return replace(found, broken=("foreground", *found.broken))

    # --- the best of one level --------------------------------------------------------------------

    def _soon(self, level: "_Level") -> Found | None:
        """The best of the modes that end the round by its deadline."""
        keys = [self.table.mean_w]
        if self.limits.power_w < math.inf:
            keys.append(self.table.peak_w)
        fast, space = self._fast & (self.loads <= level.load), level.space
        if self.objective == "temperature":
            hosts = space.hosts(undominated(self.table, fast, keys))
            return self._coolest(space, hosts, self.within)
        hosts = space.hosts(undominated(self.table, fast, [*keys, -self.progress]))
        alone = space.best([space.idle], "power", Within(), self.leak_c)
        base_w = 0.0 if alone is None else alone.power_w
        return space.best(hosts, "energy", self.within, self.leak_c, base_w=base_w)

    def _fastest(self, level: "_Level") -> Found | None:
        """The best of the modes with most progress."""
        fits, space = self.fits & (self.loads <= level.load), level.space
        keys = [-self.progress, self.table.mean_w, self.table.peak_w]
        modes = undominated(self.table, fits, keys)
        fastest = space.best(space.hosts(modes), "progress", self.within, self.leak_c)
        if fastest is None:
            return None
        assert fastest.mode is not None
        enough = self.progress[fastest.mode] * (1.0 - 1e-6)
        return self._most_sparing(space, space.hosts(modes[self.progress[modes] >= enough]))

    def _most_sparing(self, space: Space, hosts: Sequence[Host]) -> Found | None:
        """The best plan by the objective, whatever it does for the round."""
        if self.objective == "temperature":
            return self._coolest(space, hosts, self.within)
        return space.best(hosts, "power", self.within, self.leak_c)

    def _coolest(self, space: Space, hosts: Sequence[Host], within: Within) -> Found | None:
        """The plan that is coolest with the leakage of the temperature that it has itself."""
        found = space.best(hosts, "temperature", within, self.leak_c)
        for _ in range(PASSES - 1):
            if found is None or found.temp_c >= self.leak_c:
                break
            leak_c = found.temp_c
            known = space.rated(found, leak_c)
            known = known._replace(value=known.temp_c)
            found = space.best(hosts, "temperature", within, leak_c, known=known)
            if found is None or leak_c - found.temp_c < CLOSE_K:
                break
        return found

    @cached_property
    def _fast(self) -> Flags:
        """The modes that fit and are fast enough."""
        fast: Flags = self.fits & (self.progress * self.time_s >= self.samples)
        return fast

    @cached_property
    def _in_time_levels(self) -> tuple[float, ...]:
        if self.samples == 0.0 or self.time_s == math.inf:
            return ()
        return tuple(levels_in_time(self.loads, self.progress, self._fast, self.fits))

    def _level(self, load: float, rows: Ints | None) -> "_Level":
        """The plans while training takes up to so much of the memory's bandwidth."""
        key = (load, id(rows))
        if key not in self._levels:
            asked = self.alone if load == 0.0 else self.asked(load)
            divided = every_set(asked) if rows is None else some_sets(asked, rows)
            self._levels[key] = _Level(self, load, asked, divided)
        return self._levels[key]

    def _plan(
        self, level: "_Level", found: Found | None, broken: tuple[Constraint, ...] = ()
    ) -> Plan | None:
        """What was found in full, None where nothing was."""
        if found is None:
            return None
        for _ in range(PASSES - 1 if found.temp_c < self.leak_c else 0):
            found = level.space.rated(found, found.temp_c)
        mode, divided = found.mode, level.divided
        accelerated = mode is not None and self.table.unit[mode] >= self.table.clusters
        finish_s = math.inf if mode is None else self.samples / float(self.progress[mode])
        return Plan(
            mode,
            (*divided.assignments[found.row].tolist(), *level.needs.threads),
            divided.groups(level.needs, found.row, found.opp_index),
            found.opp_index,
            int(self.table.opp[mode]) if accelerated else None,
            found.temp_c,
            found.power_w,
            0.0 if self.samples == 0.0 else finish_s,
            broken,
        )


@dataclass(frozen=True)
class _Level:
    """The plans while training takes up to `load` of the memory's bandwidth."""

    search: _Search
    load: float
    needs: Needs
    divided: Divided

    @cached_property
    def space(self) -> Space:
        """The plans of these divisions."""
        search, divided = self.search, self.divided
        return Space(
            search.heat,
            divided.packed,
            divided.sets,
            search.table,
            search.progress,
            limit_c=search.leak_c,
        )
