"""Tests of the jobs that the simulated board refuses, before any time passes."""

import math

import pytest
from msgspec.structs import replace

from platforms.application import CoreProfile, Job, Phase
from platforms.application_file import shipped_applications
from platforms.board_file import load_board, shipped_boards
from platforms.errors import InvalidInput
from platforms.simulated.job_check import check_jobs
from tests.platforms.programs import COMPUTE, PHASED, job, simulated

ONLY_BIG = replace(COMPUTE, core_profiles={"cortex-a73": COMPUTE.core_profiles["cortex-a73"]})
STUCK = replace(PHASED, phases=(Phase(instructions=0.0, cpi_scale=1.0, stall_scale=1.0),))
LIVELY = replace(
    PHASED,
    phases=(Phase(instructions=1.0, cpi_scale=1.0, stall_scale=1.0, activity_scale=1.3),),
)
FREE = replace(
    COMPUTE, core_profiles=dict.fromkeys(COMPUTE.core_profiles, CoreProfile(cpi=0.0, stall_s=0.0))
)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            job(profile=ONLY_BIG),
            r"core_profiles must hold 'cortex-a53' to run on cluster 'little' .* \(got .*a73\)",
        ),
        (
            job(profile=FREE),
            r"core_profiles on cluster 'little': cpi must be a positive finite number \(got 0.0\)",
        ),
        (
            job(profile=STUCK),
            r"phases\[0\].instructions must be a positive finite number \(got 0.0\)",
        ),
        (
            job(profile=LIVELY),
            r"phases\[0\].activity_scale must not raise activity = 0.8 above 1 \(got 1.3\)",
        ),
        (
            job(profile=replace(COMPUTE, activity=1.5)),
            r"activity must lie above 0 and up to 1 \(got 1.5\)",
        ),
        (
            job(profile=replace(COMPUTE, bytes_per_instruction=-1.0)),
            r"bytes_per_instruction must be a finite number, not negative \(got -1.0\)",
        ),
        (job(cores=(8,)), r"cores must be out of 0 ... 7 \(got \[8\]\)"),
        (job(cores=(-1,)), r"cores must be out of 0 ... 7 \(got \[-1\]\)"),
        (job(cores=()), r"cores must be one core for one thread \(got \[\]\)"),
        (job(cores=(4, 5)), r"cores must be one core for one thread \(got \[4, 5\]\)"),
        (job(cores=(4,), threads=2), r"cores must be several cores for 2 threads \(got \[4\]\)"),
        (job(cores=(3, 4), threads=2), r"cores must lie in one cluster \(got \[3, 4\]\)"),
        (job(cores=(4, 4), threads=2), r"cores must name each core once \(got \[4, 4\]\)"),
        (job(threads=0), r"threads must be at least 1 \(got 0\)"),
        (job(target_ips=0.0), r"target_ips must be a positive finite number \(got 0.0\)"),
        (job(target_ips=math.inf), r"target_ips must be a positive finite number \(got inf\)"),
        (job(instructions=0.0), r"instructions must be a positive finite number \(got 0.0\)"),
        (job(instructions=math.nan), r"instructions must be a positive finite number \(got nan\)"),
        (job(arrival_s=-1.0), r"arrival_s must be a finite number, not negative \(got -1.0\)"),
        (job(arrival_s=math.nan), r"arrival_s must be a finite number, not negative \(got nan\)"),
    ],
)
def test_a_job_that_cannot_run_is_refused_at_construction(wrong: Job, message: str) -> None:
    """The message names job, application, field, requirement and value."""
    with pytest.raises(InvalidInput, match=rf"^job 0 \({wrong.profile.name}\): {message}"):
        simulated(wrong)


def test_a_missing_stand_in_is_named_as_well() -> None:
    """The user can add the core that stands in, or the board's own."""
    board = load_board("rk3588")
    with pytest.raises(InvalidInput, match=r"must hold 'cortex-a53' to run on cluster 'little'"):
        check_jobs(board, [job(profile=ONLY_BIG)])


def test_two_jobs_must_not_share_an_id() -> None:
    """A decision could not tell them apart."""
    with pytest.raises(InvalidInput, match=r"jobs.id must be unique \(got 3 more than once\)"):
        simulated(job(3), job(1), job(3))


@pytest.mark.parametrize("name", shipped_boards())
def test_every_shipped_application_can_run_on_every_shipped_board(name: str) -> None:
    """A board is data: no program needs a word about it."""
    profiles = shipped_applications().values()
    check_jobs(load_board(name), [job(i, profile) for i, profile in enumerate(profiles)])
