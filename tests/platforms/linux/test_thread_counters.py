"""Tests of what is made of counters' values, with numbers as the kernel gives them.

The PMUs of a board with two core types are pipes here: what a test records comes out when read.
"""

import os
import struct
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platforms.linux.counters import thread_counters
from platforms.linux.counters.perf_event import Event
from platforms.linux.counters.thread_counters import Count, ThreadCounters

GROUPS = [[Event(pmu, code) for code in (0x08, 0x11, 0x16)] for pmu in (8, 9)]
MS = 1_000_000

Shown = tuple[int, ...]
"""Enabled and running ns, then instructions, cycles, L2D."""

NOTHING: Shown = (0, 0, 0, 0, 0)


class RecordedPmus:
    """Gives a descriptor for each group that is opened, and shows on it what is recorded."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, int]] = []

    def open_group(self, events: Sequence[Event], tid: int, *, grouped: bool) -> list[int]:
        """Stands in for `perf_event.open_group`."""
        if tid == 0:
            raise ProcessLookupError(3, "No such process")
        self.ends.append(os.pipe())
        return [self.ends[-1][0]]

    def show(self, *shown: Shown) -> None:
        """What each group shows when it is read next, in the order in which they were opened."""
        for (_, end), (enabled, running, *values) in zip(self.ends, shown, strict=True):
            data = (len(values), enabled, running, *values)
            os.write(end, struct.pack(f"={len(data)}Q", *data))


@pytest.fixture
def pmus(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedPmus]:
    """In place of the kernel's."""
    recorded = RecordedPmus()
    monkeypatch.setattr(thread_counters, "open_group", recorded.open_group)
    yield recorded
    for _, end in recorded.ends:
        os.close(end)


@pytest.fixture
def counters(pmus: RecordedPmus) -> Iterator[ThreadCounters]:
    """Of one thread that has done nothing yet."""
    opened = ThreadCounters(GROUPS, grouped=True)
    opened.add(7)
    pmus.show(NOTHING, NOTHING)
    opened.start()
    yield opened
    opened.close()


def test_a_thread_that_stays_on_a_core_type_is_counted_by_its_pmu(
    pmus: RecordedPmus, counters: ThreadCounters
) -> None:
    """The other one is enabled all the time as well, and never runs."""
    pmus.show((50 * MS, 50 * MS, 40_000_000, 60_000_000, 500_000), (50 * MS, 0, 0, 0, 0))
    assert Count(0.05, 0.05, 40e6, 60e6, 5e5) == counters.read()
    pmus.show((100 * MS, 100 * MS, 90_000_000, 120_000_000, 900_000), (100 * MS, 0, 0, 0, 0))
    assert Count(0.05, 0.05, 50e6, 60e6, 4e5) == counters.read()


def test_a_thread_that_moves_to_another_core_type_loses_and_doubles_nothing(
    pmus: RecordedPmus, counters: ThreadCounters
) -> None:
    """20 ms on a LITTLE core and 30 ms on a big one are the sum of both, unscaled."""
    pmus.show(
        (50 * MS, 20 * MS, 16_000_000, 24_000_000, 200_000),
        (50 * MS, 30 * MS, 90_000_000, 66_000_000, 900_000),
    )
    assert Count(0.05, 0.05, 106e6, 90e6, 11e5) == counters.read()


def test_counters_that_are_shared_out_in_turns_are_scaled_by_all_pmus_time(
    pmus: RecordedPmus, counters: ThreadCounters
) -> None:
    """Half of the time was counted: 10 of 20 ms here and 15 of 30 ms there."""
    pmus.show(
        (50 * MS, 10 * MS, 8_000_000, 12_000_000, 100_000),
        (50 * MS, 15 * MS, 45_000_000, 33_000_000, 450_000),
    )
    assert Count(0.05, 0.025, 106e6, 90e6, 11e5) == counters.read()


def test_each_pmu_scaled_by_itself_would_be_wrong(
    pmus: RecordedPmus, counters: ThreadCounters
) -> None:
    """Enabled over running time of one PMU takes the time on other cores for time not counted."""
    pmus.show((50 * MS, 5 * MS, 4_000_000, 6_000_000, 0), (50 * MS, 45 * MS, 135_000_000, 0, 0))
    wrong = 4_000_000 * 50 / 5 + 135_000_000 * 50 / 45
    assert (139e6, 190e6) == (counters.read().instructions, wrong)


def test_only_the_thread_that_was_not_counted_all_the_time_is_scaled(pmus: RecordedPmus) -> None:
    """Another's time does not tell about it."""
    counters = ThreadCounters(GROUPS, grouped=True)
    counters.add(7)
    counters.add(8)
    pmus.show(*[NOTHING] * 4)
    counters.start()
    pmus.show(
        (40 * MS, 40 * MS, 10_000_000, 0, 0),
        (40 * MS, 0, 0, 0, 0),
        (40 * MS, 0, 0, 0, 0),
        (40 * MS, 10 * MS, 30_000_000, 0, 0),
    )
    assert Count(0.08, 0.05, 10e6 + 120e6, 0.0, 0.0) == counters.read()
    counters.close()


