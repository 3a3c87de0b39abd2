"""Where training jobs come and go: who may have one, and what each is told.

What a job may do is decided elsewhere (`rm.training`); here it is only asked for and passed on.
"""

import logging
from collections import Counter
from collections.abc import Iterator

from msgspec.structs import replace

from platforms.errors import InvalidInput
from platforms.linux.managed import ProcessKey, TrainingProcess
from platforms.linux.processes.processes import ProcessInfo
from rm.daemon.applications.applications import Processes, Refused
from rm.daemon.applications.grant import printable
from rm.daemon.clients.messages import Progress, TrainingGrantAnswer, TrainingRound
from rm.daemon.clients.token_bucket import TokenBucket
from rm.daemon.configuration.settings import TrainingSettings
from rm.daemon.training.held_job import HeldJob
from rm.planner.capability import Capability
from rm.training.job import Job, JobLimits
from rm.training.jobs import TrainingJobs

MOST_JOBS = 16
"""Training jobs at the same time; one is planned at a time, so that more would only wait."""

MOST_JOBS_PER_USER = 4
"""Of those, of one user other than root."""

MOST_KNOBS = 16

MOST_SETTINGS = 64
MOST_MODES = 8192
"""Settings, and settings at places, of one job: a plan compares all settings at every place with
each other. So many take about 15 ms on one desktop core where none beats another; 40 960 of 2048
settings took two seconds and 400 MB. The largest of ilgov's own is 24 settings at 128 places."""

LINES_PER_S = 2.0
BURST_LINES = 100.0
"""Log lines on jobs that come and go; what is more is for debugging: clients cause them."""

_ROOT_UID = 0

_log = logging.getLogger(__name__)


