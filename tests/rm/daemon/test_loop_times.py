"""Tests of the loop's times: what is kept agrees with all of them."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm.daemon.loop_times import RunningTimes
from rm.daemon.status import LoopTimes

durations_s = st.floats(0.0, 3600.0)


def test_before_the_first_round_everything_is_zero() -> None:
    """Not infinite: it is shown as JSON."""
    expected = LoopTimes(rounds=0, missed_rounds=2, least_s=0.0, mean_s=0.0, most_s=0.0, sd_s=0.0)
    assert expected == RunningTimes().summary(missed_rounds=2)


def test_one_round_has_no_spread() -> None:
    """Nothing is divided by zero."""
    times = RunningTimes()
    times.new.append(0.25)
    expected = LoopTimes(
        rounds=1, missed_rounds=0, least_s=0.25, mean_s=0.25, most_s=0.25, sd_s=0.0
    )
    assert expected == times.summary(missed_rounds=0)


@given(st.lists(durations_s, min_size=2, max_size=100))
def test_it_is_what_all_of_them_would_say(durations: list[float]) -> None:
    """Least, mean, most and standard deviation, for any durations."""
    times = RunningTimes()
    for duration_s in durations:
        times.new.append(duration_s)
        if duration_s > 1.0:
            times.take_in()  # it does not matter when
    shown = times.summary(missed_rounds=0)
    assert (len(durations), min(durations), max(durations)) == (
        shown.rounds,
        shown.least_s,
        shown.most_s,
    )
    assert statistics.fmean(durations) == pytest.approx(shown.mean_s, abs=1e-9)
    assert statistics.stdev(durations) == pytest.approx(shown.sd_s, rel=1e-6, abs=1e-6)
