"""Tests of the guard: it steps down near the limit, pauses at it, and gives back slowly."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rm.training.guard import GUARD_BAND_K, HOLD_S, RELEASE_K, STEP, STEP_S, Guard

LIMIT_C = 60.0
IN_BAND_C = LIMIT_C - GUARD_BAND_K / 2
BETWEEN_C = LIMIT_C - GUARD_BAND_K - RELEASE_K / 2
COOL_C = LIMIT_C - GUARD_BAND_K - RELEASE_K - 0.1


def look(guard: Guard, time_s: float, hottest_c: float, *, taken_w: float = 2.0) -> None:
    """Training is planned to take 2 W, and takes 0.5 W at least."""
    guard.look(time_s, hottest_c, taken_w=taken_w, planned_w=2.0, least_w=0.5)


def test_far_below_the_limit_nothing_is_capped() -> None:
    """The plan holds as it is."""
    guard = Guard(LIMIT_C)
    look(guard, 0.0, 40.0)
    assert math.inf == guard.cap_w
    assert not guard.active


def test_within_the_band_the_cap_falls_below_what_is_taken_now() -> None:
    """Not below what was planned: another cluster may be faster for the applications."""
    guard = Guard(LIMIT_C)
    look(guard, 0.0, IN_BAND_C, taken_w=3.0)
    assert STEP * 3.0 == guard.cap_w


def test_the_next_step_waits_for_the_board_to_follow() -> None:
    """A sensor shows a reading a second."""
    guard = Guard(LIMIT_C)
    look(guard, 0.0, IN_BAND_C)
    look(guard, STEP_S - 0.05, IN_BAND_C, taken_w=1.5)
    assert STEP * 2.0 == guard.cap_w
    look(guard, STEP_S, IN_BAND_C, taken_w=1.5)
    assert STEP * 1.5 == guard.cap_w


def test_at_the_limit_training_pauses_at_once() -> None:
    """Whatever was allowed the round before."""
    guard = Guard(LIMIT_C)
    look(guard, 0.0, IN_BAND_C)
    look(guard, 0.05, LIMIT_C)
    assert 0.0 == guard.cap_w


def test_it_gives_back_only_after_it_was_cool_for_a_while() -> None:
    """First the coolest mode, then a step more each time, until the plan fits."""
    guard = Guard(LIMIT_C)
    look(guard, 0.0, LIMIT_C)
    seen = []
    for number in range(1, 1000):
        look(guard, number * 0.1, COOL_C, taken_w=0.0)
        if not seen or guard.cap_w != seen[-1][1]:
            seen.append((number * 0.1, guard.cap_w))
    caps = [cap_w for _, cap_w in seen]
    assert [0.0, 0.5] == caps[:2]
    assert math.inf == caps[-1]
    assert all(later > earlier for earlier, later in pairwise(caps))
    times = [time_s for time_s, _ in seen[1:]]
    assert times[0] >= HOLD_S
    assert all(b - a >= HOLD_S - 1e-9 for a, b in pairwise(times))


def test_between_the_band_and_the_release_nothing_changes() -> None:
    """A step that just helped is not undone by the heat that it would allow."""
    guard = Guard(LIMIT_C)
    look(guard, 0.0, IN_BAND_C)
    for number in range(1, 1000):
        look(guard, number * 0.1, BETWEEN_C, taken_w=1.6)
    assert STEP * 2.0 == guard.cap_w


def test_the_while_begins_anew_when_it_gets_warm() -> None:
    """A dip of the sensor is no cool board."""
    guard = Guard(LIMIT_C)
    look(guard, 0.0, LIMIT_C)
    look(guard, 1.0, COOL_C)
    look(guard, HOLD_S, BETWEEN_C)
    look(guard, HOLD_S + 1.5, COOL_C)
    look(guard, HOLD_S + 2.0, COOL_C)
    assert 0.0 == guard.cap_w


@given(
    st.lists(
        st.tuples(st.floats(0.05, 5.0), st.floats(40.0, 70.0), st.floats(0.0, 3.0)), max_size=60
    )
)
def test_a_cap_never_rises_while_it_is_warm(rounds: list[tuple[float, float, float]]) -> None:
    """Whatever the temperatures do; and at the limit nothing is allowed at all."""
    guard, time_s = Guard(LIMIT_C), 0.0
    for step_s, hottest_c, taken_w in rounds:
        time_s, before_w = time_s + step_s, guard.cap_w
        look(guard, time_s, hottest_c, taken_w=taken_w)
        if hottest_c >= LIMIT_C - GUARD_BAND_K - RELEASE_K:
            assert guard.cap_w <= before_w
        if hottest_c >= LIMIT_C:
            assert 0.0 == guard.cap_w
