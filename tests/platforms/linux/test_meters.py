"""Tests of how rates are measured: by counters, by heartbeats, by both."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import pytest

from platforms.application_file import shipped_applications
from platforms.linux.applications.meters import (
    TYPICAL_L2D_PER_INSTRUCTION,
    CountedHeartbeatMeter,
    HeartbeatMeter,
    InstructionMeter,
    Meter,
    NoMeter,
    Offered,
)
from platforms.linux.counters.counters import Count
from platforms.linux.managed import Heartbeats, ProcessKey
from tests.platforms.linux.fake_counters import FakeCounters

KEY = ProcessKey(7, 1)
PERIOD_S = 0.05
GHZ = 1e9


@pytest.fixture
def counters() -> FakeCounters:
    """Following the process."""
    fake = FakeCounters()
    fake.follow(KEY, lambda: [7])
    return fake


def ran(instructions: float, l2d: float = 0.0, *, counted: float = 1.0) -> Count:
    """A count over one period in which the application ran all the time."""
    return Count(PERIOD_S, counted * PERIOD_S, instructions, 0.0, l2d)


class Measured(NamedTuple):
    """What a meter says, by name."""

    rate_ips: float | None
    target_ips: float
    l2d_per_s: float = 0.0


class Clock:
    """The clock of the cores that all applications of a test run on."""

    def __init__(self) -> None:
        self._time_s = self._cycles = 0.0

    def period(self, freq_hz: float) -> Offered:
        """What it offers in one more period, at this frequency."""
        self._time_s += PERIOD_S
        self._cycles += PERIOD_S * freq_hz
        return self._time_s, PERIOD_S, freq_hz, self._cycles


CLOCK = Clock()


def read(meter: Meter, freq_hz: float = GHZ) -> Measured:
    """Read once, after a period."""
    return Measured(*meter.read(CLOCK.period(freq_hz)))


def read_all(meter: Meter, beats: Heartbeats, new: Sequence[int], freq_hz: float = GHZ) -> Measured:
    """Read once a period, after so many new heartbeats each."""
    for count in new:
        beats.count += count
        measured = read(meter, freq_hz)
    return measured


def test_instructions_over_the_window_are_the_rate(counters: FakeCounters) -> None:
    """And accesses to the L2 cache likewise."""
    meter = InstructionMeter(counters, KEY, 2e9)
    counters.counts[7] = ran(4e7, 4e5)
    assert Measured(8e8, 2e9, 8e6) == read(meter)


def test_an_application_that_does_nothing_has_rate_zero(counters: FakeCounters) -> None:
    """It waits: that is known, and differs from not knowing."""
    meter = InstructionMeter(counters, KEY, 2e9)
    counters.counts[7] = Count(0.0, 0.0, 0.0)
    assert Measured(0.0, 2e9, 0.0) == read(meter)


def test_when_somebody_else_has_the_counters_the_rate_before_holds(counters: FakeCounters) -> None:
    """It ran, and nothing was counted: zero would send the clock to the top."""
    meter = InstructionMeter(counters, KEY, 2e9)
    counters.counts[7] = ran(0.0, counted=0.0)
    assert read(meter).rate_ips is None
    counters.counts[7] = ran(4e7)
    read(meter)
    counters.counts[7] = ran(0.0, counted=0.0)
    assert 8e8 == read(meter).rate_ips


def test_lost_counters_are_told_and_the_rate_before_holds(counters: FakeCounters) -> None:
    """Until they are opened anew."""
    meter = InstructionMeter(counters, KEY, 2e9)
    counters.counts[7] = ran(4e7)
    read(meter)
    counters.counts[7] = None
    assert 8e8 == read(meter).rate_ips
    assert meter.is_lost


def test_uncounted_l2_accesses_are_a_typical_share() -> None:
    """The share is the median of the applications that ship with ilgov."""
    counters = FakeCounters(counts_l2d=False)
    counters.follow(KEY, lambda: [7])
    counters.counts[7] = ran(4e7)
    measured = read(InstructionMeter(counters, KEY, 2e9))
    assert 8e8 * TYPICAL_L2D_PER_INSTRUCTION == pytest.approx(measured.l2d_per_s)
    shipped = [one.l2d_per_instruction for one in shipped_applications().values()]
    assert TYPICAL_L2D_PER_INSTRUCTION == pytest.approx(median(shipped), rel=0.3)


def test_a_target_in_heartbeats_becomes_one_in_instructions(counters: FakeCounters) -> None:
    """20 heartbeats/s of 40 million instructions each, wanted 30 times a second."""
    beats = Heartbeats()
    meter = CountedHeartbeatMeter(counters, KEY, 30.0, beats)
    counters.counts[7] = ran(4e7, 4e5)
    assert read_all(meter, beats, [1]).rate_ips is None
    measured = read_all(meter, beats, [1] * 20)
    assert (8e8, 1.2e9, 8e6, 20.0) == pytest.approx(
        (
            measured.rate_ips,
            measured.target_ips,
            measured.l2d_per_s,
            meter.heartbeats_per_s,
        )
    )


def test_a_heartbeat_rate_seen_through_counters_follows_the_frequency(
    counters: FakeCounters,
) -> None:
    """The first period at twice the clock shows twice the rate."""
    beats = Heartbeats()
    meter = CountedHeartbeatMeter(counters, KEY, 30.0, beats)
    counters.counts[7] = ran(4e7)
    read_all(meter, beats, [1] * 20)
    counters.counts[7] = ran(8e7)
    assert 1.6e9 == pytest.approx(read_all(meter, beats, [2], freq_hz=2 * GHZ).rate_ips)


def test_a_move_to_another_cluster_begins_a_new_window(counters: FakeCounters) -> None:
    """A cycle of a big core is worth more than one of a LITTLE core."""
    beats = Heartbeats()
    meter = CountedHeartbeatMeter(counters, KEY, 30.0, beats)
    counters.counts[7] = ran(4e7)
    read_all(meter, beats, [1] * 20)
    meter.moved()
    counters.counts[7] = ran(1e8)
    assert 2e9 == pytest.approx(read_all(meter, beats, [1]).rate_ips)


def test_without_counters_the_work_in_a_heartbeat_is_its_cpu_cycles() -> None:
    """Set once: 20 heartbeats/s with half of a core at 1 GHz are 25 million each."""
    beats = Heartbeats()
    meter = HeartbeatMeter(30.0, beats)
    meter.look(cpu_s=3.0)
    assert Measured(None, 0.0) == read_all(meter, beats, [1] * 10)
    assert 20.0 == pytest.approx(meter.heartbeats_per_s)
    meter.look(cpu_s=3.25)
    measured = read_all(meter, beats, [1])
    assert (25e6 * 20, 25e6 * 30) == pytest.approx((measured.rate_ips, measured.target_ips))
    assert measured.rate_ips is not None
    typical = measured.rate_ips * TYPICAL_L2D_PER_INSTRUCTION
    assert typical == pytest.approx(measured.l2d_per_s)


def test_without_counters_the_work_in_a_heartbeat_is_never_changed() -> None:
    """Otherwise rates on two clusters, or at two frequencies, would not compare."""
    beats = Heartbeats()
    meter = HeartbeatMeter(30.0, beats)
    meter.look(cpu_s=0.0)
    read_all(meter, beats, [1] * 10)
    meter.look(cpu_s=0.5)
    before = meter.per_beat
    meter.moved()
    read_all(meter, beats, [4] * 10, freq_hz=3 * GHZ)
    meter.look(cpu_s=9.0)
    assert before == meter.per_beat == pytest.approx(50e6)
    assert 50e6 * 80 == pytest.approx(read_all(meter, beats, [4], freq_hz=3 * GHZ).rate_ips)


def test_a_few_heartbeats_are_waited_for() -> None:
    """One more or less would be half of the number."""
    beats = Heartbeats()
    meter = HeartbeatMeter(1.0, beats)
    meter.look(cpu_s=0.0)
    read_all(meter, beats, [1, 0, 1, 0])
    meter.look(cpu_s=0.2)
    assert meter.per_beat is None
    read_all(meter, beats, [1, 1, 1])
    meter.look(cpu_s=0.35)
    assert 0.35 * GHZ / 5 == pytest.approx(meter.per_beat)


def test_cpu_time_that_cannot_be_seen_is_taken_as_all_of_a_core() -> None:
    """A wrong constant is as good as another: rates still compare."""
    beats = Heartbeats()
    meter = HeartbeatMeter(30.0, beats)
    meter.look(cpu_s=0.0)
    read_all(meter, beats, [1] * 10)
    meter.look(cpu_s=0.0)
    assert 50e6 == pytest.approx(meter.per_beat)


def test_heartbeats_that_stop_bring_the_rate_to_zero() -> None:
    """A program that hangs is one that misses its target."""
    beats = Heartbeats()
    meter = HeartbeatMeter(30.0, beats)
    meter.look(cpu_s=0.0)
    read_all(meter, beats, [1] * 10)
    meter.look(cpu_s=0.5)
    assert 0.0 == pytest.approx(read_all(meter, beats, [0] * 10).rate_ips)


def test_heartbeats_that_are_counted_anew_are_no_negative_rate() -> None:
    """The client registered again."""
    beats = Heartbeats()
    beats.count = 1000
    meter = HeartbeatMeter(30.0, beats)
    meter.look(cpu_s=0.0)
    read_all(meter, beats, [1])
    beats.count = 0
    read_all(meter, beats, [1])
    assert 20.0 == pytest.approx(meter.heartbeats_per_s)


def test_what_nothing_measures_has_no_rate() -> None:
    """And says why."""
    meter = NoMeter(1e9, "for a test")
    meter.look(1.0)
    meter.moved()
    assert (None, "nothing", "for a test") == (
        read(meter).rate_ips,
        meter.measured_by,
        meter.why,
    )
