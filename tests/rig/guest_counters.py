"""Counters of real PMUs, one per core type, through the daemon's own code.

The emulator's PMUs count on their own cores only, as on a board. A cycle is a nanosecond of guest
time, so that counts can be compared with the CPU time that the scheduler gives out. Instructions
are those of the whole machine: they must be there, and say nothing.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platforms.linux.applications.application_reader import ApplicationReader
from platforms.linux.counters.counters import Count, PerfCounters, counters_of, open_counters
from platforms.linux.counters.pmus import Pmu, find_pmus, uncovered_cores
from platforms.linux.managed import ManagedProcess, ProcessKey, Target
from platforms.linux.processes.process_files import read_once
from tests.platforms.linux.real_process import RealProcess, open_descriptors
from tests.rig.checklist import Checklist

CHECKS = Checklist()

ROOT = Path("/")
WORK_S = 0.2
TOLERANCE = 0.05
"""A part of the work is the kernel's and not counted; PMUs are not read at one instant."""


def pmus() -> tuple[Pmu, ...]:
    """The machine's, of which there must be several."""
    found = find_pmus(ROOT)
    assert len(found) >= 2, found
    return found


@contextmanager
def counting() -> Iterator[PerfCounters]:
    """The machine's counters, as the daemon opens them."""
    counters = open_counters(ROOT)
    assert isinstance(counters, PerfCounters), counters.reason
    try:
        yield counters
    finally:
        counters.close()


@contextmanager
def followed(counters: PerfCounters) -> Iterator[tuple[RealProcess, ProcessKey]]:
    """A process that is counted from now on."""
    with RealProcess() as process:
        key = process.key
        why = counters.follow(key, process.tids)
        assert why is None, why
        yield process, key
        counters.release(key)


