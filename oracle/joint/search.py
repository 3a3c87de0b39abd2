"""All applications at once: the mapping and operating points that meet every target, coolest.

The search is exact. It looks first for the coolest decision that meets all targets; where it proves
that there is none, for the least sum of missed targets, and then for the coolest decision that
misses no more.
"""

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from oracle.joint.solution import DIGITS, OBJECTIVES, Miss, Solution
from oracle.whatif import Outcome, Placement, Wanted, WhatIf
from platforms.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from oracle.joint.demand import Demand
    from oracle.joint.hardware import Hardware
    from oracle.joint.measure import Measure
    from oracle.joint.record import Record
    from oracle.joint.threads import Crowd

TOLERANCE_K = 1e-3
"""A decision counts as the best when no other is better by more (kelvin, or watts for `power`)."""

MOST = 14
"""So many applications with one thread each are searched exactly: time and memory grow with their
number as ``3^n`` and ``2^n``. More of them, and threads, are decided one decision at a time."""

BUDGET = 2_000_000
"""Nodes that a search may visit: a second or two. PARSEC's eight on a HiKey 970 need 100."""


@dataclass(frozen=True)
class JointSearch:
    """The search over one board's models.

    `objective` is one of `solution.OBJECTIVES`; `move_k` is what one migrated application costs in
    its unit, added to the objective. Without `sharing` every application has a core of its own.
    `budget` limits the nodes; a search that spends it ends with a walk from better to better, which
    may visit as many once more. `tolerance_k` is how much better another decision may be at most.
    """

    models: WhatIf
    _: KW_ONLY
    objective: str = "peak"
    move_k: float = 0.0
    sharing: bool = True
    budget: int = BUDGET
    tolerance_k: float = TOLERANCE_K

    def __post_init__(self) -> None:
        """Refuse parameters that make no sense."""
        if self.objective not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            raise InvalidInput(f"objective must be one of {known} (got {self.objective!r})")
        for name in ("move_k", "tolerance_k"):
            if not 0.0 <= getattr(self, name) < math.inf:
                got = getattr(self, name)
                raise InvalidInput(f"{name} must be a finite number, not negative (got {got})")
        if self.budget < 1:
            raise InvalidInput(f"budget must be at least 1 node (got {self.budget})")

    def solve(
        self,
        apps: Sequence[Wanted],
        *,
        allowed_clusters: Sequence[frozenset[int]] | None = None,
    ) -> Solution:
        """The best decision, with its proof.

        `Wanted.cores` is where an application is now; `allowed_clusters` says for each where it may
        go. Raises InvalidInput where there is no decision at all, and for a target or a parameter
        that makes no sense.
        """
        self._check(apps, allowed_clusters)
        if not apps:
            return self._idle()
        return _Instance(self, apps, allowed_clusters).solve()

    def _check(
        self, apps: Sequence[Wanted], allowed_clusters: Sequence[frozenset[int]] | None
    ) -> None:
        clusters = len(self.models.board.clusters)
        for app in apps:
            if not 0.0 < app.target_ips < math.inf:
                raise InvalidInput(
                    f"target_ips of application {app.id} must be a positive finite number "
                    f"(got {app.target_ips})"
                )
        if allowed_clusters is None:
            return
        if len(allowed_clusters) != len(apps):
            raise InvalidInput(
                f"allowed_clusters must have one entry for each of {len(apps)} applications "
                f"(got {len(allowed_clusters)})"
            )
        for app, allowed in zip(apps, allowed_clusters, strict=True):
            if not allowed or not allowed <= set(range(clusters)):
                raise InvalidInput(
                    f"allowed_clusters of application {app.id} must be some out of "
                    f"0 ... {clusters - 1} (got {sorted(allowed)})"
                )

    def _idle(self) -> Solution:
        outcome = self.models.evaluate((), (), self.models.board.lowest_opps)
        value = outcome.objective(self.objective)
        return Solution(
            placement=(),
            opp_index=outcome.opp_index,
            value=value,
            peak_c=outcome.peak_c,
            shortfall=0.0,
            optimal=True,
            lower_bound=value,
            shortfall_bound=0.0,
            nodes=0,
        )

    @cached_property
    def arrays(self) -> "tuple[Hardware, Measure, Measure]":
        """The board, the objective, and a measure by which nothing costs anything."""
        from oracle.joint.hardware import hardware
        from oracle.joint.measure import free, measure

        board = hardware(self.models)
        rated = measure(self.models, board, self.objective, self.move_k)
        return board, rated, free(rated)


