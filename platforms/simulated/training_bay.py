"""All training jobs of a simulated board: which threads of theirs run where, and how fast."""

import math
from collections.abc import Iterable, Iterator, Sequence

from platforms.accelerator_model import accelerator_point
from platforms.application import ApplicationProfile, CoreProfile
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import TrainingReading
from platforms.simulated.performance import Placed
from platforms.simulated.training import RunningTraining, SimulatedTraining, weight_of
from platforms.training_work import compute_cycles, work_problems


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
            job.rate = next(of_placed) if job.cores else 0.0
            if job.runs and job.accelerator is not None:
                index = self._accelerators.index(job.accelerator)
                share = self._host_share(job, cluster_hz)
                point = accelerator_point(
                    self._board.compute_accelerators[index],
                    job.work,
                    accelerator_opp[index],
                    host_share=share,
                )
                turns = 1.0 / crowd.count(job.accelerator)
                job.rate = turns / point.sample_s
                watts[index] += turns * point.mean_w
        return watts

    def _host_share(self, job: RunningTraining, cluster_hz: Sequence[int]) -> float:
        """The share of its core that a job's host thread has, by the cycles that it spins."""
        if not job.cores:
            return 1.0
        return job.rate / cluster_hz[self._board.cluster_of_core[job.cores[0]]]


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
