"""Tests of table, threads, counters and reader together, on real processes of this machine."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms.linux.applications.application_reader import ApplicationReader
from platforms.linux.counters.counters import PerfCounters
from platforms.linux.managed import ManagedProcess, Target
from tests.platforms.linux.real_process import (
    SOFTWARE,
    RealProcess,
    need_perf_events,
    open_descriptors,
)

ROOT = Path("/")
CLUSTERS = [range(64)]
FREQS_HZ = (1e9,)
TARGET = Target(1e9, "instructions/s")


class Monotonic:
    """The machine's clock."""

    def now_s(self) -> float:
        """Seconds since boot."""
        return time.monotonic()

    def sleep_until(self, time_s: float) -> None:
        """Return then."""
        time.sleep(max(0.0, time_s - time.monotonic()))


@pytest.fixture
def counters() -> Iterator[PerfCounters]:
    """Software events in place of a PMU: an "instruction" is a nanosecond."""
    need_perf_events()
    opened = PerfCounters([SOFTWARE], descriptors=1000)
    yield opened
    opened.close()


@pytest.fixture
def reader(counters: PerfCounters) -> Iterator[ApplicationReader]:
    """On this machine."""
    opened = ApplicationReader(ROOT, counters, Monotonic(), clusters=CLUSTERS)
    yield opened
    opened.close()


def managed(number: int, process: RealProcess) -> ManagedProcess:
    """A process as an application."""
    return ManagedProcess(id=number, name="real", key=process.key, target=TARGET)


def test_a_busy_application_is_read_as_busy(reader: ApplicationReader) -> None:
    """The rate is what the process says that it did, over the time that it took."""
    with RealProcess() as process:
        app = managed(1, process)
        reader.rescan([app])
        begin_s = time.monotonic()
        process.tell("work(0.2)")
        took_s = time.monotonic() - begin_s
        (read,) = [
            one.state() for one in reader.read([app], FREQS_HZ, 3600.0)
        ]  # a newcomer: since it was looked at
        assert read.rate_ips is not None
        assert 0.2e9 / took_s == pytest.approx(read.rate_ips, rel=0.15)
        assert (1, 1, "counters") == (len(read.cores), read.threads, read.measured_by)


def test_several_busy_threads_are_seen(reader: ApplicationReader) -> None:
    """Two of them, beside a number that sleep."""
    with RealProcess() as process:
        app = managed(1, process)
        process.tell("background(5)")
        reader.rescan([app])
        for _ in range(2):
            process.start("threading.Thread(target=work, args=(0.6,)).start()")
            process.wait()
        time.sleep(0.3)
        reader.rescan([app])
        (read,) = [one.state() for one in reader.read([app], FREQS_HZ, 0.3)]
        assert 2 == read.threads
        ((key, tids),) = reader.threads_of(app)
        assert (process.key, 8) == (key, len(tids))


def test_a_storm_of_children_neither_leaks_nor_holds_up(
    reader: ApplicationReader, counters: PerfCounters
) -> None:
    """500 short-lived children, while the application is read and looked at all the time.

    The kernel may refuse a count in the storm. Then the application is opened anew, with the child
    that lives just then, whose counters stay as long as the application's: one child's at most, and
    none that nobody knows of.
    """
    with RealProcess() as process:
        app = managed(1, process)
        nothing, times_s = open_descriptors(), []
        reader.rescan([app])
        assert (len(SOFTWARE), nothing + len(SOFTWARE)) == (counters.in_use, open_descriptors())
        process.start("storm(500)")
        total = 0.0
        for _ in range(100):
            begin_s = time.monotonic()
            reader.rescan([app])
            times_s.append(time.monotonic() - begin_s)
            (read,) = [one.state() for one in reader.read([app], FREQS_HZ, 1.0)]
            total += read.rate_ips or 0.0
            for _, tids in reader.threads_of(app):
                assert tids
        process.wait()
        assert nothing + counters.in_use == open_descriptors()
        assert counters.in_use <= 2 * len(SOFTWARE)
        reader.rescan([])
        assert (0, nothing) == (counters.in_use, open_descriptors())
        assert 0.0 < total
        assert sorted(times_s)[len(times_s) // 2] < 0.05


def test_an_application_that_ends_between_two_reads_leaves_the_others_alone(
    reader: ApplicationReader, counters: PerfCounters
) -> None:
    """Whether its parent has waited for it or not."""
    with RealProcess() as first, RealProcess() as second:
        apps = [managed(1, first), managed(2, second)]
        reader.rescan(apps)
        assert [1, 2] == [one.process.id for one in reader.read(apps, FREQS_HZ, 0.05)]
        first.process.kill()
        time.sleep(0.05)
        second.tell("work(0.05)")
        assert 2 in [one.process.id for one in reader.read(apps, FREQS_HZ, 0.05)]
        first.process.wait()
        assert [2] == [one.process.id for one in reader.read(apps, FREQS_HZ, 0.05)]
        reader.rescan(apps[1:])
        assert len(SOFTWARE) == counters.in_use
