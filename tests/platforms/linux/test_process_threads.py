"""Tests of an application's threads: which there are, and how many are busy."""

from pathlib import Path

import pytest

from platforms.linux.managed import ProcessKey
from platforms.linux.processes.process_threads import ThreadsOf, busy_threads
from platforms.linux.processes.processes import ProcessTable
from tests.platforms.linux.fake_root import FakeRoot

KEY = ProcessKey(100, 5000)


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A board with a process of four threads, 100 to 103."""
    fake = FakeRoot(tmp_path / "root")
    fake.add_process(100, name="video", threads=4, start_ticks=5000)
    return fake


@pytest.fixture
def table(root: FakeRoot) -> ProcessTable:
    """Its processes."""
    return ProcessTable(root.path)


def run(root: FakeRoot, seconds: float = 1.0, **shares: float) -> None:
    """Let threads run, by ``t100=0.5``."""
    process = root.processes[100]
    for thread in process.threads:
        thread.cpu_s += seconds * shares.get(f"t{thread.tid}", 0.0)
    process.update(root.path / "proc")


def test_threads_are_those_of_the_process_and_of_its_descendants(
    root: FakeRoot, table: ProcessTable
) -> None:
    """A program that starts others is one application with them."""
    root.add_process(200, ppid=100, threads=2, start_ticks=6000)
    table.scan()
    threads = ThreadsOf(root.path, KEY, table=table)
    assert (100, 101, 102, 103, 200, 201) == tuple(sorted(threads.tids()))
    first, second = threads.by_process()
    assert (KEY, ProcessKey(200, 6000)) == (first[0], second[0])
    assert {200, 201} == set(second[1])


def test_another_managed_process_and_its_children_are_left_out(
    root: FakeRoot, table: ProcessTable
) -> None:
    """Two applications must not move the same thread."""
    root.add_process(200, ppid=100)
    root.add_process(300, ppid=200)
    table.scan()
    threads = ThreadsOf(root.path, KEY, table=table)
    threads.without = frozenset({200})
    assert {100, 101, 102, 103} == set(threads.tids())


def test_a_reused_pid_has_no_threads_of_ours(root: FakeRoot, table: ProcessTable) -> None:
    """They are another program's."""
    root.remove_process(100)
    root.add_process(100, name="other", start_ticks=9000)
    table.scan()
    assert () == ThreadsOf(root.path, KEY, table=table).tids()


def test_threads_appear_and_vanish(root: FakeRoot) -> None:
    """The list is as of now."""
    threads = ThreadsOf(root.path, KEY)
    root.add_thread(100, 150)
    root.remove_thread(100, 102)
    assert {100, 101, 103, 150} == set(threads.tids())


def test_workers_that_share_the_work_are_busy_even_if_none_fills_a_core(root: FakeRoot) -> None:
    """On a fast core four workers at a low target may run a few per cent each."""
    threads = ThreadsOf(root.path, KEY)
    assert 1 == threads.busy(1.0)
    run(root, t100=0.001, t101=0.06, t102=0.05, t103=0.05)
    assert 3 == threads.busy(1.0)


def test_a_helper_is_not_busy(root: FakeRoot) -> None:
    """A thread that does a tenth of the work needs no core of its own."""
    threads = ThreadsOf(root.path, KEY)
    threads.busy(1.0)
    run(root, t100=0.9, t101=0.1)
    assert 1 == threads.busy(1.0)


def test_the_number_does_not_flicker(root: FakeRoot) -> None:
    """A worker between the two bounds stays what it was."""
    threads = ThreadsOf(root.path, KEY)
    threads.busy(1.0)
    seen = []
    for share in (0.4, 0.6, 0.4, 0.3, 0.1, 0.4):
        run(root, t100=1.0, t101=share)
        seen.append(threads.busy(1.0))
    assert [1, 2, 2, 2, 1, 1] == seen


def test_an_application_that_sleeps_has_one_thread(root: FakeRoot) -> None:
    """There is no application with none."""
    threads = ThreadsOf(root.path, KEY)
    threads.busy(1.0)
    run(root, t100=1.0, t101=1.0)
    assert 2 == threads.busy(1.0)
    run(root)
    assert 1 == threads.busy(1.0)


def test_cpu_time_adds_up_over_threads_and_survives_them(root: FakeRoot) -> None:
    """What an ended thread did was done."""
    threads = ThreadsOf(root.path, KEY)
    threads.busy(1.0)
    run(root, t100=0.5, t101=0.25)
    threads.busy(1.0)
    root.remove_thread(100, 101)
    run(root, t100=0.5)
    threads.busy(1.0)
    assert 1.25 == pytest.approx(threads.cpu_s)


def test_a_thread_that_is_born_and_busy_counts_from_its_start(root: FakeRoot) -> None:
    """Otherwise a program that starts a thread for every task would look idle."""
    threads = ThreadsOf(root.path, KEY)
    threads.busy(1.0)
    root.add_thread(100, 150)
    run(root, t150=0.5)
    assert 1 == threads.busy(1.0)
    assert (150, pytest.approx(0.5)) == (threads.busiest, threads.cpu_s)


def test_a_kernel_without_schedstat_counts_in_clock_ticks(root: FakeRoot) -> None:
    """Coarser, and good enough for shares."""
    for path in (root.path / "proc/100/task").glob("*/schedstat"):
        path.unlink()
    threads = ThreadsOf(root.path, KEY)
    threads.busy(1.0)
    run(root, t100=0.5, t101=0.5)
    assert 2 == threads.busy(1.0)
    assert 1.0 == pytest.approx(threads.cpu_s)


def test_the_last_core_is_the_busiest_thread_s(root: FakeRoot) -> None:
    """The first thread of a program often only waits for the others."""
    threads = ThreadsOf(root.path, KEY)
    threads.busy(1.0)
    root.processes[100].threads[2].core = 6
    run(root, t102=0.9)
    threads.busy(1.0)
    assert (102, 6) == (threads.busiest, threads.last_core())


def test_an_application_that_has_ended_has_no_threads_and_no_core(root: FakeRoot) -> None:
    """Nothing is raised: it may end at any time."""
    threads = ThreadsOf(root.path, KEY)
    threads.busy(1.0)
    root.remove_process(100)
    assert (1, (), ()) == (threads.busy(1.0), threads.tids(), threads.by_process())
    assert threads.last_core() is None


@pytest.mark.parametrize(
    ("busy", "shares"), [(set(), {}), (set(), {1: 0.005, 2: 0.005}), ({1, 2}, {1: 0.5, 2: 0.5})]
)
def test_a_thread_with_next_to_nothing_is_not_busy(
    busy: set[int], shares: dict[int, float]
) -> None:
    """However little the others do."""
    assert busy == busy_threads(shares, set())
