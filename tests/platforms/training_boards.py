"""Training jobs that are easy to reckon with, and simulated boards that run them."""

import numpy as np

from platforms.application import Job
from platforms.board import Board
from platforms.platform import Decision, TrainingGrant, TrainingReading
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.training import SimulatedTraining, TrainingState
from platforms.training_work import TrainingWork
from tests.platforms.programs import HIKEY

WORKS = tuple(
    TrainingWork(
        knobs={"batch": batch},
        flops=30e6,
        sample_bytes=1.6e6,
        step_bytes=5.5e6,
        kernels=160,
        memory_bytes=10_000_000,
    )
    for batch in (8, 16, 32)
)
IN_CACHE = TrainingWork(
    knobs={"batch": 16},
    flops=30e6,
    sample_bytes=0.0,
    step_bytes=0.0,
    kernels=160,
    memory_bytes=1_000_000,
)
"""Makes no traffic, so that nothing is left to queue for."""

JOB = SimulatedTraining(id=7, name="tiny", works=WORKS)


def training_board(
    *jobs: Job,
    training: tuple[SimulatedTraining, ...] = (JOB,),
    board: Board = HIKEY,
    cooling: str = "fan",
) -> SimulatedBoard:
    """A board with training jobs beside its applications."""
    return SimulatedBoard(
        board,
        cooling=board.cooling_named(cooling),
        rng=np.random.default_rng(0),
        jobs=jobs,
        training=training,
    )


def granted(*cores: int, setting: int = 0, job_id: int = 7, **fields: object) -> Decision:
    """Grant these cores."""
    grant = TrainingGrant(job_id, setting, cores, **fields)  # type: ignore[arg-type]
    return Decision(grants=(grant,))


def state(board: SimulatedBoard, job_id: int = 7) -> TrainingState:
    """The job now."""
    return next(job for job in board.training if job.id == job_id)


def reading(board: SimulatedBoard) -> TrainingReading:
    """The only job as the platform shows it."""
    (seen,) = board.observe().training
    return seen
