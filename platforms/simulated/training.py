"""Training jobs on the simulated board: what each was given, what it may use, what it has done.

A job has one thread on each core of its grant. It runs while it has a grant and work; without work
it waits and takes no core. Grants take no time, but a change of cores costs the refill of caches,
which is a while without progress: nothing that was done is taken back.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from platforms.accelerator_model import accelerator_point
from platforms.application import ApplicationProfile, CoreProfile
from platforms.board import Board
from platforms.decision_check import LOWEST_NICE
from platforms.errors import InvalidInput
from platforms.platform import TrainingGrant, TrainingReading
from platforms.simulated.performance import Placed
from platforms.training_work import TrainingWork, compute_cycles, training_profile, work_problems

NICE_WEIGHTS = (
    *(88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916),
    *(9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277),
    *(1024, 820, 655, 526, 423, 335, 272, 215, 172, 137),
    *(110, 87, 70, 56, 45, 36, 29, 23, 18, 15),
)
"""Linux's weights of a thread, from a nice of -20 to 19 (kernel/sched/core.c)."""

_NO_SAMPLES = 1e-9
"""Samples too few to wait for."""


def weight_of(nice: int) -> float:
    """A thread's weight beside one that is not nice at all.

    >>> weight_of(0), weight_of(19)
    (1.0, 0.0146484375)
    """
    return NICE_WEIGHTS[nice - LOWEST_NICE] / NICE_WEIGHTS[-LOWEST_NICE]


class SimulatedTraining(Struct, frozen=True, kw_only=True):
    """A training job: `works` is what a step truly asks for, in every setting of its knobs."""

    id: int
    name: str
    works: tuple[TrainingWork, ...]


class TrainingState(Struct, frozen=True):
    """A job now: samples done in all, and left to do; samples/s; what it was granted last."""

    id: int
    name: str
    samples: float
    left: float
    rate: float
    grant: TrainingGrant | None


class RunningTraining:
    """One job. Progress is kept as a point and a rate, so that time passes without touching it."""

    __slots__ = (
        "_done",
        "_owed_s",
        "_profiles",
        "_seen",
        "_since_s",
        "grant",
        "job",
        "left",
        "rate",
    )

    def __init__(self, job: SimulatedTraining) -> None:
        """A paused job without work."""
        self.job = job
        self.grant: TrainingGrant | None = None
        self.left = 0.0
        self.rate = 0.0
        self._done = 0.0
        self._owed_s = 0.0
        self._seen = 0.0
        self._since_s = 0.0
        self._profiles: dict[tuple[int, int], ApplicationProfile] = {}

    @property
    def runs(self) -> bool:
        """Whether it computes now."""
        return self.left > 0.0 and self.grant is not None and not self.grant.pauses

    @property
    def accelerator(self) -> str | None:
        """Where it computes, if not on cores."""
        return self.grant.accelerator if self.grant else None

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores that its threads run on now: on an accelerator the first of its host's."""
        if not self.runs or self.grant is None:
            return ()
        return self.grant.cores if self.grant.accelerator is None else self.grant.cores[:1]

    @property
    def work(self) -> TrainingWork:
        """What a step asks for in its present setting."""
        return self.job.works[self.grant.setting if self.grant else 0]

    def profile(self, board: Board) -> ApplicationProfile:
        """One of its threads on the cores that it has now."""
        key = (self.grant.setting, len(self.cores)) if self.grant else (0, 0)
        if key not in self._profiles:
            self._profiles[key] = training_profile(self.work, board, len(self.cores))
        return self._profiles[key]

    def done(self, now_s: float) -> float:
        """Samples done by `now_s`."""
        return self._done + min(self.left, self._gained(now_s))

    def catch_up(self, now_s: float) -> None:
        """Book the progress since the last change, before the rate changes."""
        gained = min(self.left, self._gained(now_s))
        if self.rate > 0.0:
            self._owed_s = max(0.0, self._owed_s - (now_s - self._since_s))
        self._since_s = now_s
        if self.left - gained <= max(_NO_SAMPLES, 2.0 * math.ulp(now_s) * self.rate):
            gained = self.left
        self._done += gained
        self.left -= gained

    def _gained(self, now_s: float) -> float:
        return self.rate * max(0.0, now_s - self._since_s - self._owed_s)

    def owe(self, seconds: float) -> None:
        """From now on make no progress for so long a time of running."""
        self._owed_s = max(self._owed_s, seconds)

    def next_event_s(self) -> float:
        """When the work ends, at the present rate."""
        if self.rate <= 0.0:
            return math.inf
        return self._since_s + self._owed_s + self.left / self.rate

    def read(self, now_s: float, window_s: float) -> TrainingReading:
        """What it did since the last reading, as a rate."""
        done = self.done(now_s)
        rate = (done - self._seen) / window_s if window_s > 1e-9 else self.rate
        self._seen = done
        grant = self.grant
        return TrainingReading(
            self.job.id,
            done,
            rate,
            grant.cores if grant else (),
            self.left <= 0.0,
            grant.accelerator if grant else None,
        )

    def state(self, now_s: float) -> TrainingState:
        """What only a simulation can tell."""
        done = self.done(now_s)
        left = self.left - (done - self._done)
        return TrainingState(self.job.id, self.job.name, done, left, self.rate, self.grant)