def test_a_thread_that_was_never_counted_counts_as_nothing(
    pmus: RecordedPmus, counters: ThreadCounters
) -> None:
    """Somebody else holds the counters; the times tell it."""
    pmus.show((50 * MS, 0, 0, 0, 0), (50 * MS, 0, 0, 0, 0))
    assert Count(0.05, 0.0, 0.0, 0.0, 0.0) == counters.read()


def test_a_count_that_goes_back_is_nothing(pmus: RecordedPmus, counters: ThreadCounters) -> None:
    """The sum over children is not taken at one instant."""
    pmus.show((50 * MS, 50 * MS, 4000, 5000, 60), (50 * MS, 0, 0, 0, 0))
    counters.read()
    pmus.show((60 * MS, 60 * MS, 3999, 6000, 60), (60 * MS, 0, 0, 0, 0))
    count = counters.read()
    assert (0.0, 1000.0, 0.0) == (count.instructions, count.cycles, count.l2d)


def test_what_was_counted_before_the_start_does_not_matter(pmus: RecordedPmus) -> None:
    """The first window begins with the first read."""
    counters = ThreadCounters(GROUPS, grouped=True)
    counters.add(7)
    pmus.show((90 * MS, 90 * MS, 7000, 0, 0), (90 * MS, 0, 0, 0, 0))
    counters.start()
    pmus.show((91 * MS, 91 * MS, 7005, 0, 0), (91 * MS, 0, 0, 0, 0))
    assert 5.0 == counters.read().instructions
    counters.close()


def test_a_thread_that_has_just_ended_is_passed_over(pmus: RecordedPmus) -> None:
    """Threads vanish while they are attached to."""
    counters = ThreadCounters(GROUPS, grouped=True)
    counters.add(0)
    counters.add(7)
    assert (1, 2) == (counters.threads, counters.descriptors)
    counters.close()
    assert 0 == counters.descriptors


@pytest.mark.parametrize("number", [0, 1])
def test_a_counter_that_shows_nothing_is_an_error(
    pmus: RecordedPmus, counters: ThreadCounters, number: int
) -> None:
    """An end of file is what the kernel gives for an event in error, whatever the others show."""
    pmus.show((50 * MS, 50 * MS, 4000, 5000, 60), (50 * MS, 0, 0, 0, 0))
    counters.read()
    empty = os.open(os.devnull, os.O_RDONLY)
    counters._leaders[number] = empty
    pmus.show((90 * MS, 90 * MS, 9000, 9000, 99), (90 * MS, 0, 0, 0, 0))
    with pytest.raises(OSError, match="shows nothing"):
        counters.read()
    os.close(empty)


@given(
    steps=st.lists(
        st.lists(st.tuples(*[st.integers(0, 10**9)] * 3), min_size=4, max_size=4),
        min_size=1,
        max_size=3,
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_what_is_counted_is_the_sum_over_all_groups(
    monkeypatch: pytest.MonkeyPatch, steps: list[list[tuple[int, int, int]]]
) -> None:
    """Of two threads on two PMUs, each of which counts half of the time."""
    recorded = RecordedPmus()
    monkeypatch.setattr(thread_counters, "open_group", recorded.open_group)
    counters = ThreadCounters(GROUPS, grouped=True)
    counters.add(7)
    counters.add(8)
    shown = [(1 << 40, 1 << 39, 5 << 50, 1 << 58, 0)] * 4
    recorded.show(*shown)
    counters.start()
    for step in steps:
        shown = [
            (enabled + 2 * MS, running + MS, i + x, c + y, a + z)
            for (enabled, running, i, c, a), (x, y, z) in zip(shown, step, strict=True)
        ]
        recorded.show(*shown)
        wanted = [float(sum(values)) for values in zip(*step, strict=True)]
        count = counters.read()
        assert wanted == [count.instructions, count.cycles, count.l2d]
        assert (0.004, 0.004) == pytest.approx((count.ran_s, count.counted_s))
    counters.close()
    for _, end in recorded.ends:
        os.close(end)


def test_groups_without_all_events_give_zero_for_the_rest(pmus: RecordedPmus) -> None:
    """A PMU without an event for the L2 cache."""
    counters = ThreadCounters([group[:2] for group in GROUPS], grouped=True)
    counters.add(7)
    pmus.show((0, 0, 0, 0), (0, 0, 0, 0))
    counters.start()
    pmus.show((MS, MS, 5, 6), (MS, 0, 0, 0))
    assert Count(0.001, 0.001, 5.0, 6.0, 0.0) == counters.read()
    counters.close()
