"""Tests of how busy cores were between two looks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.simulated.busy_time import BusyTime

SHARES = st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)
"""Asleep, busy, or limited to a share."""

CHANGES = st.lists(
    st.tuples(st.floats(1e-4, 1.0), st.lists(SHARES, min_size=3, max_size=3)),
    min_size=1,
    max_size=12,
)


@given(CHANGES, st.floats(0.0, 1.0))
def test_the_share_is_busy_time_over_the_window(
    changes: list[tuple[float, list[float]]], rest_s: float
) -> None:
    """Summed up piece by piece, whoever wakes and sleeps how often."""
    time, now_s, busy_s, shares = BusyTime(3), 0.0, [0.0] * 3, [0.0] * 3
    for passed_s, after in changes:
        now_s += passed_s
        busy_s = [b + passed_s * t for b, t in zip(busy_s, shares, strict=True)]
        time.turn(now_s, 0.0, after)
        shares = after
    busy_s = [b + rest_s * t for b, t in zip(busy_s, shares, strict=True)]
    end_s = now_s + rest_s
    assert [b / end_s for b in busy_s] == pytest.approx(list(time.share(end_s, 0.0)), abs=1e-8)
    assert shares == list(time.share(end_s + 1.0, end_s))


@given(CHANGES)
def test_who_works_or_sleeps_all_the_time_does_so_to_exactly_1_or_0(
    changes: list[tuple[float, list[float]]],
) -> None:
    """Policies compare with 0 and 1; sums of parts must not miss them by a rounding."""
    time, now_s = BusyTime(3), 0.0
    time.turn(0.0, 0.0, [1, 0, 1])
    for passed_s, (third, *_) in changes:
        now_s += passed_s
        time.turn(now_s, 0.0, [1, 0, third])
    assert (1.0, 0.0) == time.share(now_s, 0.0)[:2]


def test_a_window_of_no_length_shows_who_is_busy_now() -> None:
    """An observation right after a decision."""
    time = BusyTime(2)
    time.turn(1.0, 1.0, [0, 1])
    assert (0.0, 1.0) == time.share(1.0, 1.0)