class TrainingBay:
    """All training jobs of a board; `settings` is how many settings each job has, by id."""

    def __init__(self, board: Board, jobs: Iterable[SimulatedTraining]) -> None:
        """All paused, without work. Raises InvalidInput for a job that cannot run on the board."""
        self._board = board
        self._accelerators = [accelerator.name for accelerator in board.compute_accelerators]
        self._host_profile = _host_profile(board)
        self._jobs: dict[int, RunningTraining] = {}
        for job in jobs:
            if job.id in self._jobs:
                raise InvalidInput(f"training.id must be unique (got {job.id} more than once)")
            for problem in _job_problems(board, job):
                raise InvalidInput(f"training {job.id} ({job.name}): {problem}")
            self._jobs[job.id] = RunningTraining(job)
        self.settings = {job_id: len(job.job.works) for job_id, job in self._jobs.items()}

    def __iter__(self) -> Iterator[RunningTraining]:
        """The jobs in the order that they were given in."""
        return iter(self._jobs.values())

    def __len__(self) -> int:
        """How many jobs there are."""
        return len(self._jobs)

    def named(self, job_id: int) -> RunningTraining:
        """A job by its id. Raises InvalidInput where there is none."""
        if job_id not in self._jobs:
            raise InvalidInput(f"job_id must be one of {sorted(self._jobs)} (got {job_id})")
        return self._jobs[job_id]

    def find(self, job_id: int) -> RunningTraining | None:
        """A job by its id, if there is one."""
        return self._jobs.get(job_id)

    def thread_cores(self) -> Iterator[tuple[int, float]]:
        """The core of every thread that runs, and its weight."""
        for job in self._jobs.values():
            weight = weight_of(job.grant.nice) if job.grant else 1.0
            for core in job.cores:
                yield core, weight

    def catch_up(self, now_s: float) -> None:
        """Book everybody's progress."""
        for job in self._jobs.values():
            job.catch_up(now_s)

    def next_event_s(self) -> float:
        """When the first job runs out of work, at the present rates."""
        return min((job.next_event_s() for job in self._jobs.values()), default=math.inf)

    def read(self, now_s: float, window_s: float) -> tuple[TrainingReading, ...]:
        """The jobs as an observation shows them."""
        return tuple([job.read(now_s, window_s) for job in self._jobs.values()])

    def placed(self) -> list[Placed]:
        """The threads that run now, as the performance model sees them: a job with any, an entry.

        A job on an accelerator has one thread on its host's first core, which launches its kernels
        and spins while it waits for them.
        """
        return [self._placed(job) for job in self._jobs.values() if job.cores]

    def _placed(self, job: RunningTraining) -> Placed:
        grant = job.grant
        assert grant is not None  # only a granted job has cores
        profile = job.profile(self._board) if grant.accelerator is None else self._host_profile
        limit = 1.0 if grant.cpu_max is None else grant.cpu_max
        return Placed(profile, 1.0, 1.0, job.cores, 1.0, weight_of(grant.nice), limit)

    def set_rates(
        self, rates: Sequence[float], cluster_hz: Sequence[int], accelerator_opp: Sequence[int]
    ) -> list[float]:
        """Take over the rates of those that `placed` told; returns the accelerators' watts.

        `accelerator_opp` and the watts are those of the board's `compute_accelerators`. Jobs on one
        accelerator take turns.
        """
        of_placed = iter(rates)
        crowd = [job.accelerator for job in self._jobs.values() if job.runs]
        watts = [0.0] * len(accelerator_opp)
        for job in self._jobs.values():
            on_cores = next(of_placed) if job.cores else 0.0
            job.rate = on_cores
            if job.runs and job.accelerator is not None:
                share = 1.0
                if job.cores:
                    share = on_cores / cluster_hz[self._board.cluster_of_core[job.cores[0]]]
                index = self._accelerators.index(job.accelerator)
                accelerator = self._board.compute_accelerators[index]
                opp = accelerator_opp[index]
                point = accelerator_point(accelerator, job.work, opp, host_share=share)
                turns = 1.0 / crowd.count(job.accelerator)
                job.rate = turns / point.sample_s
                watts[index] += turns * point.mean_w
        return watts


def _job_problems(board: Board, job: SimulatedTraining) -> Iterator[str]:
    if not job.works:
        yield "works must hold at least one setting (got none)"
    for index, work in enumerate(job.works):
        yield from work_problems(work, where=f"works[{index}]")
    for cluster in board.clusters:
        compute_cycles(1.0, 1, cluster.core_type, 1)


def _host_profile(board: Board) -> ApplicationProfile:
    """A thread that spins: its instruction is a cycle."""
    spin = CoreProfile(cpi=1.0, stall_s=0.0)
    return ApplicationProfile(
        name="host",
        suite="training",
        core_profiles={cluster.core_type: spin for cluster in board.clusters},
        activity=1.0,
        l2d_per_instruction=0.0,
        bytes_per_instruction=0.0,
        sources={},
    )
