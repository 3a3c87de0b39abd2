"""Tests of rates of what comes in lumps, and of the work in a lump."""

import pytest

from platforms.linux.applications.per_heartbeat import WorkPerHeartbeat
from platforms.linux.applications.recent_counts import RecentCounts
from platforms.linux.applications.recent_rate import (
    LEAST_WINDOW_S,
    MOST_WINDOW_S,
    RecentRate,
    window_for,
)

PERIOD_S = 0.05
GHZ = 1e9


def test_the_window_holds_some_heartbeats_and_has_bounds() -> None:
    """Neither one clock tick of noise, nor an answer after minutes."""
    assert LEAST_WINDOW_S == window_for(1e6)
    assert 1.0 == window_for(10.0)
    assert MOST_WINDOW_S == window_for(1e-3)


def test_the_rate_is_the_mean_over_the_window() -> None:
    """30 heartbeats/s come as one or two in a period of 50 ms."""
    rate = RecentRate(window_s=1.0)
    for period in range(100):
        rate.add(work=1 + period % 2, time_s=PERIOD_S, freq_hz=GHZ)
    assert 30.0 == pytest.approx(rate.mean_per_s)
    assert 1.0 == pytest.approx(rate.time_s)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    """An application that stands still shows it after one window."""
    rate = RecentRate(window_s=0.5)
    for _ in range(10):
        rate.add(work=5.0, time_s=PERIOD_S, freq_hz=GHZ)
    for _ in range(10):
        rate.add(work=0.0, time_s=PERIOD_S, freq_hz=GHZ)
    assert (0.0, 0.0) == pytest.approx((rate.mean_per_s, rate.at(GHZ)))


def test_the_rate_follows_the_frequency_at_once() -> None:
    """Otherwise a governor that scales by it would step on until the window has passed."""
    rate = RecentRate(window_s=1.0)
    for _ in range(20):
        rate.add(work=1.0, time_s=PERIOD_S, freq_hz=GHZ)
    assert (20.0, 40.0) == pytest.approx((rate.at(GHZ), rate.at(2 * GHZ)))
    for _ in range(10):
        rate.add(work=2.0, time_s=PERIOD_S, freq_hz=2 * GHZ)
    assert (40.0, 30.0) == pytest.approx((rate.at(2 * GHZ), rate.mean_per_s))


def test_scaling_by_the_rate_finds_the_frequency_without_overshoot() -> None:
    """The governor's own rule, frequency times target over rate, in a closed loop."""
    rate, freq_hz, target, asked = RecentRate(window_s=0.5), 0.5 * GHZ, 30.0, []
    for _ in range(60):
        rate.add(work=20.0 * freq_hz / GHZ * PERIOD_S, time_s=PERIOD_S, freq_hz=freq_hz)
        freq_hz = freq_hz * target / rate.at(freq_hz)
        asked.append(freq_hz)
    assert [1.5 * GHZ] * 60 == pytest.approx(asked)


def test_before_anything_came_the_rate_is_zero() -> None:
    """Nor is a frequency of zero a reason to fail."""
    rate = RecentRate(window_s=0.5)
    assert (0.0, 0.0) == (rate.mean_per_s, rate.at(GHZ))
    rate.add(work=1.0, time_s=0.5, freq_hz=0.0)
    assert (2.0, 2.0) == (rate.mean_per_s, rate.at(GHZ))
    rate.clear()
    assert (0.0, 0.0) == (rate.mean_per_s, rate.time_s)


def test_sums_do_not_drift() -> None:
    """Over days of adding and taking away."""
    rate = RecentRate(window_s=0.2)
    for step in range(200_000):
        rate.add(work=1e8 + step % 7, time_s=PERIOD_S, freq_hz=(0.5 + step % 4) * GHZ)
    for _ in range(4):
        rate.add(work=1.0, time_s=PERIOD_S, freq_hz=GHZ)
    assert 20.0 == pytest.approx(rate.mean_per_s, rel=1e-3)
    assert 20.0 == pytest.approx(rate.at(GHZ), rel=1e-3)


def test_the_work_in_a_heartbeat_is_the_median_over_stretches() -> None:
    """One stretch of something else in between changes nothing."""
    beat = WorkPerHeartbeat(least_s=0.2)
    beats = 0
    for period in range(200):
        beats += 2
        work = 2e7 if not 90 < period < 95 else 9e8
        beat.add(beats=beats, work=work, time_s=PERIOD_S)
    assert 1e7 == pytest.approx(beat.value)


def test_the_work_in_a_heartbeat_follows_a_new_phase() -> None:
    """After half of the stretches that are kept."""
    beat = WorkPerHeartbeat(least_s=0.2)
    for beats in range(1, 400):
        beat.add(beats=beats, work=1e7 if beats < 200 else 3e7, time_s=PERIOD_S)
    assert 3e7 == pytest.approx(beat.value)


def test_a_stretch_begins_and_ends_with_a_heartbeat() -> None:
    """Work before the first one belongs to a heartbeat that began at an unknown time."""
    beat = WorkPerHeartbeat(least_s=0.2)
    beat.add(beats=5, work=1e9, time_s=PERIOD_S)
    beat.add(beats=5, work=1e9, time_s=PERIOD_S)
    beat.add(beats=6, work=1e9, time_s=PERIOD_S)
    assert beat.value is None
    for _ in range(3):
        beat.add(beats=6, work=1e6, time_s=0.5)
    assert beat.value is None
    beat.add(beats=7, work=1e6, time_s=0.5)
    assert 4e6 == pytest.approx(beat.value)


def test_heartbeats_that_are_counted_anew_begin_a_stretch() -> None:
    """The client registered again."""
    beat = WorkPerHeartbeat(least_s=0.1)
    for beats in (10, 11, 12, 13, 0, 1, 2, 3, 4):
        beat.add(beats=beats, work=1e6, time_s=0.1)
    assert 1e6 == pytest.approx(beat.value)


def test_heartbeats_without_work_tell_nothing() -> None:
    """Counters that were not running are no reason to divide by zero later."""
    beat = WorkPerHeartbeat(least_s=0.1)
    for beats in range(10):
        beat.add(beats=beats, work=0.0, time_s=0.1)
    assert beat.value is None


def test_counts_do_not_drift_and_each_addition_tells_the_rates() -> None:
    """The same after hours, when the sums have begun anew some times."""
    counts = RecentCounts(window_s=0.2)
    for step in range(100_000):
        told = counts.add(2, 1e8 + step % 7, 1e6, PERIOD_S, (0.5 + step % 4) * GHZ)
        assert told == pytest.approx(counts.at((0.5 + step % 4) * GHZ))
    for _ in range(4):
        told = counts.add(1, 1.0, 0.5, PERIOD_S, GHZ)
    assert (20.0, 10.0) == pytest.approx(told, rel=1e-3)
    assert 20.0 == pytest.approx(counts.beats_per_s)
