"""Tests of counters on real processes, with the kernel's software events through the same code.

`task-clock` counts nanoseconds that a thread ran: what each test lets a process do is known in CPU
seconds, so a count that is lost or doubled shows.
"""

import errno
import logging
import os
import resource
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from platforms.linux.counters import thread_counters
from platforms.linux.counters.counters import (
    Count,
    NoCounters,
    PerfCounters,
    counters_of,
    open_counters,
)
from platforms.linux.counters.perf_event import Event, close_all, open_event, open_group
from platforms.linux.counters.pmus import CYCLES, INSTRUCTIONS, L2D, Pmu
from platforms.linux.managed import ProcessKey
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.real_process import (
    CPU_CLOCK,
    SOFTWARE,
    TASK_CLOCK,
    RealProcess,
    need_perf_events,
    open_descriptors,
)

WORK_S = 0.1
ABOUT = pytest.approx(WORK_S, abs=0.4 * WORK_S)
"""Who is preempted on a busy machine works a little longer than told; what is counted twice is off
by 100 %, what is counted half by 50 %."""


PATIENT_TRIES = 50


@pytest.fixture
def process() -> Iterator[RealProcess]:
    """A real process that waits for its orders."""
    need_perf_events()
    with RealProcess() as started:
        yield started


@pytest.fixture
def counters() -> Iterator[PerfCounters]:
    """Counters of one PMU."""
    need_perf_events()
    opened = PerfCounters([SOFTWARE], descriptors=100)
    yield opened
    opened.close()


def follow(counters: PerfCounters, process: RealProcess) -> ProcessKey:
    """Let it be counted from now on."""
    assert counters.follow(process.key, process.tids) is None
    return process.key


def counted_s(counters: PerfCounters, key: ProcessKey) -> float:
    """Seconds of task-clock since the last time."""
    count = counters.read(key)
    assert count is not None
    assert count.counted_s == pytest.approx(count.ran_s, rel=0.01)
    return count.instructions * 1e-9


def test_what_a_process_does_is_counted(process: RealProcess, counters: PerfCounters) -> None:
    """From the moment on that it is followed, read by read."""
    process.tell(f"work({WORK_S})")
    key = follow(counters, process)
    process.tell(f"work({WORK_S})")
    assert counted_s(counters, key) == ABOUT
    assert counted_s(counters, key) < 0.01


@pytest.mark.parametrize("what", ["thread", "child", "orphan", "relay"])
def test_what_it_starts_later_is_counted_once(
    process: RealProcess, counters: PerfCounters, what: str
) -> None:
    """Threads, children, grandchildren of ended parents: after their end as well."""
    key = follow(counters, process)
    process.tell(f"{what}({WORK_S})")
    assert counted_s(counters, key) == ABOUT


def test_threads_that_were_there_before_are_counted_once(
    process: RealProcess, counters: PerfCounters
) -> None:
    """Each has counters of its own."""
    process.tell("background(5)")
    key = follow(counters, process)
    assert 6 * len(SOFTWARE) == counters.in_use
    process.tell(f"thread({WORK_S})")
    assert counted_s(counters, key) == ABOUT


def test_work_that_is_under_way_is_counted(process: RealProcess, counters: PerfCounters) -> None:
    """A read does not wait for an end, also where the counter runs on another core."""
    key = follow(counters, process)
    process.start("work(0.2)")
    seen = 0.0
    while seen < 0.1:
        seen += counted_s(counters, key)
    process.wait()
    assert seen + counted_s(counters, key) == pytest.approx(0.2, rel=0.1)


def test_threads_born_while_others_are_attached_to_are_found(
    process: RealProcess, counters: PerfCounters
) -> None:
    """Whether they inherited is not known then, so all is done again."""
    lists: list[list[int]] = []

    def tids() -> Iterable[int]:
        if len(lists) == 1:
            process.tell("background(2)")
        lists.append(process.tids())
        return lists[-1]

    assert counters.follow(process.key, tids) is None
    assert [1, 3, 3, 3] == list(map(len, lists))
    assert 3 * len(SOFTWARE) == counters.in_use
    process.tell(f"thread({WORK_S})")
    assert counted_s(counters, process.key) == ABOUT


def test_a_list_of_threads_that_never_stays_the_same_is_taken_in_the_end(
    process: RealProcess, counters: PerfCounters
) -> None:
    """A storm of new processes must not keep the daemon busy."""
    lists: list[list[int]] = []

    def tids() -> Iterable[int]:
        process.tell("background(1)")
        lists.append(process.tids())
        return lists[-1]

    assert counters.follow(process.key, tids) is None
    assert 2 * 2 + 1 == len(lists)
    assert counters.read(process.key) is not None


def test_two_groups_over_all_cores_do_not_count_double(process: RealProcess) -> None:
    """The times tell: both PMUs counted all of it, so each counted half of what there is."""
    counters = PerfCounters([SOFTWARE, SOFTWARE], descriptors=100)
    key = follow(counters, process)
    process.tell(f"work({WORK_S})")
    count = counters.read(key)
    assert count is not None
    assert (ABOUT, ABOUT) == (count.ran_s, count.counted_s / 2)
    counters.close()


