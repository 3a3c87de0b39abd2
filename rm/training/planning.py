"""The question to the planner, and what its answer means for a job."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from platforms.board import Board
from platforms.platform import Observation
from platforms.simulated.power import PowerModel
from rm.mapping.packing import groups_of_cores
from rm.planner.heat import HeatModel
from rm.planner.mode_table import ModeTable
from rm.planner.plans import Limits, Plan, RoundLeft
from rm.planner.together import plan as planned_together
from rm.training.foreground import Foreground
from rm.training.heat_observer import HeatObserver
from rm.training.job import Job
from rm.training.job_modes import ENOUGH_BYTES, JobModes
from rm.training.outlook import Outlook, outlook

PLAN_MARGIN_K = 1.0
"""Plans stay so far below the limit: a quarter of a kelvin beyond the guard's band, so that a plan
that holds does not wake the guard."""

SHARE_TO_SPARE, TIME_TO_SPARE_S = 0.1, 0.6
"""A plan ends a round so much before its deadline, relative to the time that is left and one
migration period beside: what estimates of speeds are good for, applications that come meanwhile,
and the time that a change takes. A tenth costs 0.1 K in the mean on the simulated board."""

SHORTEST_HORIZON_S = 10.0
"""Heat is looked at this far ahead at least: two looks at a plan that holds."""

LATE_HORIZON_S = 15.0
"""A round that is late trains as hot as the limit allows for so long, and is slower when the board
has followed: the heat that board and die take up is worth some samples."""


class Planning:
    """Asks within `limits`, with the heat as `observer` sees it."""

    def __init__(self, board: Board, limits: Limits, observer: HeatObserver) -> None:
        self._board, self._limits, self._observer = board, limits, observer
        self._power = PowerModel(board)

    def limit_c(self, job: Job) -> float:
        """What no temperature may pass while this job trains, degC."""
        own_c = job.limits.temp_c
        return self._limits.temp_c if own_c is None else min(self._limits.temp_c, own_c)

    def plan(
        self,
        observation: Observation,
        job: Job,
        modes: JobModes,
        applications: Foreground,
        *,
        only_mode: int | None = None,
        most_cores: Mapping[int, int] | None = None,
    ) -> Plan:
        """The best plan for the rest of the round, or the best one with a given mode.

        `most_cores` is how many cores of a cluster training can have, where they are not all.
        Where the round is late the plan is as hot as it may be for a while; when it ends is said by
        what can be kept up.
        """
        table = modes.refresh()
        out = np.zeros(len(table), dtype=bool)
        if only_mode is not None:
            out[np.arange(len(table)) != only_mode] = True
        for unit, most in (most_cores or {}).items():
            out |= (table.unit == unit) & (table.cores > most)
        table = replace(table, memory_bytes=np.where(out, math.inf, table.memory_bytes))
        horizon_s = max(SHORTEST_HORIZON_S, _time_to_plan(job, observation.time_s))
        found = self._ask(observation, job, table, applications, horizon_s)
        if "deadline" not in found.broken or horizon_s <= LATE_HORIZON_S:
            return found
        hurried = self._ask(observation, job, table, applications, LATE_HORIZON_S)
        return replace(hurried, finish_s=found.finish_s, broken=found.broken)

    def _ask(
        self,
        observation: Observation,
        job: Job,
        table: ModeTable,
        applications: Foreground,
        horizon_s: float,
    ) -> Plan:
        return planned_together(
            self._board,
            self._heat(horizon_s),
            applications.demand,
            table,
            RoundLeft(job.left, _time_to_plan(job, observation.time_s)),
            replace(
                self._limits,
                temp_c=self.limit_c(job) - PLAN_MARGIN_K,
                memory_bytes=min(self._limits.memory_bytes, ENOUGH_BYTES),
            ),
            present=self._present(applications),
            threads=applications.threads,
            highest_opp=observation.opp_cap,
            activity=applications.activity(self._power, self._observer.activity),
        )

    def outlook(self, job: Job, found: Plan, now_s: float) -> Outlook:
        """What a plan means for the round."""
        assert job.round is not None
        return outlook(
            samples=job.round.samples,
            done=job.done,
            time_s=job.round.deadline_s - now_s,
            finish_s=found.finish_s,
            reason=self._why_late(job, found),
        )

    def words(self, job: Job, modes: JobModes, found: Plan, now_s: float) -> str:
        """What a plan means, for the log."""
        assert job.round is not None
        left_s = job.round.deadline_s - now_s
        broken = f", without keeping {' and '.join(found.broken)}" if found.broken else ""
        if found.mode is None:
            return f"training pauses, {left_s:.1f} s before its deadline{broken}"
        return (
            f"training {modes.words(found.mode)}, done in {found.finish_s:.1f} s of {left_s:.1f} s "
            f"at {found.temp_c:.1f} degC at most{broken}"
        )

    def _why_late(self, job: Job, found: Plan) -> str:
        limit = f"the limit of {self.limit_c(job):g} degC"
        if "foreground" in found.broken:
            return "the applications need more than the board has"
        if "temperature" in found.broken or "power" in found.broken:
            return f"the applications alone come too near to {limit}"
        return f"beside the applications, within {limit}"

    def _heat(self, horizon_s: float) -> HeatModel:
        """The board as the observer sees it, so far ahead."""
        observer = self._observer
        bias_k = max(0.0, observer.bias_k)
        model = HeatModel(self._board, observer.cooling, self._limits.temp_c, bias_k)
        field = observer.temperatures_c
        return model if field is None else model.after(field, horizon_s)

    def _present(self, applications: Foreground) -> Plan | None:
        """Where the applications are, in the planner's words."""
        if not applications.movable:
            return None
        now = groups_of_cores(self._board, applications.cores)
        cluster, group = tuple(now.cluster[0].tolist()), tuple(now.group[0].tolist())
        return Plan(None, cluster, group, applications.opp_index, None, 0.0, 0.0, 0.0)


def _time_to_plan(job: Job, now_s: float) -> float:
    """How long a plan may take for the rest of the round."""
    assert job.round is not None
    left_s = job.round.deadline_s - now_s
    return max(0.0, left_s * (1.0 - SHARE_TO_SPARE) - TIME_TO_SPARE_S)
