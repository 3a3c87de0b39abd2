"""Foreground and training planned together: who is where, which clocks, which mode.

The order in which a plan keeps things: every target of the foreground; the limits of temperature,
power and memory; the round's deadline; then the objective. Where all cannot be kept, the last ones
go first: training is slower than its deadline asks for, or pauses, before a limit is passed, and a
limit is passed (by as little as possible) before an application misses its target.

The plans are every division of the applications between the clusters, packed onto as few cores as
first fit needs at the cluster's operating point; training on cores of one cluster that nobody else
uses, or on an accelerator; every operating point. Two clusters with up to twelve applications, or
three with eight, are searched through; of more applications the divisions near the present one and
near the best so far. A cluster in which threads of one application outnumber the free cores has no
core for training: they run wherever it is their cluster.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping.demand import Demand
from rm.mapping.divisions import divisions
from rm.mapping.neighbours import neighbours
from rm.planner.divided import Divided, every_set, some_sets
from rm.planner.foreground import Needs, needs
from rm.planner.heat import HeatModel
from rm.planner.late import least_late
from rm.planner.mode_table import ModeTable
from rm.planner.modes import effective_progress, undominated
from rm.planner.plans import Constraint, Limits, Objective, Plan, RoundLeft
from rm.planner.space import Found, Host, Space, Within

__all__ = ["Limits", "Plan", "RoundLeft", "plan"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEPS = 3
"""Times that the neighbours of the best division so far are looked at (chosen)."""

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
    bandwidth = board.memory.bandwidth_bytes_per_s
    fits = table.memory_bytes <= limits.memory_bytes
    wants = left is not None and left.samples > 0.0 and bool(fits.any())
    rates = table.bytes_per_sample / table.sample_s
    asked = needs(
        board,
        demand,
        training_load=float(rates[fits].max()) / bandwidth if wants else 0.0,
        threads=threads,
        lowest_opp=lowest_opp,
        highest_opp=highest_opp,
        activity=activity,
    )
    progress = effective_progress(table, asked.memory_load, bandwidth)
    search = _Search(heat, asked, table, progress, fits, left, limits, objective)
    divided = every_set(asked)
    if divided is not None:
        return search.among(divided)
    start = None if present is None else present.cluster[: asked.movable]
    return search.from_some(start)


class _Search:
    """One question, and the plans among some divisions."""

    def __init__(
        self,
        heat: HeatModel,
        asked: Needs,
        table: ModeTable,
        progress: Floats,
        fits: NDArray[np.bool_],
        left: RoundLeft | None,
        limits: Limits,
        objective: Objective,
    ) -> None:
        self.heat, self.asked, self.table, self.progress = heat, asked, table, progress
        self.fits, self.limits, self.objective = fits, limits, objective
        self.samples = 0.0 if left is None else max(left.samples, 0.0)
        self.time_s = math.inf if left is None else left.time_s
        self.leak_c = limits.temp_c if limits.temp_c < math.inf else heat.leak_c
        self.within = Within(limits.temp_c, limits.power_w)

    def from_some(self, start: Sequence[int] | None) -> Plan:
        """The best plan of divisions along an order, then of the neighbours of the best so far."""
        movable = self.asked.demand.first(self.asked.movable)
        clusters = len(self.asked.board.clusters)
        around = [divisions(movable)]
        if start is not None and len(start) == movable.count:
            around.append(neighbours(start, clusters))
        rows = np.unique(np.concatenate(around), axis=0)
        best = self.among(some_sets(self.asked, rows))
        for _ in range(STEPS):
            here = best.cluster[: movable.count]
            found = self.among(some_sets(self.asked, neighbours(here, clusters)))
            if found.cluster == best.cluster:
                return found
            best = found
        return best

    def among(self, divided: Divided) -> Plan:
        """The best plan of some divisions."""
        broken: list[Constraint] = []
        if not divided.serves:
            broken.append("foreground")
            divided = least_late(self.asked, divided.assignments)
        space = Space(
            self.heat,
            divided.packed,
            divided.sets,
            self.table,
            self.progress,
            limit_c=self.leak_c,
        )
        found, others = self._best(space)
        broken += others
        return self._plan(space, divided, found, tuple(broken))

    def _best(self, space: Space) -> tuple[Found, list[Constraint]]:
        if self.samples > 0.0 and self.fits.any():
            found = self._in_time(space)
            if found is not None:
                return found, []
            found = self._as_fast_as_may_be(space)
            if found is not None:
                return found, ["deadline"] if self.time_s < math.inf else []
        has_deadline = self.samples > 0.0 and self.time_s < math.inf
        late: list[Constraint] = ["deadline"] if has_deadline else []
        found = self._most_sparing(space, [space.idle])
        if found is not None:
            return found, late
        found, broken = self._too_much(space)
        return found, [*broken, *late]

    def _in_time(self, space: Space) -> Found | None:
        """The best plan that ends the round by its deadline."""
        if self.time_s == math.inf:
            return None
        fast = self.fits & (self.progress * self.time_s >= self.samples)
        keys = [self.table.mean_w]
        if self.limits.power_w < math.inf:
            keys.append(self.table.peak_w)
        if self.objective == "temperature":
            hosts = space.hosts(undominated(self.table, fast, keys))
            return self._coolest(space, hosts, self.within)
        hosts = space.hosts(undominated(self.table, fast, [*keys, -self.progress]))
        alone = space.best([space.idle], "power", Within(), self.leak_c)
        base_w = 0.0 if alone is None else alone.power_w
        return space.best(hosts, "energy", self.within, self.leak_c, base_w=base_w)

    def _as_fast_as_may_be(self, space: Space) -> Found | None:
        """The plan with most progress within the limits, then the best one by the objective."""
        keys = [-self.progress, self.table.mean_w, self.table.peak_w]
        modes = undominated(self.table, self.fits, keys)
        fastest = space.best(space.hosts(modes), "progress", self.within, self.leak_c)
        if fastest is None:
            return None
        assert fastest.mode is not None
        enough = self.progress[fastest.mode] * (1.0 - 1e-6)
        return self._most_sparing(space, space.hosts(modes[self.progress[modes] >= enough]))

    def _too_much(self, space: Space) -> tuple[Found, list[Constraint]]:
        """Where even the foreground alone passes a limit."""
        found = space.best([space.idle], "power", Within(self.limits.temp_c), self.leak_c)
        if found is not None:
            return found, ["power"]
        found = self._coolest(space, [space.idle], Within())
        assert found is not None
        broken: list[Constraint] = ["temperature"]
        return found, [*broken, "power"] if found.power_w > self.limits.power_w else broken

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

    def _plan(
        self, space: Space, divided: Divided, found: Found, broken: tuple[Constraint, ...]
    ) -> Plan:
        for _ in range(PASSES - 1 if found.temp_c < self.leak_c else 0):
            found = space.rated(found, found.temp_c)
        mode = found.mode
        accelerated = mode is not None and self.table.unit[mode] >= self.table.clusters
        if self.samples == 0.0:
            finish_s = 0.0
        else:
            finish_s = math.inf if mode is None else self.samples / float(self.progress[mode])
        return Plan(
            mode,
            (*divided.assignments[found.row].tolist(), *self.asked.threads),
            divided.groups(self.asked, found.row, found.opp_index),
            found.opp_index,
            int(self.table.opp[mode]) if accelerated else None,
            found.temp_c,
            found.power_w,
            finish_s,
            broken,
        )