def test_events_read_one_by_one_give_the_same(process: RealProcess) -> None:
    """Kernels before 4.13 (the reference board's own) cannot read a group that is inherited."""
    together = PerfCounters([SOFTWARE], descriptors=100)
    single = PerfCounters([SOFTWARE], descriptors=100)
    single._grouped = False
    for counters in (together, single):
        follow(counters, process)
    process.tell(f"child({WORK_S})")
    first, second = together.read(process.key), single.read(process.key)
    assert first is not None
    assert second is not None
    assert first.instructions == pytest.approx(second.instructions, rel=0.02)
    assert first.ran_s == pytest.approx(second.ran_s, rel=0.02)
    together.close()
    single.close()


def test_a_kernel_that_refuses_inherited_groups_is_asked_once(
    process: RealProcess, counters: PerfCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EINVAL is its answer."""
    asked: list[bool] = []

    def old_kernel(events: Iterable[Event], tid: int, *, grouped: bool) -> list[int]:
        asked.append(grouped)
        if grouped:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return open_group(tuple(events), tid, grouped=grouped)

    monkeypatch.setattr(thread_counters, "open_group", old_kernel)
    follow(counters, process)
    follow(counters, process)
    assert [True, False, False] == asked


def test_a_thread_that_inherits_half_a_group_is_read_event_by_event(
    process: RealProcess, counters: PerfCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was born between two events; reading the group as a whole is refused then (ECHILD)."""

    def forking(events: Iterable[Event], tid: int, *, grouped: bool) -> list[int]:
        first, *others = events
        leader = open_event(first, tid, grouped=grouped)
        process.tell("background(1)")
        more = [open_event(event, tid, leader=leader, grouped=grouped) for event in others]
        return [leader, *more]

    tids = process.tids()
    monkeypatch.setattr(thread_counters, "open_group", forking)
    refusals = 0
    while counters.follow(process.key, lambda: tids) is not None:  # the kernel exchanged counters
        refusals += 1
        assert refusals < PATIENT_TRIES  # as the reader does: it tries again at its next look
    process.tell(f"work({WORK_S})")
    assert counted_s(counters, process.key) == ABOUT


def test_a_group_whose_thread_was_exchanged_is_opened_once_more(
    process: RealProcess, counters: PerfCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel hands counters from a thread to one that it has just started, and refuses then."""
    asked: list[bool] = []

    def exchanged(events: Iterable[Event], tid: int, *, grouped: bool) -> list[int]:
        asked.append(grouped)
        if len(asked) < 3:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return open_group(tuple(events), tid, grouped=grouped)

    monkeypatch.setattr(thread_counters, "open_group", exchanged)
    follow(counters, process)
    assert [True, False, False] == asked


def test_a_group_whose_first_event_is_gone_by_the_second_is_opened_once_more(
    process: RealProcess, counters: PerfCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENODEV, in a storm of children; groups are read as groups all the same."""
    asked: list[bool] = []

    def gone(events: Iterable[Event], tid: int, *, grouped: bool) -> list[int]:
        asked.append(grouped)
        if len(asked) < 2:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return open_group(tuple(events), tid, grouped=grouped)

    monkeypatch.setattr(thread_counters, "open_group", gone)
    follow(counters, process)
    assert [True, True] == asked


def test_the_end_of_the_process_ends_nothing_else(
    process: RealProcess, counters: PerfCounters
) -> None:
    """It may come at any time, also between two reads of one application."""
    key = follow(counters, process)
    process.tell(f"work({WORK_S})")
    process.end()
    assert counted_s(counters, key) == ABOUT
    assert counted_s(counters, key) == 0.0
    counters.release(key)
    counters.release(key)
    assert (None, 0) == (counters.read(key), counters.in_use)


def test_a_process_that_has_ended_is_not_followed(counters: PerfCounters) -> None:
    """Its threads are gone by the time that they are attached to."""
    with RealProcess() as process:
        key, tids = process.key, process.tids()
    assert "it has ended" == counters.follow(key, lambda: tids)
    assert "it has ended" == counters.follow(key, tuple)
    assert 0 == counters.in_use


def test_a_storm_of_children_leaks_no_descriptor(
    process: RealProcess, counters: PerfCounters
) -> None:
    """500 children that end at once, while the process is attached to again and again."""
    before = open_descriptors()
    process.start("storm(500)")
    for _ in range(50):
        assert counters.follow(process.key, process.tids) is None
        assert counters.read(process.key) is not None
    process.wait()
    counters.release(process.key)
    assert (before, 0) == (open_descriptors(), counters.in_use)


def test_beyond_the_budget_an_application_goes_without(process: RealProcess) -> None:
    """Nothing is left open, and those that are counted already go on."""
    counters = PerfCounters([SOFTWARE], descriptors=5)
    follow(counters, process)
    with RealProcess() as second:
        before = open_descriptors()
        why = counters.follow(second.key, second.tids)
        assert "too few file descriptors; raise LimitNOFILE" == why
        assert (before, 3) == (open_descriptors(), counters.in_use)
        process.tell(f"work({WORK_S})")
        assert counted_s(counters, process.key) == ABOUT
        counters.release(process.key)
        assert counters.follow(second.key, second.tids) is None
    counters.close()


def test_at_the_limit_of_open_files_an_application_goes_without(
    process: RealProcess, counters: PerfCounters
) -> None:
    """The budget is a guess: others open files as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    key, tids, before = process.key, process.tids(), open_descriptors()
    highest = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    filler: list[int] = []
    try:
        with suppress(OSError):
            while True:
                filler.append(os.dup(0))
        os.close(filler.pop())
        why = counters.follow(key, lambda: tids)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        close_all(filler)
    assert "too few file descriptors; raise LimitNOFILE" == why
    assert (before, 0) == (open_descriptors(), counters.in_use)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.EACCES, "CAP_PERFMON"), (errno.EIO, "Input/output")]
)
def test_a_refusal_says_what_to_do(
    counters: PerfCounters, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    """Most often a right is missing."""

    def refusing(*_: object, **__: object) -> list[int]:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(thread_counters, "open_group", refusing)
    assert words in str(counters.follow(ProcessKey(1, 1), lambda: [1]))


def test_a_count_that_fails_is_given_up_and_said(
    process: RealProcess,
    counters: PerfCounters,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ECHILD: a group was inherited while it was being opened. Who asks opens it anew."""
    key = follow(counters, process)

    def failing(descriptor: int, size: int) -> bytes:
        raise OSError(errno.ECHILD, os.strerror(errno.ECHILD))

    with caplog.at_level(logging.INFO), monkeypatch.context() as patch:
        patch.setattr(thread_counters.os, "read", failing)
        assert counters.read(key) is None
    assert "opened anew" in caplog.text
    assert 0 == counters.in_use
    assert counters.follow(key, process.tids) is None


def test_a_count_that_is_refused_for_a_moment_is_read_again(
    process: RealProcess, counters: PerfCounters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ECHILD as well, while the kernel takes an ended child's group apart: nothing is lost."""
    key = follow(counters, process)
    in_use, refusals, read = counters.in_use, iter([True]), os.read

    def refusing_once(descriptor: int, size: int) -> bytes:
        if next(refusals, False):
            raise OSError(errno.ECHILD, os.strerror(errno.ECHILD))
        return read(descriptor, size)

    process.tell(f"work({WORK_S})")
    monkeypatch.setattr(os, "read", refusing_once)
    assert counted_s(counters, key) == ABOUT
    assert in_use == counters.in_use


def test_an_unknown_event_or_thread_is_the_kernel_s_error() -> None:
    """Its number says which of the two."""
    need_perf_events()
    with pytest.raises(OSError, match="perf_event_open") as no_event:
        open_event(Event(1, 999), 0)
    with pytest.raises(ProcessLookupError):
        open_event(TASK_CLOCK, 2**22 - 1)
    assert errno.ENOENT == no_event.value.errno


def test_a_pmu_without_an_event_is_used_for_those_that_it_has() -> None:
    """And what one PMU does not have, is counted on none: half a number is worse than none."""
    need_perf_events()
    events = dict(zip((INSTRUCTIONS, CYCLES, L2D), SOFTWARE, strict=True))
    full = Pmu("full", frozenset({0}), events)
    part = Pmu("part", frozenset({1}), events | {L2D: Event(1, 999)})
    none = Pmu("none", frozenset({1}), {INSTRUCTIONS: Event(1, 999)})
    assert counters_of([full]).counts_l2d
    counters = counters_of([full, part])
    assert isinstance(counters, PerfCounters)
    assert (False, 4) == (counters.counts_l2d, counters.per_thread)
    assert str(counters_of([full, none]).reason).startswith("none cannot count instructions")


def test_what_comes_after_a_missing_event_is_not_counted() -> None:
    """Groups of all PMUs have the same shape."""
    need_perf_events()
    pmu = Pmu("odd", frozenset({0}), {INSTRUCTIONS: TASK_CLOCK, L2D: CPU_CLOCK})
    counters = counters_of([pmu])
    assert isinstance(counters, PerfCounters)
    assert (1, False) == (counters.per_thread, counters.counts_l2d)


def test_another_root_has_no_counters(tmp_path: Path) -> None:
    """Process numbers in it mean nothing to the kernel."""
    counters = open_counters(FakeRoot(tmp_path / "root").path)
    assert "under another root" in str(counters.reason)


def test_no_counters_count_nothing() -> None:
    """They say why, and take every call."""
    counters = NoCounters("for a test")
    key = ProcessKey(1, 1)
    assert ("for a test", None) == (counters.follow(key, tuple), counters.read(key))
    counters.release(key)
    counters.close()
    assert Count(1.0, 1.0, 5.0) == Count(1.0, 1.0, 5.0, 0.0, 0.0)
