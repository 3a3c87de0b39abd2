"""`ilgov` with training jobs: applications first, training with what they leave, within the limits.

While a job has work, applications and training are planned together (`rm.planner.together`), by
the ordinary policy's estimate of what the applications ask for, by the job's tables as they were
measured, and by the heat observer's view of the board. A plan stays until there is a reason for
another one. In every round the clocks are the ordinary policy's, raised to the plan's in the
cluster that trains, and the guard may make training cooler than planned.

Without a job that has work this is the ordinary policy.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from msgspec.structs import replace as changed

from platforms.board import Board
from platforms.platform import Migration, Observation, TrainingGrant
from rm.planner.plans import Limits, Plan
from rm.policies.ilgov import make as make_ordinary
from rm.training.foreground import Foreground, Ordinary, foreground
from rm.training.guard import Guard
from rm.training.job import Job, Round
from rm.training.job_modes import JobModes
from rm.training.jobs import TrainingJobs
from rm.training.listening import Listening
from rm.training.outlook import Outlook, outlook
from rm.training.planning import Planning
from rm.training.registry import TrainingContext
from rm.training.seating import training_cores

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0
"""A plan that holds is looked at again so often: ten migration periods, and about the time that a
die takes to follow."""

WORTH_K, WORTH_SHARE = 0.5, 0.05
"""A plan that holds is given up only for one that is so much cooler, a little more than what the
observer is off by (0.2 to 0.3 K on the simulated board); one that is late, for one that is so much
faster."""

SETTLE_ROUNDS = 3
"""Rounds in which the plan's clocks hold for all clusters, until the ordinary policy has seen who
is where now."""

SETTLE_S = 2.0
"""So long a plan has to serve the applications, before they are said to miss their targets again:
estimates of speeds are rough just after a move."""

LOOK = "it can be cooler"
"""The reason of a plan that is adopted only if it is worth it."""


@dataclass(frozen=True)
class Adopted:
    """A plan in force for one round of a job, made for the applications `ids`."""

    plan: Plan
    job_id: int
    round: Round
    ids: frozenset[int]
    memory_load: float

    def is_for(self, job: Job) -> bool:
        """Whether it is for what a job has to do now."""
        return (self.job_id, self.round) == (job.id, job.round)


class GoverningTraining:
    """The policy. `last_reason` says why the last decision changed something, None: it did not."""

    name = "ilgov"

    def __init__(self, board: Board, inner: Ordinary, jobs: TrainingJobs, limits: Limits) -> None:
        """`inner` governs the applications while no job has work, and their clocks always."""
        self._board, self._inner, self._jobs = board, inner, jobs
        self._listening = Listening(board, jobs)
        self._planning = Planning(board, limits, self._listening.observer)
        self._guard = Guard(limits.temp_c)
        self._adopted: Adopted | None = None
        self._mode: int | None = None
        self._opps = board.lowest_opps
        self._looked_s = -math.inf
        self._settle = 0
        self._seats: tuple[float, dict[int, int]] = (-math.inf, {})
        self._news: list[str] = []
        self.last_reason: str | None = None
        jobs.forecast_with(self._forecast)

    @property
    def listening(self) -> Listening:
        """What it has learnt: of the jobs' modes, and of heat."""
        return self._listening

    # --- what the governor asks -----------------------------------------------------------------

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """The plan's moves where it changes; the ordinary policy's where nothing trains."""
        self._hear(observation)
        job = self._jobs.planned(observation.time_s)
        if job is None:
            self._give_up()
            return self._inner.migrate(observation)
        moves = self._consider(observation, job)
        self._tell_those_behind(job, observation.time_s)
        if self._adopted is None or self._adopted.plan.mode is None:
            return self._inner.migrate(observation)
        return moves

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The ordinary policy's clocks; that of the cluster that trains at least the plan's."""
        self._hear(observation)
        opps = list(self._inner.scale(observation))
        job = self._jobs.planned(observation.time_s)
        adopted = self._adopted
        self._mode = None
        if job is None or adopted is None or not adopted.is_for(job) or adopted.plan.mode is None:
            self._guard.release()
        else:
            if self._settle > 0:
                self._settle -= 1
                if not self._guard.active:
                    pairs = zip(opps, adopted.plan.opp_index, strict=True)
                    opps = [max(pair) for pair in pairs]
            modes = self._listening.modes_of(job)
            self._watch_heat(observation, job, modes, adopted.plan.mode, opps)
            self._mode = self._guarded(modes, adopted.plan.mode, opps)
            if self._mode is not None and modes.place(self._mode)[0] < modes.table.clusters:
                unit, _ = modes.place(self._mode)
                opps[unit] = max(opps[unit], int(modes.table.opp[self._mode]))
        self._opps = tuple(opps)
        return self._opps

    def train(self, observation: Observation) -> tuple[TrainingGrant, ...]:
        """What has to change for the plan, as the guard leaves it, to be in force."""
        now_s = observation.time_s
        planned = self._jobs.planned(now_s)
        wanted = None if planned is None else self._wanted(observation, planned)
        shown = {reading.id: reading for reading in observation.training}
        grants = []
        for job in self._jobs.alive(now_s):
            reading = shown.get(job.id)
            cores = reading.cores if reading else ()
            accelerator = reading.accelerator if reading else None
            if wanted is not None and wanted.job_id == job.id:
                in_force = (job.grant, job.state, cores, accelerator)
                if in_force != (wanted, "granted", wanted.cores, wanted.accelerator):
                    grants.append(wanted)
            elif job.state == "revoking":
                continue  # it was told
            elif job.state == "granted" or cores or accelerator is not None:
                grants.append(TrainingGrant(job.id, job.setting, ()))
            elif job.state == "paused" and job.number == 0 and self._is_put_off(job, planned):
                grants.append(TrainingGrant(job.id, job.setting, ()))  # else it began by itself
        self._tell(grants)
        return tuple(grants)

    def accelerate(self, observation: Observation) -> tuple[int | None, ...]:
        """The plan's clock of the accelerator that trains; the others are left as they are."""
        job = self._jobs.planned(observation.time_s)
        wanted = None if job is None else self._wanted(observation, job)
        if job is None or self._mode is None or wanted is None or wanted.accelerator is None:
            return ()
        opp = int(self._listening.modes_of(job).table.opp[self._mode])
        return tuple(
            opp if one.name == wanted.accelerator else None
            for one in self._board.compute_accelerators
        )

    # --- plans ----------------------------------------------------------------------------------

    def _hear(self, observation: Observation) -> None:
        load = self._adopted.memory_load if self._adopted else 0.0
        if self._listening.hear(observation, load):
            self._news = []

    def _consider(self, observation: Observation, job: Job) -> tuple[Migration, ...]:
        """Plan anew where there is a reason to; the moves that this takes."""
        applications = foreground(self._board, self._inner, observation)
        reason = self._reason(observation, job, applications)
        if reason is None:
            self._remind(job, observation.time_s)
            return ()
        self._looked_s = observation.time_s
        modes = self._listening.modes_of(job)
        found = self._find(observation, job, applications)
        if self._overstates(observation, job, applications, found):
            self._remind(job, observation.time_s)
            return ()
        self._jobs.foresee(job.id, self._planning.outlook(job, found, observation.time_s))
        if reason == LOOK and not self._is_worth(observation, job, applications, found):
            return ()
        words = self._planning.words(job, modes, found, observation.time_s)
        self._news.append(f"{reason}: {words}")
        ids = self._ids(observation, applications)
        return self._adopt(job, applications, ids, found)

    def _find(
        self,
        observation: Observation,
        job: Job,
        applications: Foreground,
        *,
        only_mode: int | None = None,
    ) -> Plan:
        """The best plan (with a given mode) in which training gets the cores that it counts on.

        Who stands still asks for nothing, and keeps its core all the same.
        """
        modes = self._listening.modes_of(job)
        standing = applications.standing_on(observation)
        most_cores: dict[int, int] = {}
        while True:
            found = self._planning.plan(
                observation, job, modes, applications, only_mode=only_mode, most_cores=most_cores
            )
            if found.mode is None or not standing:
                return found
            unit, count = modes.place(found.mode)
            if unit >= modes.table.clusters:
                return found
            taken = standing | set(applications.seats(found))
            room = len(training_cores(self._board, unit, count, taken=taken, held=()))
            if room == count:
                return found
            most_cores[unit] = room

    def _reason(self, observation: Observation, job: Job, applications: Foreground) -> str | None:
        """Why to plan anew, None: leave it as it is."""
        adopted, now_s = self._adopted, observation.time_s
        assert job.round is not None
        if adopted is None or not adopted.is_for(job):
            return f"round {job.round.number} of job {job.id} begins"
        ids = self._ids(observation, applications)
        if adopted.ids != ids:
            return "an application came" if ids - adopted.ids else "an application ended"
        can_keep = adopted.plan.mode is not None and "deadline" not in adopted.plan.broken
        if can_keep and self._finish_s(job, adopted) > job.round.deadline_s - now_s:
            return "the deadline is at risk"
        waited_s = now_s - self._looked_s
        if "foreground" not in adopted.plan.broken and applications.misses():
            return "an application would miss its target" if waited_s >= SETTLE_S else None
        if waited_s < LOOK_AGAIN_S:
            return None
        return "the limit holds training back" if self._guard.active else LOOK

    def _overstates(
        self, observation: Observation, job: Job, applications: Foreground, found: Plan
    ) -> bool:
        """Whether a plan pauses for applications that are served beside the plan in force.

        Estimates of what they need are rough while a phase begins.
        """
        adopted = self._adopted
        if adopted is None or not adopted.is_for(job) or adopted.plan.mode is None:
            return False
        if found.mode is not None or "foreground" not in found.broken:
            return False
        if adopted.ids != self._ids(observation, applications) or applications.misses():
            return False
        return all(app.rate_ips >= app.target_ips for app in observation.applications)

    def _is_worth(
        self, observation: Observation, job: Job, applications: Foreground, found: Plan
    ) -> bool:
        """Whether a plan keeps more than that in force, or is enough better than its mode now."""
        assert self._adopted is not None
        if len(found.broken) < len(self._adopted.plan.broken):
            return True
        present = self._adopted.plan.mode
        if found.mode == present:
            return False
        if present is None or found.mode is None:
            return True
        modes = self._listening.modes_of(job)
        same = self._find(observation, job, applications, only_mode=present)
        if same.mode is None or len(found.broken) < len(same.broken):
            return True
        if "deadline" in found.broken:
            load = applications.memory_load
            faster = modes.progress_per_s(found.mode, load) / modes.progress_per_s(present, load)
            return faster > 1.0 + WORTH_SHARE
        return found.temp_c < same.temp_c - WORTH_K

    def _ids(self, observation: Observation, applications: Foreground) -> frozenset[int]:
        """Those that count: who runs now, and who was planned for and only stands still."""
        present = {app.id for app in observation.applications}
        before = self._adopted.ids if self._adopted else frozenset()
        return applications.ids | (before & present)

    def _adopt(
        self, job: Job, applications: Foreground, ids: frozenset[int], found: Plan
    ) -> tuple[Migration, ...]:
        assert job.round is not None
        load = applications.memory_load
        self._adopted = Adopted(found, job.id, job.round, ids, load)
        if found.mode is None:
            return ()
        self._settle = SETTLE_ROUNDS
        pairs = list(zip(applications.movable, applications.seats(found), strict=True))
        self._seats = self._looked_s, {app.id: core for app, core in pairs}
        moves = [Migration(app.id, (core,)) for app, core in pairs if app.cores != (core,)]
        return (*moves, *applications.widened())

    def _give_up(self) -> None:
        """Nothing trains: forget the plan."""
        if self._adopted is not None:
            self._news.append(f"job {self._adopted.job_id} has no work any more")
        self._adopted = None
        self._settle = 0

    def _finish_s(self, job: Job, adopted: Adopted) -> float:
        """In how many seconds the round ends in the planned mode, by what was measured.

        On as many cores as it has, should that be fewer than planned.
        """
        if adopted.plan.mode is None:
            return math.inf
        modes = self._listening.modes_of(job)
        modes.refresh()
        granted = job.grant.cores if job.grant else ()
        mode = modes.running(adopted.plan.mode, self._opps, cores=len(granted) or None)
        return job.left / modes.progress_per_s(mode, adopted.memory_load)

    def _remind(self, job: Job, now_s: float) -> None:
        """Say when the round will be done, while the plan that says so holds."""
        adopted = self._adopted
        if adopted is not None and adopted.plan.mode is not None and not adopted.plan.broken:
            held = replace(adopted.plan, finish_s=self._finish_s(job, adopted))
            self._jobs.foresee(job.id, self._planning.outlook(job, held, now_s))

    def _forecast(self, job: Job, now_s: float) -> Outlook | None:
        """What is to be said of a round that begins now."""
        seen = self._listening.heard
        if seen is None:
            return None
        applications = foreground(self._board, self._inner, seen)
        later = changed(seen, time_s=max(now_s, seen.time_s))
        found = self._find(later, job, applications)
        first = self._jobs.planned(now_s)
        if first is not None and first.id != job.id:
            found = replace(found, finish_s=found.finish_s + _until_others_s(first, now_s))
        return self._planning.outlook(job, found, now_s)

    def _tell_those_behind(self, first: Job, now_s: float) -> None:
        """Call the rounds late that are, even if all is theirs once the one that trains is done."""
        start_s = _until_others_s(first, now_s)
        for job in self._jobs.alive(now_s):
            if job.id == first.id or job.round is None or job.best == 0.0 or not job.outlook.meets:
                continue
            expected = outlook(
                samples=job.round.samples,
                done=job.done,
                time_s=job.round.deadline_s - now_s,
                finish_s=start_s + job.left / job.best,
                reason=f"after job {first.id}, which is due first",
            )
            if not expected.meets:
                self._jobs.foresee(job.id, expected)

    # --- heat -----------------------------------------------------------------------------------

    def _watch_heat(
        self, observation: Observation, job: Job, modes: JobModes, mode: int, opps: Sequence[int]
    ) -> None:
        """Let the guard see how hot it is."""
        before_w, hottest_c = self._guard.cap_w, self._listening.hottest_c
        present = self._guarded(modes, mode, opps)
        self._guard.limit_c = self._planning.limit_c(job)
        self._guard.look(
            observation.time_s,
            hottest_c,
            taken_w=0.0 if present is None else modes.mean_w(present, opps),
            planned_w=modes.mean_w(mode, opps),
            least_w=modes.least_w(mode, opps),
        )
        if self._guard.cap_w != before_w:
            cap_w = self._guard.cap_w
            allowed = f"{cap_w:.2f} W at most" if self._guard.active else "what is planned"
            self._news.append(f"{hottest_c:.1f} degC: the guard allows training {allowed}")

    def _guarded(self, modes: JobModes, mode: int, opps: Sequence[int]) -> int | None:
        """The planned mode, or what the guard leaves of it."""
        return modes.cooler(mode, self._guard.cap_w, opps) if self._guard.active else mode

    # --- grants ---------------------------------------------------------------------------------

    def _wanted(self, observation: Observation, job: Job) -> TrainingGrant | None:
        """The grant that the plan means now, None: it pauses.

        Also while another job has not given back yet what it had.
        """
        if self._mode is None or self._adopted is None or not self._adopted.is_for(job):
            return None
        others = [other for other in self._jobs.alive(observation.time_s) if other.id != job.id]
        if any(other.grant for other in others):
            return None
        modes = self._listening.modes_of(job)
        unit, count = modes.place(self._mode)
        setting = int(modes.table.setting[self._mode])
        if unit >= modes.table.clusters:
            accelerator = self._board.accelerators[unit - modes.table.clusters].name
            return TrainingGrant(job.id, setting, (), accelerator)
        held = job.grant.cores if job.grant else ()
        taken = self._taken(observation)
        cores = training_cores(self._board, unit, count, taken=taken, held=held)
        return TrainingGrant(job.id, setting, cores) if cores else None

    def _is_put_off(self, job: Job, planned: Job | None) -> bool:
        """Whether there is a plan, and it has nothing for this job."""
        if planned is None or self._adopted is None or not self._adopted.is_for(planned):
            return False
        return job.id != planned.id or self._mode is None

    def _taken(self, observation: Observation) -> set[int]:
        """The cores that applications of one thread are on, or are about to be."""
        decided_s, seated = self._seats
        moving = seated if decided_s == observation.time_s else {}
        return {
            moving.get(app.id, app.cores[0]) for app in observation.applications if app.threads == 1
        }

    def _tell(self, grants: Sequence[TrainingGrant]) -> None:
        if grants and not self._news:
            self._news.append(" and ".join(_words(grant) for grant in grants))
        self.last_reason = "; ".join(self._news) or None
        if self.last_reason is not None:
            logger.info("%s", self.last_reason)


def _until_others_s(first: Job, now_s: float) -> float:
    """When the job that trains is done, or too late to come before others."""
    assert first.round is not None
    return min(first.outlook.finish_s, max(0.0, first.round.deadline_s - now_s))


def _words(grant: TrainingGrant) -> str:
    if grant.pauses:
        return f"job {grant.job_id} pauses"
    place = grant.accelerator or f"cores {', '.join(map(str, grant.cores))}"
    return f"job {grant.job_id} trains on {place}, which are free"


def make(context: TrainingContext) -> GoverningTraining:
    """The policy, with the ordinary one of the context inside."""
    inner = make_ordinary(context.ordinary)
    return GoverningTraining(context.board, inner, context.jobs, context.limits)