class TrainingDesk:
    """All jobs that the daemon has let in.

    `held` are they by id, to look at only. `refusal` is why no new ones are let in, None while they
    are. Not `binding`: jobs are told that they need not keep to what is decided, which is only
    shown (dry run).
    """

    def __init__(
        self,
        jobs: TrainingJobs,
        processes: Processes,
        settings: TrainingSettings,
        *,
        binding: bool = True,
        now_s: float = 0.0,
    ) -> None:
        self.jobs = jobs
        self.refusal: str | None = None
        self._processes = processes
        self._settings = settings
        self._binding = binding
        self.held: dict[int, HeldJob] = {}
        self._lines = TokenBucket(LINES_PER_S, BURST_LINES, now_s)

    def set_settings(self, settings: TrainingSettings) -> None:
        """Other limits, for jobs that register from now on."""
        self._settings = settings

    def __iter__(self) -> Iterator[HeldJob]:
        return iter(tuple(self.held.values()))

    def trains(self, key: ProcessKey) -> bool:
        """Whether a process has a job."""
        return any(job.key == key for job in self.held.values())

    def get(self, job_id: int) -> HeldJob | None:
        """A job by its id, None where it has ended."""
        return self.held.get(job_id)

    def processes(self) -> tuple[TrainingProcess, ...]:
        """The processes that train, as those who hold them to their grants know them."""
        return tuple(
            TrainingProcess(job.id, job.key, job.memory_bytes, job.uid)
            for job in self.held.values()
        )

    # --- what jobs say --------------------------------------------------------------------------

    def register(
        self,
        process: ProcessInfo,
        *,
        uid: int,
        capability: Capability,
        limits: JobLimits,
        name: str | None,
        now_s: float,
    ) -> HeldJob:
        """Let a process train, for a client of user `uid`. Raises Refused."""
        if self.refusal is not None:
            raise Refused(self.refusal)
        _check_size(capability)
        _check_knobs(capability)
        self._check_room(process, uid)
        before = [job for job in self if job.key == process.key]
        told = printable(name or process.name)
        try:
            job_id = self.jobs.register(
                capability,
                name=told,
                limits=replace(limits, grace_s=min(limits.grace_s, self._settings.grace_s)),
                now_s=now_s,
                expiry_s=self._settings.expiry_s,
            )
        except InvalidInput as error:
            raise Refused(printable(f"capability: {error}", longest=300)) from error
        for old in before:
            self.end(old, now_s, "it registers anew")
        job = HeldJob(job_id, told, process.key, uid, limits.memory_bytes)
        self.held[job_id] = job
        self._say(job, now_s, "trains, %d settings", len(capability.settings))
        return job

    def begin_round(self, job: HeldJob, wish: TrainingRound, now_s: float) -> TrainingGrantAnswer:
        """Begin a round, or go on with one of an earlier daemon. Raises Refused."""
        job.done_before = _worth(self._state(job, now_s), wish.done)
        left = wish.samples - job.done_before
        if left > 0.0:
            self.jobs.begin_round(
                job.id, number=wish.number, samples=left, deadline_s=wish.deadline_s, now_s=now_s
            )
        else:
            self.jobs.drop_round(job.id, now_s)
        return self.answer(job, now_s)

    def progress(self, job: HeldJob, said: Progress, now_s: float) -> TrainingGrantAnswer:
        """Count what a job has done. Raises Refused."""
        try:
            self.jobs.progress(
                job.id, samples=said.samples, loss=said.loss, now_s=now_s, setting=said.setting
            )
        except InvalidInput as error:
            raise Refused(str(error)) from error
        return self.answer(job, now_s)

    def paused(self, job: HeldJob, now_s: float) -> TrainingGrantAnswer:
        """A job does not train any more, and has kept what it had. Raises Refused."""
        self._state(job, now_s)
        self.jobs.confirm_paused(job.id, now_s)
        return self.answer(job, now_s)

    def answer(self, job: HeldJob, now_s: float) -> TrainingGrantAnswer:
        """What a job is told now. Raises Refused."""
        self._state(job, now_s)
        issued = self.jobs.grant_of(job.id, now_s)
        outlook = issued.outlook
        if job.done_before:
            possible = outlook.samples_possible + job.done_before
            outlook = replace(outlook, samples_possible=possible)
        return TrainingGrantAnswer(
            number=issued.number,
            state=issued.state,
            setting=issued.setting,
            knobs=issued.knobs,
            cores=issued.cores,
            accelerator=issued.accelerator,
            expires_s=issued.expires_s,
            pause_within_s=issued.pause_within_s,
            outlook=outlook,
            binding=self._binding,
        )

    def end(self, job: HeldJob, now_s: float, why: str = "its client has ended it") -> None:
        """A job is over; what it had is free. One that is over already stays so."""
        if self.held.pop(job.id, None) is not None:
            self.jobs.end(job.id)
            self._say(job, now_s, "trains no longer, %s", why)

    def end_all(self, now_s: float, why: str) -> None:
        """No job is governed any longer; each hears of it when it asks next."""
        for job in self:
            self.end(job, now_s, why)

    def update(self, now_s: float) -> None:
        """End the jobs whose processes have ended; once in a migration period."""
        for job in self:
            if not self._processes.is_alive(job.key):
                self.end(job, now_s, "its process has ended")

    # --- inside ---------------------------------------------------------------------------------

    def _state(self, job: HeldJob, now_s: float) -> Job:
        if self.held.get(job.id) is not job:
            raise Refused(f"job must be one that trains (job {job.id} has ended)")
        return self.jobs.get(job.id, now_s)

    def _check_room(self, process: ProcessInfo, uid: int) -> None:
        others = [job for job in self.held.values() if job.key != process.key]
        for job in self.held.values():
            if job.key == process.key and uid not in (_ROOT_UID, job.uid):
                raise Refused(
                    f"process {process.key.pid} must not train for another user already "
                    f"(does for user {job.uid})"
                )
        if len(others) >= MOST_JOBS:
            raise Refused(f"training jobs must be at most {MOST_JOBS} (got one more)")
        mine = Counter(job.uid for job in others)
        if uid != _ROOT_UID and mine[uid] >= MOST_JOBS_PER_USER:
            raise Refused(f"training jobs of a user must be at most {MOST_JOBS_PER_USER}")

    def _say(self, job: HeldJob, now_s: float, text: str, *more: object) -> None:
        level = logging.INFO if self._lines.take(now_s) else logging.DEBUG
        _log.log(level, "job %d %r, process %d: " + text, job.id, job.name, job.key.pid, *more)


def _check_size(capability: Capability) -> None:
    """What planning costs goes with it. Raises Refused."""
    settings, places = len(capability.settings), len(capability.places)
    if settings > MOST_SETTINGS:
        raise Refused(f"settings must be at most {MOST_SETTINGS} (got {settings})")
    if settings * places > MOST_MODES:
        raise Refused(
            f"settings must be at most {MOST_MODES} at all places together (got {settings} at "
            f"{places} places); fewer settings or places help"
        )


def _check_knobs(capability: Capability) -> None:
    """Names that a client chose stand in logs and on screens. Raises Refused."""
    for setting in capability.settings:
        if len(setting.knobs) > MOST_KNOBS:
            raise Refused(f"knobs must be at most {MOST_KNOBS} (got {len(setting.knobs)})")
        for name in setting.knobs:
            if not (name.isascii() and name.replace("-", "_").isidentifier()) or len(name) > 32:
                raise Refused(
                    "knobs must have names of at most 32 letters, digits, '_' and '-' "
                    f"(got {printable(name)!r})"
                )


def _worth(job: Job, done: tuple[tuple[int, float], ...]) -> float:
    """Reference samples that these are worth. Raises Refused."""
    for setting, _ in done:
        if setting >= len(job.worth):
            raise Refused(f"done: setting must be below {len(job.worth)} (got {setting})")
    return sum(samples * job.worth[setting] for setting, samples in done)
