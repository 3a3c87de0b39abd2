"""Tests of the start temperature, on the simulated board: both ways, and the time-out of each."""

import numpy as np
import pytest

from platforms.application import Job
from platforms.application_file import shipped_applications
from platforms.board_file import load_board
from platforms.simulated.simulated_board import SimulatedBoard
from traces.experiment import SimulatedExperiment
from traces.plan import StartTemperature
from traces.start_temperature import reach_start

BOARD = load_board("hikey970")


def experiment(start_temp_c: float) -> SimulatedExperiment:
    """Four programs on big cores of a board that is as warm as this everywhere."""
    profile = shipped_applications()["bzip2e"]
    jobs = [Job(id=i, profile=profile, target_ips=1.0, cores=(4 + i,)) for i in range(4)]
    simulated = SimulatedBoard(
        BOARD,
        cooling=BOARD.cooling_named("fan"),
        rng=np.random.default_rng(0),
        jobs=jobs,
        start_temp_c=start_temp_c,
    )
    simulated.advance_to(1e-6)
    return SimulatedExperiment(simulated)


@pytest.mark.parametrize("begin_c", [27.0, 36.0, 50.0])
def test_a_board_is_heated_or_cooled_to_where_runs_begin(begin_c: float) -> None:
    """Within the tolerance, and no longer than needed."""
    found = reach_start(BOARD, experiment(begin_c), StartTemperature(temp_c=36.0))
    assert found.reached
    assert abs(found.temp_c - 36.0) <= 1.0
    assert found.took_s < 300.0
    if begin_c == 36.0:
        assert found.took_s <= 2.0


def test_a_board_that_does_not_grow_so_hot_is_not_heated_for_ever() -> None:
    """The time-out has passed, and the row will say where the run began."""
    found = reach_start(BOARD, experiment(30.0), StartTemperature(temp_c=115.0, timeout_s=20.0))
    assert not found.reached
    assert found.temp_c < 114.0
    assert pytest.approx(20.0, abs=2.0) == found.took_s


def test_a_board_that_does_not_cool_so_far_is_not_waited_for_for_ever() -> None:
    """The air is warmer than that."""
    found = reach_start(BOARD, experiment(60.0), StartTemperature(temp_c=5.0, timeout_s=30.0))
    assert not found.reached
    assert found.temp_c > 6.0
    assert pytest.approx(30.0, abs=2.0) == found.took_s
