"""Tests of the estimate: what the plan says, and what the board's heat says."""

import msgspec
import pytest

from platforms.board_file import load_board
from traces.estimate import estimate, settle_time_s
from traces.plan import Conduct, Plan, PlannedScenario, StartTemperature, opp_grid

BOARD = load_board("hikey970")


def plan(conduct: Conduct, design: str = "corners") -> Plan:
    """One scenario with two free cores."""
    return Plan(
        board=BOARD.name,
        board_sha256="",
        applications_sha256="",
        cooling="fan",
        seed=0,
        window_s=10.0,
        variation=0.0,
        diversity=0.0,
        grid=opp_grid(BOARD, None),
        scenarios=(PlannedScenario(0, "a", ("b",) * 6, (0, 1, 2, 4, 5, 6), 0),),
        design=design,
        conduct=conduct,
    )


def test_the_time_is_runs_times_settling_and_measuring() -> None:
    """Two cores, four corners each, three times."""
    found = estimate(BOARD, plan(Conduct(settle_s=20.0, repeats=3)))
    assert (24, 24 * 30.0, 24 * 30.0) == (found.runs, found.total_s, found.most_s)


def test_a_start_temperature_costs_time_and_at_most_both_time_outs() -> None:
    """Heating too far, then cooling in vain."""
    start = StartTemperature(temp_c=45.0, timeout_s=100.0)
    found = estimate(BOARD, plan(Conduct(settle_s=20.0, start=start)))
    assert (8 * 50.0, 8 * 230.0) == (found.total_s, found.most_s)
    assert "at most" in str(found)


def test_a_board_without_a_fan_takes_longer_to_settle() -> None:
    """By its thermal network: four times the slowest time constant."""
    fan_s, passive_s = settle_time_s(BOARD, "fan"), settle_time_s(BOARD, "passive")
    assert pytest.approx(3.91 * 51.45, rel=0.01) == fan_s
    assert passive_s > 3 * fan_s
    assert estimate(BOARD, plan(Conduct())).settle_s == fan_s


def test_a_sparse_design_takes_its_share_of_the_full_grid() -> None:
    """4 of 63 points."""
    full = estimate(BOARD, plan(Conduct(), "full")).total_s
    assert pytest.approx(full * 4 / 63) == estimate(BOARD, plan(Conduct(), "corners")).total_s


def test_the_plan_of_an_estimate_is_not_changed_by_it() -> None:
    """It is asked before and while the recording runs."""
    asked = plan(Conduct())
    before = msgspec.json.encode(asked)
    estimate(BOARD, asked)
    assert before == msgspec.json.encode(asked)
