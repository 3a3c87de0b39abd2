"""The exhaustive optimum as a training policy: it sees the truth, applications' and training's.

It reads what no governor can (profiles, phases, what training truly takes, the thermal model), so
it runs on the simulated board only. Limits and deadlines are those that the others get.

Whenever an application arrives, ends or changes its phase, the cooling changes, a round begins, or
the pace that the rest of the round needs has changed by `PACE_STEP`, its next decision is the best
one for what runs then: targets first, then the limits, the deadline, and the least steady-state
temperature of the hottest core (`oracle.training`). Where the steady state would pass a limit or
the deadline be missed, it is asked what the heat that is stored now allows until the deadline. What
is not optimal about it: it does not know what comes next; it trains at one pace, on one place, and
never on a core that an application is on; of threads, and of more applications than the search
takes, it knows nothing: then training pauses. Without a job that has work it is the policy
``oracle``. Limits that a job itself has on its own power are not looked at.
"""

import math
from dataclasses import replace
from typing import NamedTuple

from oracle.policy import OraclePolicy
from oracle.training import Asked, Decision, TrainingSearch
from oracle.whatif import Wanted, WhatIf
from platforms.errors import InvalidInput
from platforms.platform import Migration, Observation, TrainingGrant
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.training_work import training_profile
from rm.planner.plans import Limits
from rm.training.job import Job
from rm.training.jobs import TrainingJobs
from rm.training.outlook import outlook
from rm.training.registry import TrainingContext

PACE_STEP = 0.02
"""Paces that differ by less are taken to be the same: the larger of them is planned for."""

TIME_TO_SPARE_S = 0.1
"""A round is planned to end so much before its deadline: two rounds of the governor, in which what
was decided is carried out and the end is noticed."""

SHORTEST_HORIZON_S = 5.0
"""Stored heat is looked at this far ahead at least: what a die takes to warm up."""

_Situation = tuple[tuple[int, int], ...]
"""Id and phase of every application."""


class _Decided(NamedTuple):
    """A decision, and what it was made for."""

    decision: Decision
    job_id: int
    round_number: int
    situation: _Situation
    pace: float