def put(pid: int, core: int) -> None:
    """Let all threads of a process run on one core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), [core])


def homes() -> list[int]:
    """A core of each PMU."""
    return [min(pmu.cores) for pmu in pmus()]


def scheduled_s(pid: int) -> float:
    """The CPU time that a process of one thread has had, as the scheduler counts it."""
    return int(read_once(f"/proc/{pid}/schedstat").split()[0]) * 1e-9


def read(counters: PerfCounters, key: ProcessKey) -> Count:
    """What was done since the last read."""
    count = counters.read(key)
    assert count is not None
    return count


def expect(what: str, wanted: float, got: float, tolerance: float = TOLERANCE) -> None:
    """Complain unless both are about the same."""
    assert abs(got - wanted) <= tolerance * wanted, f"{what}: wanted {wanted:g}, got {got:g}"


@CHECKS.add
def every_core_has_one_pmu() -> object:
    """As their drivers say it."""
    found = pmus()
    assert not uncovered_cores(ROOT, found)
    assert sum(len(pmu.cores) for pmu in found) == len(frozenset().union(*[p.cores for p in found]))
    return [(pmu.name, sorted(pmu.cores), sorted(pmu.events)) for pmu in found]


@CHECKS.add
def counters_open() -> object:
    """With the events that exist: the emulator has none for caches."""
    with counting() as counters:
        return {"per_thread": counters.per_thread, "counts_l2d": counters.counts_l2d}


@CHECKS.add
def each_core_type_counts_its_own_work() -> object:
    """A process that stays on one is counted there, and not scaled."""
    seen = []
    for core in homes():
        with counting() as counters, followed(counters) as (process, key):
            put(process.pid, core)
            read(counters, key)
            before_s = scheduled_s(process.pid)
            process.tell(f"work({WORK_S})")
            worked_s = scheduled_s(process.pid) - before_s
            count = read(counters, key)
            expect("seconds that it ran", worked_s, count.ran_s)
            expect("seconds that were counted", count.ran_s, count.counted_s, 0.01)
            expect("cycles", 1e9 * worked_s, count.cycles, 0.1)
            assert count.instructions > 0, count
            seen.append((core, worked_s, count))
    return seen


@CHECKS.add
def a_process_that_moves_between_clusters_loses_and_doubles_nothing() -> object:
    """Moved every few milliseconds while it works, and read while it moves."""
    with counting() as counters, followed(counters) as (process, key):
        before_s = scheduled_s(process.pid)
        read(counters, key)
        process.start(f"work({2 * WORK_S})")
        total, moves, cores = Count(0.0, 0.0, 0.0), 0, homes()
        end_s = time.monotonic() + 2 * WORK_S
        while time.monotonic() < end_s:
            put(process.pid, cores[moves % len(cores)])
            moves += 1
            time.sleep(0.01)
            total = add(total, read(counters, key))
        process.wait()
        total = add(total, read(counters, key))
        worked_s = scheduled_s(process.pid) - before_s
        assert moves >= 10, moves
        expect("seconds that it ran", worked_s, total.ran_s)
        expect("seconds that were counted", total.ran_s, total.counted_s, 0.01)
        expect("cycles", 1e9 * worked_s, total.cycles, 0.1)
        return moves, worked_s, total


@CHECKS.add
def what_a_process_starts_is_counted_once_wherever_it_runs() -> object:
    """Threads and children inherit the counters of all PMUs."""
    seen = []
    for call in ("thread", "child", "orphan", "relay"):
        with counting() as counters, followed(counters) as (process, key):
            put(process.pid, homes()[-1])
            read(counters, key)
            process.tell(f"{call}({WORK_S})")
            count = read(counters, key)
            assert WORK_S <= count.ran_s <= WORK_S + 0.1, (call, count)
            expect("seconds that were counted", count.ran_s, count.counted_s, 0.01)
            seen.append((call, count))
    return seen


@CHECKS.add
def counters_that_are_shared_out_in_turns_are_scaled() -> object:
    """More groups than a core has counters for."""
    with counting() as counters, followed(counters) as (process, key):
        put(process.pid, homes()[0])
        others = [counters_of(pmus()) for _ in range(6)]
        for other in others:
            assert other.follow(key, process.tids) is None, other.reason
        read(counters, key)
        before_s = scheduled_s(process.pid)
        process.tell(f"work({5 * WORK_S})")
        worked_s = scheduled_s(process.pid) - before_s
        count = read(counters, key)
        for other in others:
            other.close()
        expect("seconds that it ran", worked_s, count.ran_s)
        assert count.counted_s < 0.9 * count.ran_s, count
        expect("cycles", 1e9 * worked_s, count.cycles, 0.2)
        return worked_s, count


@CHECKS.add
def a_storm_of_children_leaks_nothing() -> object:
    """Attached to again and again while they come and go."""
    before = open_descriptors()
    with counting() as counters, followed(counters) as (process, key):
        process.start("storm(100)")
        times = 0
        while times < 20:
            why = counters.follow(key, process.tids)
            assert why is None, why
            times += counters.read(key) is not None
        process.wait()
    assert before == open_descriptors()
    return times


class _Monotonic:
    """The machine's clock."""

    def now_s(self) -> float:
        """Seconds since boot."""
        return time.monotonic()

    def sleep_until(self, time_s: float) -> None:
        """Return then."""
        time.sleep(max(0.0, time_s - time.monotonic()))


@CHECKS.add
def the_reader_sees_rates_and_cores() -> object:
    """All pieces together, for an application that is moved from cluster to cluster."""
    seen = []
    clusters = [sorted(pmu.cores) for pmu in pmus()]
    with counting() as counters, RealProcess() as process:
        reader = ApplicationReader(ROOT, counters, _Monotonic(), clusters=clusters)
        target = Target(1e9, "instructions/s")
        managed = [ManagedProcess(id=1, name="work", key=process.key, target=target)]
        reader.rescan(managed)
        process.start("work(1.0)")
        last_s = time.monotonic()
        for core in [*homes(), *homes()]:
            put(process.pid, core)
            time.sleep(0.1)
            now_s = time.monotonic()
            (followed,) = reader.read(managed, (1e9,) * len(clusters), now_s - last_s)
            app = followed.state()
            last_s = now_s
            assert (core,) == app.cores, app
            assert app.rate_ips is not None, app
            assert app.rate_ips > 1e6, app
            seen.append((core, app.rate_ips))
        reader.close()
    return seen


def add(one: Count, other: Count) -> Count:
    """Both together."""
    return Count(
        one.ran_s + other.ran_s,
        one.counted_s + other.counted_s,
        one.instructions + other.instructions,
        one.cycles + other.cycles,
        one.l2d + other.l2d,
    )


if __name__ == "__main__":
    sys.exit(any(CHECKS.run(Path("/out/guest_counters.json")).values()))
