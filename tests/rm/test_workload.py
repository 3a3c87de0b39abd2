"""Tests of the workload of an episode: it depends on its seed and parameters alone."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.application import Job
from platforms.application_file import find_applications
from platforms.board_file import load_board, shipped_boards
from rm.evaluation.workload import WorkloadParameters, draw_workload

BOARD = load_board("hikey970")
PROFILES = find_applications(["parsec"])
DEFAULTS = WorkloadParameters()


def drawn(seed: int, parameters: WorkloadParameters = DEFAULTS) -> tuple[Job, ...]:
    """The jobs of an episode."""
    return draw_workload(BOARD, PROFILES, parameters, np.random.default_rng(seed))


@given(seed=st.integers(0, 2**32 - 1))
def test_jobs_come_in_order_and_the_first_at_once(seed: int) -> None:
    """An episode does not begin with waiting."""
    jobs = drawn(seed)
    arrivals_s = [job.arrival_s for job in jobs]
    assert list(range(20)) == [job.id for job in jobs]
    assert 0.0 == arrivals_s[0]
    assert sorted(arrivals_s) == arrivals_s


@given(seed=st.integers(0, 2**32 - 1))
def test_targets_and_work_lie_in_the_asked_ranges(seed: int) -> None:
    """Both are measured by what the job would do alone on the strongest core."""
    parameters = WorkloadParameters(
        lowest_target=0.2, highest_target=0.3, shortest_work_s=10.0, longest_work_s=12.0
    )
    big = BOARD.clusters[1]
    for job in drawn(seed, parameters):
        fastest_ips = job.profile.ips(big, big.freqs_hz[-1])
        assert 0.2 <= job.target_ips / fastest_ips <= 0.3 + 1e-9
        assert 10.0 <= job.instructions / fastest_ips <= 12.0 + 1e-9
        assert (1, None) == (job.threads, job.cores)


def test_jobs_vary_around_the_profiles_that_were_given() -> None:
    """Every program comes, none twice quite alike."""
    jobs = drawn(0, WorkloadParameters(arrivals=60, variation=0.1))
    assert {profile.name for profile in PROFILES} == {job.profile.name for job in jobs}
    known = {profile.name: profile for profile in PROFILES}
    for job in jobs:
        for core_type, varied in job.profile.core_profiles.items():
            ratio = varied.cpi / known[job.profile.name].core_profiles[core_type].cpi
            assert 0.9 <= ratio <= 1.1
    for one, other in itertools.combinations(jobs, 2):
        assert one.profile != other.profile
    plain = drawn(0, WorkloadParameters(variation=0.0))
    assert {job.profile.name: job.profile for job in plain}.items() <= known.items()


def test_the_same_seed_gives_the_same_jobs_and_another_others() -> None:
    """Policies are compared on equal terms."""
    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_arrivals_are_a_poisson_process_of_the_asked_mean() -> None:
    """Whose gaps spread as widely as their mean."""
    parameters = WorkloadParameters(arrivals=4000, interarrival_s=5.0)
    gaps_s = np.diff([job.arrival_s for job in drawn(1, parameters)])
    assert pytest.approx(5.0, rel=0.05) == gaps_s.mean()
    assert pytest.approx(5.0, rel=0.05) == gaps_s.std()


def test_no_time_between_arrivals_lets_all_come_at_once() -> None:
    """The crowd is the hardest case."""
    crowd = drawn(1, WorkloadParameters(interarrival_s=0.0))
    assert {0.0} == {job.arrival_s for job in crowd}


@pytest.mark.parametrize("name", shipped_boards())
def test_a_workload_can_be_drawn_for_every_shipped_board(name: str) -> None:
    """Where a core type has no profile of its own, its stand-in's is taken."""
    board = load_board(name)
    jobs = draw_workload(board, PROFILES, WorkloadParameters(), np.random.default_rng(0))
    strongest = board.clusters[board.clusters_by_capacity[-1]]
    for job in jobs:
        assert 0 < job.target_ips < job.profile.ips(strongest, strongest.freqs_hz[-1])
