"""Tests of one running application: progress, phases and what it shows."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.application import Phase
from platforms.simulated.running import LifeRecord, RunningApplication
from tests.platforms.programs import COMPUTE, PHASED, job


def _running(rate_ips: float, **fields: object) -> RunningApplication:
    app = RunningApplication(job(**fields), (4,), 0.0)  # type: ignore[arg-type]
    app.rate_ips = rate_ips
    return app


@given(
    st.floats(0.0, 1e9),
    st.floats(1e6, 1e11),
    st.floats(1.0, 1e13),
    st.lists(st.floats(1.0, 1e12), min_size=1, max_size=4),
)
def test_the_next_event_is_one_wherever_in_time_it_happens(
    start_s: float, rate_ips: float, instructions: float, phases: list[float]
) -> None:
    """Else time would stand still: clocks count in steps, and late ones in large steps."""
    profile = replace(
        COMPUTE,
        phases=tuple(Phase(instructions=n, cpi_scale=1.0, stall_scale=1.0) for n in phases),
    )
    app = RunningApplication(job(profile=profile, instructions=instructions), (4,), start_s)
    app.rate_ips = rate_ips
    for _ in range(20):
        at_s = app.next_event_s()
        app.catch_up(at_s)
        turned = app.turn_phase()
        if app.finished():
            break
        assert turned or app.next_event_s() > at_s


def test_work_is_rate_times_time_across_changes_of_rate() -> None:
    """A change of rate counts from when it happens."""
    app = _running(2e9)
    app.catch_up(1.5)
    app.rate_ips = 1e9
    assert 3.5e9 == app.done(2.0)


def test_phases_follow_each_other_in_a_cycle() -> None:
    """1e9 and 2e9 instructions, over and over."""
    app = _running(1e9, profile=PHASED)
    seen = []
    for _ in range(5):
        now_s = app.next_event_s()
        app.catch_up(now_s)
        assert app.turn_phase()
        seen.append((pytest.approx(now_s), app.phase))
    assert [(1.0, 1), (3.0, 0), (4.0, 1), (6.0, 0), (7.0, 1)] == seen


def test_a_steady_endless_program_has_no_next_event() -> None:
    """Nor has one that stands still."""
    assert math.inf == _running(1e9).next_event_s()
    assert math.inf == _running(0.0, instructions=1e9).next_event_s()


def test_the_end_comes_before_the_phases_end_where_there_is_less_work() -> None:
    """Whichever is first."""
    assert 0.5 == _running(1e9, profile=PHASED, instructions=5e8).next_event_s()
    assert 1.0 == _running(1e9, profile=PHASED, instructions=5e9).next_event_s()


def test_no_more_work_can_be_lost_than_was_done() -> None:
    """A program that was just started and moved starts again."""
    app = _running(1e9)
    app.catch_up(1e-3)
    app.lose(1.0)
    assert 0.0 == app.done(1e-3)


def test_lost_work_is_done_again_in_its_phase() -> None:
    """The phase ends later by what was lost."""
    app = _running(1e9, profile=PHASED)
    app.catch_up(0.9)
    app.lose(0.2)
    assert app.next_event_s() == pytest.approx(0.9 + 0.3)


def test_a_newcomers_rate_is_over_its_own_time() -> None:
    """The observation's window began before it came."""
    app = RunningApplication(job(), (4,), 0.9)
    app.rate_ips = 2e9
    reading = app.read(1.0, 0.0)
    assert reading.rate_ips == pytest.approx(2e9)
    assert reading.l2d_per_s == pytest.approx(2e7)


def test_a_reading_over_no_time_shows_the_present_rate() -> None:
    """Nothing is divided by zero."""
    assert 3e9 == _running(3e9).read(0.0, 0.0).rate_ips


def test_a_life_without_length_is_not_counted_as_a_miss() -> None:
    """Who came just now has had no time to miss its target."""
    record = LifeRecord(job(target_ips=5e8), 1.0, None, 1.0, 0.0)
    assert 5e8 == record.mean_ips