class ExhaustiveTraining:
    """The policy, for the board that it will steer."""

    name = "exhaustive"

    def __init__(self, simulated: SimulatedBoard, jobs: TrainingJobs, limits: Limits) -> None:
        """Nothing is decided yet."""
        self._simulated, self._jobs, self._limits = simulated, jobs, limits
        self._inner = OraclePolicy(simulated)
        self._decided_s = -math.inf
        self._decided: _Decided | None = None
        self._least: tuple[object, tuple[int, ...]] | None = None
        self._look_at()

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """All moves to the best decision; where nothing can train, those of the policy oracle."""
        if self._simulated.cooling is not self._cooling:
            self._look_at()
        job, apps = self._jobs.planned(observation.time_s), self._apps()
        if job is None or not self._search.takes(apps):
            self._decided = None
            return self._inner.migrate(observation)
        self._decide(observation.time_s, job, apps)
        assert self._decided is not None
        decision = self._decided.decision
        self._decided_s = observation.time_s
        return tuple(
            Migration(app.id, (core,))
            for app, core in zip(apps, decision.placement, strict=True)
            if app.cores != (core,)
        )

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The operating points decided, or the least that serve everybody where they are now."""
        decided = self._decided
        if decided is None:
            return self._inner.scale(observation)
        apps = self._apps()
        if self._decided_s == observation.time_s or self._holds(decided, apps):
            return decided.decision.opp_index
        return self._least_opps(decided, apps)

    def train(self, observation: Observation) -> tuple[TrainingGrant, ...]:
        """The grant decided, where it is not in force; others are paused."""
        now_s = observation.time_s
        job = self._jobs.planned(now_s)
        grants = []
        for one in self._jobs.alive(now_s):
            wanted = self._wanted(one) if job is not None and one.id == job.id else None
            if wanted is not None:
                if (one.grant, one.state) != (wanted, "granted"):
                    grants.append(wanted)
            elif one.state == "granted":
                grants.append(TrainingGrant(one.id, one.setting, ()))
        return tuple(grants)

    def accelerate(self, observation: Observation) -> tuple[int | None, ...]:
        """The clock of the accelerator that trains."""
        decided = self._decided
        if decided is None or decided.decision.accelerator is None:
            return ()
        decision = decided.decision
        return tuple(
            decision.accelerator_opp if one.name == decision.accelerator else None
            for one in self._simulated.board.compute_accelerators
        )

    # --- decisions --------------------------------------------------------------------------------

    def _decide(self, now_s: float, job: Job, apps: list[Wanted]) -> None:
        """Decide anew where there is a reason to."""
        assert job.round is not None
        time_s = job.round.deadline_s - now_s - TIME_TO_SPARE_S
        needed = job.left / time_s if time_s > 0.0 else math.inf
        situation = _situation(apps)
        decided = self._decided
        if decided is not None and (decided.job_id, decided.round_number, decided.situation) == (
            job.id,
            job.round.number,
            situation,
        ):
            keeps = needed <= decided.pace and not decided.decision.broken
            if keeps and needed >= decided.pace / (1.0 + 2.0 * PACE_STEP):
                return
        pace = _rounded_up(needed)
        decision = self._best(job, apps, pace, time_s)
        self._decided = _Decided(decision, job.id, job.round.number, situation, pace)
        finish_s = job.left / decision.progress if decision.progress > 0.0 else math.inf
        expected = outlook(
            samples=job.round.samples,
            done=job.done,
            time_s=job.round.deadline_s - now_s,
            finish_s=finish_s,
            reason="no decision does it" if "deadline" in decision.broken else "",
        )
        self._jobs.foresee(job.id, expected)

    def _best(self, job: Job, apps: list[Wanted], pace: float, time_s: float) -> Decision:
        """The best decision for the steady state, or else for the time until the deadline."""
        key = (job.id, _situation(apps), pace)
        asked = self._asked(job, apps, pace)
        if key not in self._solved:
            self._solved[key] = self._search.solve(asked)
        steady = self._solved[key]
        if not {"deadline", "temperature"} & set(steady.broken):
            return steady
        field_c = self._simulated.temperatures_c
        stored = replace(asked, field_c=field_c, horizon_s=max(SHORTEST_HORIZON_S, time_s))
        soon = self._search.solve(stored)
        better = len(soon.broken) < len(steady.broken) or soon.progress > steady.progress
        return soon if better else steady

    def _asked(self, job: Job, apps: list[Wanted], pace: float) -> Asked:
        board, own = self._limits, job.limits
        return Asked(
            apps=apps,
            works=self._simulated.training_job(job.id).works,
            worth=job.worth,
            needed_per_s=pace,
            temp_c=board.temp_c if own.temp_c is None else min(board.temp_c, own.temp_c),
            power_w=board.power_w,
            memory_bytes=min(
                board.memory_bytes, math.inf if own.memory_bytes is None else own.memory_bytes
            ),
            cores=job.grant.cores if job.grant else (),
        )

    def _holds(self, decided: _Decided, apps: list[Wanted]) -> bool:
        """Whether everything is as it was decided."""
        placement = tuple(app.cores[0] for app in apps)
        return decided.situation == _situation(apps) and decided.decision.placement == placement

    def _least_opps(self, decided: _Decided, apps: list[Wanted]) -> tuple[int, ...]:
        """The least points that serve everybody, training at its planned pace among them."""
        decision, job_id = decided.decision, decided.job_id
        everybody = list(apps)
        key = (tuple((app.id, app.phase, app.cores) for app in apps), decided)
        if self._least is None or self._least[0] != key:
            if decision.cores and decision.setting is not None:
                work = self._simulated.training_job(job_id).works[decision.setting]
                profile = training_profile(work, self._simulated.board, len(decision.cores))
                worth = self._jobs.get(job_id, self._simulated.now_s).worth[decision.setting]
                rate = decision.progress / worth * (1.0 - 1e-6)
                threads = len(decision.cores)
                everybody.append(Wanted(-1, profile, 0, rate, threads, decision.cores))
            placement = tuple(app.cores for app in everybody)
            self._least = (key, self._models.least_opps(everybody, placement))
        return self._least[1]

    def _wanted(self, job: Job) -> TrainingGrant | None:
        """The grant of the decision for a job's present round, None where it is to pause."""
        decided = self._decided
        if decided is None or job.round is None:
            return None
        if (decided.job_id, decided.round_number) != (job.id, job.round.number):
            return None
        decision = decided.decision
        if decision.setting is None:
            return None
        return TrainingGrant(job.id, decision.setting, decision.cores, decision.accelerator)

    def _look_at(self) -> None:
        """Start anew with the models under the cooling that is in force."""
        self._cooling = self._simulated.cooling
        self._models = WhatIf(self._simulated.board, self._cooling)
        self._search = TrainingSearch(self._models)
        self._solved: dict[tuple[int, _Situation, float], Decision] = {}
        self._least = self._decided = None

    def _apps(self) -> list[Wanted]:
        return [
            Wanted(
                app.job.id,
                app.job.profile,
                app.phase,
                app.job.target_ips,
                app.job.threads,
                app.cores,
            )
            for app in self._simulated.running
        ]


def _situation(apps: list[Wanted]) -> _Situation:
    return tuple((app.id, app.phase) for app in apps)


def _rounded_up(pace: float) -> float:
    """The next of the paces that are `PACE_STEP` apart."""
    if not 0.0 < pace < math.inf:
        return pace
    step = math.log1p(PACE_STEP)
    return math.exp(step * math.ceil(math.log(pace) / step))


def make(context: TrainingContext) -> ExhaustiveTraining:
    """The policy; InvalidInput on anything but a simulated board."""
    if not isinstance(context.platform, SimulatedBoard):
        raise InvalidInput(
            "training policy exhaustive needs a simulated board: it reads what no sensor shows"
        )
    return ExhaustiveTraining(context.platform, context.jobs, context.limits)
