"""The oracle as a judge: how far a policy's present mapping is from the joint optimum.

Found as the entry point ``oracle`` of ``ilgov.judges`` (`rm.evaluation.judging`).
"""

import math
from collections.abc import Sequence

from oracle.joint import JointSearch
from oracle.whatif import Wanted, WhatIf
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.judging import Verdict

_SHORTFALL = 1e-6
"""Shares of a target below this are rounding: nobody is short by them."""

_Key = tuple[tuple[int, int], ...]


class OracleJudge:
    """Compares steady states under the cooling in force, as the models of one board tell them.

    What is compared is the mapping: both sides get the least operating points that meet the
    targets. Equal applications in equal phases are solved once.
    """

    def __init__(self, simulated: SimulatedBoard) -> None:
        """For the board that the policy steers."""
        self._simulated = simulated
        self._look_models_up()

    def __call__(self) -> Verdict | None:
        """The verdict on the present mapping; None while nothing runs.

        None too where the optimum itself has no steady state: so hot that all that comes nearest to
        the targets runs away.
        """
        if self._simulated.cooling is not self._cooling:
            self._look_models_up()
        apps = _wanted(self._simulated)
        if not apps:
            return None
        peak_c, shortfall, proven = self._optimum(apps)
        if not math.isfinite(peak_c):
            return None
        placement = tuple(app.cores for app in apps)
        held = self._models.evaluate(apps, placement, self._models.least_opps(apps, placement))
        if held.shortfall > shortfall + _SHORTFALL or not math.isfinite(held.peak_c):
            return Verdict(None, proven)
        return Verdict(held.peak_c - peak_c, proven)

    def _look_models_up(self) -> None:
        self._cooling = self._simulated.cooling
        self._models = WhatIf(self._simulated.board, self._cooling)
        self._search = JointSearch(models=self._models)
        self._solved: dict[_Key, tuple[float, float, bool]] = {}

    def _optimum(self, apps: Sequence[Wanted]) -> tuple[float, float, bool]:
        """Its steady peak (degC), its shortfall, and whether it is proven to be the optimum."""
        key = tuple((app.id, app.phase) for app in apps)
        if key not in self._solved:
            best = self._search.solve(apps)
            proven = best.optimal
            self._solved[key] = best.peak_c, best.shortfall, proven
        return self._solved[key]


def _wanted(simulated: SimulatedBoard) -> list[Wanted]:
    return [
        Wanted(
            id=app.job.id,
            profile=app.job.profile,
            phase=app.phase,
            target_ips=app.job.target_ips,
            threads=app.job.threads,
            cores=app.cores,
        )
        for app in simulated.running
    ]


def make(simulated: SimulatedBoard) -> OracleJudge:
    """The judge of what is done to this board."""
    return OracleJudge(simulated)
