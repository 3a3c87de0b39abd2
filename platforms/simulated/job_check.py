"""Refuse jobs that the simulated board cannot run, before any time passes.

A governor may move an application to any core, so its profile must hold on every cluster of the
board, through a stand-in where the board names one.
"""

import math
from collections.abc import Iterator, Sequence

from platforms.application import ApplicationProfile, Job
from platforms.board import Board
from platforms.decision_check import placement_problems
from platforms.errors import InvalidInput


def check_jobs(board: Board, jobs: Sequence[Job]) -> None:
    """Raise InvalidInput, naming job, field, requirement and value, for the first wrong job."""
    seen: set[int] = set()
    for job in jobs:
        if job.id in seen:
            raise InvalidInput(f"jobs.id must be unique (got {job.id} more than once)")
        seen.add(job.id)
        for problem in (*_job_problems(board, job), *_profile_problems(board, job.profile)):
            raise InvalidInput(f"job {job.id} ({job.profile.name}): {problem}")


def _job_problems(board: Board, job: Job) -> Iterator[str]:
    yield from _positive("target_ips", job.target_ips)
    if job.instructions != math.inf:
        yield from _positive("instructions", job.instructions)
    yield from _not_negative("arrival_s", job.arrival_s)
    if job.threads < 1:
        yield f"threads must be at least 1 (got {job.threads})"
    if job.cores is not None:
        for problem in placement_problems(board, job.threads, job.cores):
            yield f"cores {problem}"


def _profile_problems(board: Board, profile: ApplicationProfile) -> Iterator[str]:
    for cluster in board.clusters:
        where = f"core_profiles on cluster {cluster.name!r}"
        try:
            speed = profile.on(cluster)
        except KeyError as missing:
            known = ", ".join(sorted(profile.core_profiles)) or "none"
            yield (
                f"core_profiles must hold {missing.args[0]!r} to run on cluster {cluster.name!r} "
                f"of board {board.name!r} (got {known}); add it to the application's file, or to "
                "the board's file a stand_in out of these"
            )
            continue
        yield from _positive(f"{where}: cpi", speed.cpi)
        yield from _not_negative(f"{where}: stall_s", speed.stall_s)
    if not 0 < profile.activity <= 1:
        yield f"activity must lie above 0 and up to 1 (got {profile.activity})"
    for key in ("l2d_per_instruction", "bytes_per_instruction"):
        yield from _not_negative(key, getattr(profile, key))
    for index, phase in enumerate(profile.phases):
        for key in ("instructions", "cpi_scale", "stall_scale", "activity_scale"):
            yield from _positive(f"phases[{index}].{key}", getattr(phase, key))
        if profile.activity * phase.activity_scale > 1:
            yield (
                f"phases[{index}].activity_scale must not raise activity = {profile.activity} "
                f"above 1 (got {phase.activity_scale})"
            )


def _positive(key: str, value: float) -> Iterator[str]:
    if not 0 < value < math.inf:
        yield f"{key} must be a positive finite number (got {value})"


def _not_negative(key: str, value: float) -> Iterator[str]:
    if not 0 <= value < math.inf:
        yield f"{key} must be a finite number, not negative (got {value})"
