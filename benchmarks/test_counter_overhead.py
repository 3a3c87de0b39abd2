"""What reading eight applications costs, above the system calls that it is made of."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.fastest import fastest_s
from platforms.linux.applications.application_reader import ApplicationReader
from platforms.linux.counters.counters import PerfCounters
from platforms.linux.counters.perf_event import close_all, open_group
from platforms.linux.managed import ManagedProcess, Target
from tests.platforms.linux.real_process import SOFTWARE, RealProcess, need_perf_events

APPLICATIONS = 8
PMUS = 2
"""Groups per thread, as on a board with two core types."""

MOST_TIMES_THE_SYSTEM_CALLS = 3.0
ROOT = Path("/")
CLUSTERS = [range(64)]
FREQS_HZ = (1e9,)
WINDOW_S = 0.05
BYTES = 48


class Monotonic:
    """The machine's clock."""

    def now_s(self) -> float:
        """Seconds since boot."""
        return time.monotonic()

    def sleep_until(self, time_s: float) -> None:
        """Return then."""
        time.sleep(max(0.0, time_s - time.monotonic()))


@pytest.fixture(scope="module")
def applications() -> Iterator[list[ManagedProcess]]:
    """Eight processes that wait: then the counters' own cost is least, and ours shows most."""
    need_perf_events()
    with ExitStack() as stack:
        started = [stack.enter_context(RealProcess()) for _ in range(APPLICATIONS)]
        yield [
            ManagedProcess(
                id=number, name="waiting", key=process.key, target=Target(1e9, "instructions/s")
            )
            for number, process in enumerate(started)
        ]


@pytest.fixture(scope="module")
def reader(applications: list[ManagedProcess]) -> Iterator[ApplicationReader]:
    """Counting three software events in two groups per thread."""
    counters = PerfCounters([SOFTWARE] * PMUS, descriptors=1000)
    opened = ApplicationReader(ROOT, counters, Monotonic(), clusters=CLUSTERS)
    opened.rescan(applications)
    yield opened
    counters.close()


def test_reading_eight_applications(
    benchmark: BenchmarkFixture, reader: ApplicationReader, applications: list[ManagedProcess]
) -> None:
    """One DVFS round: a read per group of counters and the mask of each application."""
    pids = [application.key.pid for application in applications]
    groups = [open_group(SOFTWARE, pid, grouped=True) for pid in pids for _ in range(PMUS)]
    leaders = [group[0] for group in groups]

    def system_calls() -> None:
        for leader in leaders:
            os.read(leader, BYTES)
        for pid in pids:
            os.sched_getaffinity(pid)

    def read() -> None:
        reader.read(applications, FREQS_HZ, WINDOW_S)

    ratio = min(fastest_s(read) / fastest_s(system_calls) for _ in range(3))
    benchmark(read)
    for group in groups:
        close_all(group)
    benchmark.extra_info["times_the_system_calls"] = round(ratio, 2)
    us = 1e6 * benchmark.stats.stats.min
    print(f"\nreading 8 applications: {us:.0f} us, {ratio:.1f} times the bare system calls")
    assert ratio <= MOST_TIMES_THE_SYSTEM_CALLS


def test_looking_for_new_threads(
    benchmark: BenchmarkFixture, reader: ApplicationReader, applications: list[ManagedProcess]
) -> None:
    """Once every 500 ms: all processes of the machine, and the threads of eight applications."""
    benchmark(reader.rescan, applications)
    print(f"\nrescan for 8 applications: {1e6 * benchmark.stats.stats.min:.0f} us")