PATIENCE = 30_000
"""Nodes after which a search for the least sum of missed targets begins anew, from what a walk from
better to better finds. Nearly all need fewer; of the others some need a tenth of the time then, and
one that was nearly done needs twice as much (RK3588 and HiKey 970, 6 to 12 applications)."""


LEAST_MISS = 0.5 * 10.0**-DIGITS
"""Where no decision meets all targets, every one misses more than this: less counts as met."""


class _Found(NamedTuple):
    """What came of one pass: the decision, if any, and whether the pass went through."""

    placement: Placement | None
    opp_index: tuple[int, ...]
    shortfall: float
    proven: float
    finished: bool
    record: "Record"


class _Instance:
    """One call of `solve`."""

    def __init__(
        self,
        search: JointSearch,
        apps: Sequence[Wanted],
        allowed_clusters: Sequence[frozenset[int]] | None,
    ) -> None:
        from oracle.joint.demand import demand

        self._search, self._apps = search, apps
        self._board, self._rated, self._free = search.arrays
        self._asked = demand(
            search.models,
            self._board,
            apps,
            allowed_clusters,
            sharing=search.sharing,
            homes_count=search.move_k > 0.0,
        )
        self._nodes = 0

    def solve(self) -> Solution:
        """All targets met if that can be, the least sum missed otherwise."""
        if len(self._apps) > MOST or any(app.threads > 1 for app in self._apps):
            return self._one_by_one()
        met = self._pass(self._record(0.0))
        if not met.finished:
            met = self._or_walked(met)
        if met.placement is not None and round(met.shortfall, DIGITS) == 0.0:
            return self._solution(met, 0.0)
        least = self._least()
        if met.finished and least.finished:
            return self._solution(least, least.shortfall)
        return self._solution(least, LEAST_MISS if met.finished else 0.0)

    def _least(self) -> _Found:
        """The least sum missed, and then the coolest decision that misses no more."""
        from oracle.joint.record import anew, rank

        guess = self._guess()
        least = self._pass(self._record(guess.shortfall, most=min(PATIENCE, self._left)))
        if not least.finished:
            start = min(least.record, self._walked, key=rank)
            again = anew(start, tolerance=self._search.tolerance_k, budget=self._left)
            least = self._pass(again)
        return guess._replace(proven=least.proven) if least.placement is None else least

    def _or_walked(self, found: _Found) -> _Found:
        """What a pass found before its budget was spent, or what a walk finds if that is better."""
        from oracle.joint.record import rank

        if not rank(self._walked) < rank(found.record):
            return found
        return self._found(self._walked, finished=False)._replace(proven=found.proven)

    def _one_by_one(self) -> Solution:
        """All decisions where the budget allows that, else the best one found on a walk."""
        from oracle.joint.enumeration import try_all
        from oracle.joint.relaxation import least_value
        from oracle.joint.threads import decisions

        few = decisions(self._board, self._crowd) <= self._search.budget
        found = self._found(self._tried(try_all) if few else self._walked, finished=few)
        if found.placement is None:
            raise InvalidInput(self._impossible())
        missed = found.shortfall
        if few:
            return self._solution(found._replace(proven=math.inf), missed)
        threads = np.array([app.threads for app in self._apps])
        bound = least_value(self._board, self._asked, self._rated, threads, missed)
        return self._solution(found._replace(proven=bound), 0.0)

    def _impossible(self) -> str:
        apps, cores = len(self._apps), len(self._board.heat)
        how = "may share cores" if self._search.sharing else "have a core each"
        return (
            f"apps must fit the board where they {how} (got {apps} for {cores} cores); "
            "allow more clusters, or sharing"
        )

    @cached_property
    def _crowd(self) -> "Crowd":
        from oracle.joint.threads import crowd

        search = self._search
        return crowd(search.models, self._apps, self._asked.allowed, sharing=search.sharing)

    @cached_property
    def _walked(self) -> "Record":
        """What a walk from one decision to a better one ends at."""
        from oracle.joint.enumeration import walk

        return self._tried(walk)

    def _tried(
        self, how: "Callable[[Hardware, Demand, Measure, Crowd, Record], object]"
    ) -> "Record":
        """What is found by trying decisions, with a budget of its own; nothing is proven."""
        record = self._record(math.inf, most=self._search.budget, tolerance_k=0.0)
        if (self._crowd.choices[:, 0] >= 0).all():
            how(self._board, self._asked, self._rated, self._crowd, record)
        return self._counted(record)

    def _guess(self) -> _Found:
        """A decision that misses little; InvalidInput where there is none at all."""
        from oracle.joint import slices

        record = self._record(math.inf, most=1)
        slices.guess(self._board, self._asked, self._free, record)
        guess = self._found(self._counted(record), finished=False)
        if guess.placement is None:
            raise InvalidInput(self._impossible())
        return guess

    def _pass(self, record: "Record") -> _Found:
        """Search all decisions that may be better than the record's."""
        from oracle.joint import slices
        from oracle.joint.record import NODES

        slices.search(self._board, self._asked, self._rated, record)
        finished = int(record.counts[NODES]) < record.budget
        return self._found(self._counted(record), finished=finished)

    def _record(
        self, shortfall: float, *, most: int | None = None, tolerance_k: float | None = None
    ) -> "Record":
        """Nothing found yet; only what misses as little as `shortfall` counts."""
        from oracle.joint.record import empty_record

        return empty_record(
            len(self._apps),
            len(self._board.sizes),
            shortfall=shortfall,
            tolerance=self._search.tolerance_k if tolerance_k is None else tolerance_k,
            budget=self._left if most is None else most,
        )

    @property
    def _left(self) -> int:
        """Nodes of the budget."""
        return max(0, self._search.budget - self._nodes)

    def _counted(self, record: "Record") -> "Record":
        from oracle.joint.record import NODES

        self._nodes += int(record.counts[NODES])
        return record

    def _found(self, record: "Record", *, finished: bool) -> _Found:
        from oracle.joint.record import PROVEN, RUNAWAY, SHORTFALL

        clusters = self._search.models.board.clusters
        placement = tuple(
            (int(at),) if app.threads == 1 else clusters[at].cores
            for app, at in zip(self._apps, record.cores, strict=True)
        )
        proven = float(record.numbers[PROVEN])
        return _Found(
            placement if record.cores[0] >= 0 else None,
            self._opps_of(placement, record),
            float(record.numbers[SHORTFALL]),
            proven if proven < RUNAWAY else math.inf,
            finished,
            record,
        )

    def _opps_of(self, placement: Placement, record: "Record") -> tuple[int, ...]:
        """The points decided; a cluster that serves nobody stands at its lowest one."""
        owner = self._search.models.board.cluster_of_core
        used = {owner[cores[0]] for cores in placement}
        return tuple(int(opp) if x in used else 0 for x, opp in enumerate(record.opps))

    def _solution(self, found: _Found, shortfall_bound: float) -> Solution:
        assert found.placement is not None
        models, objective = self._search.models, self._search.objective
        outcome = models.evaluate(self._apps, found.placement, found.opp_index)
        pairs = zip(self._apps, found.placement, strict=True)
        moves = sum(app.cores != cores for app, cores in pairs)
        value = outcome.objective(objective) + self._search.move_k * moves
        lower_bound = min(value, found.proven)
        exact = shortfall_bound >= outcome.shortfall - 0.5 * 10.0**-DIGITS
        return Solution(
            placement=found.placement,
            opp_index=found.opp_index,
            value=value,
            peak_c=outcome.peak_c,
            shortfall=outcome.shortfall,
            optimal=exact and lower_bound >= value - self._search.tolerance_k,
            lower_bound=lower_bound,
            shortfall_bound=min(shortfall_bound, outcome.shortfall),
            nodes=self._nodes,
            misses=self._misses(outcome),
        )

    def _misses(self, outcome: Outcome) -> tuple[Miss, ...]:
        """The targets missed, if any is missed by so much that it counts."""
        if round(outcome.shortfall, DIGITS) == 0.0:
            return ()
        rates = self._search.models.rates_ips(self._apps, outcome.placement, outcome.opp_index)
        rows = zip(self._apps, outcome.placement, rates, strict=True)
        return tuple(
            Miss(app.id, cores[0], app.target_ips, rate, 1.0 - rate / app.target_ips)
            for app, cores, rate in rows
            if rate < app.target_ips * (1.0 - 10.0**-DIGITS / len(self._apps))
        )
