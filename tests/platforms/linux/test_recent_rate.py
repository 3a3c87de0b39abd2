"""Tests of rates of what comes in lumps, and of the work in a lump."""

import random

import pytest

from platforms.linux.applications.per_heartbeat import WorkPerHeartbeat
from platforms.linux.applications.recent_counts import RecentCounts
from platforms.linux.applications.recent_rate import (
    LEAST_WINDOW_S,
    MOST_WINDOW_S,
    WINDOWS,
    RecentRate,
    window_for,
)
from rm.dvfs import opp_at_least

PERIOD_S = 0.05
GHZ = 1e9


class Told:
    """A `RecentRate` that is told of totals, which grow by what a test adds."""

    def __init__(self, window_s: float) -> None:
        self.rate = RecentRate(window_s=window_s)
        self._work = self._time_s = self._cycles = 0.0

    def add(self, work: float, time_s: float, freq_hz: float) -> float:
        """So much work in so many seconds at this frequency; the rate at it."""
        self._work += work
        self._time_s += time_s
        self._cycles += time_s * freq_hz
        return self.at(freq_hz)

    @property
    def passed_s(self) -> float:
        """Seconds over which the rate is a mean."""
        return self._time_s - self.rate.begin_s

    @property
    def mean_per_s(self) -> float:
        """The rate, whatever the frequencies were."""
        return self.rate.mean_per_s(self._work, self._time_s)

    def at(self, freq_hz: float) -> float:
        """The rate at this frequency."""
        return self.rate.at(self._work, self._time_s, self._cycles, freq_hz)


def test_the_window_holds_some_heartbeats_and_has_bounds() -> None:
    """Neither one clock tick of noise, nor an answer after minutes."""
    assert LEAST_WINDOW_S == window_for(1e6)
    assert 1.0 == window_for(10.0)
    assert MOST_WINDOW_S == window_for(1e-3)


def test_the_rate_is_the_mean_over_the_window() -> None:
    """30 heartbeats/s come as one or two in a period of 50 ms."""
    rate = Told(window_s=1.0)
    for period in range(100):
        rate.add(work=1 + period % 2, time_s=PERIOD_S, freq_hz=GHZ)
    assert 30.0 == pytest.approx(rate.mean_per_s)
    assert WINDOWS * 1.0 == pytest.approx(rate.passed_s)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    """An application that stands still shows it after one window."""
    rate = Told(window_s=0.5)
    for _ in range(10):
        rate.add(work=5.0, time_s=PERIOD_S, freq_hz=GHZ)
    for _ in range(10):
        rate.add(work=0.0, time_s=PERIOD_S, freq_hz=GHZ)
    assert (0.0, 0.0) == pytest.approx((rate.mean_per_s, rate.at(GHZ)))


def test_the_rate_follows_the_frequency_at_once() -> None:
    """Otherwise a governor that scales by it would step on until the window has passed."""
    rate = Told(window_s=1.0)
    for _ in range(20):
        rate.add(work=1.0, time_s=PERIOD_S, freq_hz=GHZ)
    assert (20.0, 40.0) == pytest.approx((rate.at(GHZ), rate.at(2 * GHZ)))
    for _ in range(10):
        rate.add(work=2.0, time_s=PERIOD_S, freq_hz=2 * GHZ)
    assert (40.0, 40.0 / 1.5) == pytest.approx((rate.at(2 * GHZ), rate.mean_per_s))


def test_scaling_by_the_rate_finds_the_frequency_without_overshoot() -> None:
    """The governor's own rule, frequency times target over rate, in a closed loop."""
    rate, freq_hz, target, asked = Told(window_s=0.5), 0.5 * GHZ, 30.0, []
    for _ in range(60):
        rate.add(work=20.0 * freq_hz / GHZ * PERIOD_S, time_s=PERIOD_S, freq_hz=freq_hz)
        freq_hz = freq_hz * target / rate.at(freq_hz)
        asked.append(freq_hz)
    assert [1.5 * GHZ] * 60 == pytest.approx(asked)


FREQS_HZ = tuple(200_000_000 * step for step in range(2, 10))
BEATS_PER_S = 40.0


def _changes_of_clock(rate: Told, ideal_hz: float, dice: random.Random) -> int:
    """In 50 s, of a program that would just meet its target at `ideal_hz`, beating unevenly."""
    opp, phase, size, changes = 4, 0.0, 1.0, 0
    for period in range(1200):
        phase += BEATS_PER_S * FREQS_HZ[opp] / ideal_hz * PERIOD_S
        beats = 0
        while phase >= size:
            phase, size, beats = phase - size, max(0.2, dice.gauss(1.0, 0.2)), beats + 1
        seen = rate.add(float(beats), PERIOD_S, FREQS_HZ[opp])
        before = opp
        opp = opp_at_least(FREQS_HZ, FREQS_HZ[opp] * BEATS_PER_S / seen) if seen else 7
        changes += opp != before and period >= 200
    return changes


def test_a_steady_program_of_few_heartbeats_gets_a_steady_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Changes are less than half as many as by one window alone."""

    def all_changes() -> int:
        dice = random.Random(0)
        ideals_hz = [(0.5 + 0.1 * step) * GHZ for step in range(12)]
        window_s = window_for(BEATS_PER_S)
        return sum(_changes_of_clock(Told(window_s), f, dice) for f in ideals_hz)

    steady = all_changes()
    monkeypatch.setattr("platforms.linux.applications.recent_rate.WINDOWS", 1)
    assert all_changes() > 2 * steady


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.4])
def test_a_change_is_seen_within_two_windows(factor: float) -> None:
    """Of a rate that was steady for long: what was before it is forgotten at once."""
    rate = Told(window_s=1.0)
    phase = 0.0
    for period in range(240):
        before, phase = phase, phase + 10.0 * (factor if period >= 200 else 1.0) * PERIOD_S
        seen = rate.add(float(int(phase) - int(before)), PERIOD_S, GHZ)
    assert 10.0 * factor == pytest.approx(seen, abs=1.0)
    assert rate.passed_s <= 2.0


def test_small_changes_are_seen_in_time() -> None:
    """Those that one window does not tell from a heartbeat more or less."""
    rate = Told(window_s=1.0)
    for period in range(300):
        rate.add(0.55 if period >= 200 else 0.5, PERIOD_S, GHZ)
    assert 11.0 == pytest.approx(rate.at(GHZ))


def test_before_anything_came_the_rate_is_zero() -> None:
    """Nor is a frequency of zero a reason to fail."""
    rate = Told(window_s=0.5)
    assert (0.0, 0.0) == (rate.mean_per_s, rate.at(GHZ))
    rate.add(work=1.0, time_s=0.5, freq_hz=0.0)
    assert (2.0, 2.0) == (rate.mean_per_s, rate.at(GHZ))
    rate.rate.begin(1.0, 0.5, 0.0)
    assert (0.0, 0.0) == (rate.mean_per_s, rate.passed_s)


def test_the_rate_is_exact_after_years() -> None:
    """A clock makes some 1e17 cycles in them, of which a number has the first 16 digits."""
    rate, years_s = Told(window_s=0.2), 5e7
    rate.rate.begin(0.0, 0.0, 0.0)
    rate.add(work=years_s * 1000.0, time_s=years_s, freq_hz=2 * GHZ)
    for _ in range(50):
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
