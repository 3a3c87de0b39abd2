"""Tests of putting threads onto cores, and of giving them back."""

from pathlib import Path

import pytest

from platforms.linux.knobs.knobs import KnobWriter, Placed
from platforms.linux.knobs.system_calls import RecordedCalls, calls_for
from platforms.linux.managed import ProcessKey
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import (
    journal_path,
    key_of,
    mask_of,
    open_journal,
    open_writer,
    restored,
)

ALL = set(range(8))


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970 with a process of three threads."""
    root = FakeRoot(tmp_path)
    root.add_process(100, threads=3)
    return root


def test_all_threads_are_moved_and_given_back(root: FakeRoot) -> None:
    """The affinity of a process is that of its threads, one by one."""
    before, writer = root.snapshot(), open_writer(root)
    assert Placed(3, 0, 0) == writer.place(key_of(root, 100), [100, 101, 102], [4, 5])
    assert [{4, 5}] * 3 == [mask_of(root, tid) for tid in (100, 101, 102)]
    assert 3 == writer.restore_process(key_of(root, 100)).restored
    assert before == root.snapshot()


def test_all_old_cores_are_on_disk_before_the_first_is_moved(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one wait for the disk."""
    writer, seen = open_writer(root), []

    def look(_: int) -> None:
        stored = journal_path(root).read_text().count('"tid"')
        seen.append((stored, [mask_of(root, tid) for tid in (100, 101, 102)]))

    monkeypatch.setattr("os.fdatasync", look)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    writer.place(key_of(root, 100), [100, 101, 102], [6])
    assert [(3, [ALL] * 3)] == seen


def test_many_processes_are_journaled_with_one_wait(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a daemon starts among many applications."""
    pids = range(1000, 1100, 10)
    for pid in pids:
        root.add_process(pid, threads=3)
    before, writer = root.snapshot(), open_writer(root)
    waits: list[int] = []
    monkeypatch.setattr("os.fdatasync", waits.append)
    writer.remember_processes({key_of(root, pid): range(pid, pid + 3) for pid in pids})
    for pid in pids:
        assert 3 == writer.place(key_of(root, pid), range(pid, pid + 3), [5]).moved
    assert 1 == len(waits)
    assert 30 == writer.restore_all().restored
    assert before == root.snapshot()


def test_cores_that_the_user_chose_are_given_back(root: FakeRoot) -> None:
    """Thread by thread."""
    calls_for(root.path).set_affinity(101, {2, 3})
    before, writer = root.snapshot(), open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    writer.place(key_of(root, 100), [100, 101, 102], [6])
    writer.restore_all()
    assert before == root.snapshot()


def test_a_thread_that_ended_is_passed_over(root: FakeRoot) -> None:
    """Before its cores were read."""
    writer = open_writer(root)
    root.remove_thread(100, 102)
    assert Placed(2, 1, 0) == writer.place(key_of(root, 100), [100, 101, 102], [5])


def test_a_thread_that_ends_in_the_middle_is_passed_over(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading its cores and setting them."""
    writer = open_writer(root)
    monkeypatch.setattr("os.fdatasync", lambda _: root.remove_thread(100, 102))
    assert Placed(2, 1, 0) == writer.place(key_of(root, 100), [100, 101, 102], [5])
    assert 2 == writer.restore_all().restored


def test_a_process_that_ends_is_no_problem(root: FakeRoot) -> None:
    """Neither while it is placed nor when it is given back."""
    writer, key = open_writer(root), key_of(root, 100)
    writer.place(key, [100, 101, 102], [5])
    root.remove_process(100)
    assert Placed(0, 3, 0) == writer.place(key, [100, 101, 102], [6])
    report = writer.restore_process(key)
    assert (0, (), 1) == (report.restored, report.problems, report.gone)
    assert 0 == writer.restore_all().restored


def test_a_core_that_was_unplugged_is_counted_as_refused(root: FakeRoot) -> None:
    """The threads stay where they are."""
    writer = open_writer(root)
    root.unplug(5)
    assert Placed(0, 0, 3) == writer.place(key_of(root, 100), [100, 101, 102], [5])
    assert {0, 1, 2, 3, 4, 6, 7} == mask_of(root, 100)


def test_a_core_that_is_unplugged_meanwhile_is_not_lost(root: FakeRoot) -> None:
    """The kernel does not tell that a thread may use a core that is offline now."""
    before, writer = root.snapshot(), open_writer(root)
    root.unplug(6)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    root.plug(6)
    writer.restore_all()
    assert before == root.snapshot()


@pytest.mark.parametrize("old", [ALL, {3, 6}])
def test_a_core_that_is_just_being_unplugged_is_not_lost(root: FakeRoot, old: set[int]) -> None:
    """No longer active, but still online: the system call leaves it out, and nothing says so."""

    class MidUnplug(RecordedCalls):
        def get_affinity(self, tid: int) -> frozenset[int]:
            return super().get_affinity(tid) - {6}

    calls = MidUnplug(root.path)
    calls.set_affinity(100, old)
    before, writer = root.snapshot(), KnobWriter(root.path, open_journal(root), calls)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    writer.restore_all()
    assert before == root.snapshot()


def test_old_cores_that_are_all_unplugged_become_all_that_there_are(root: FakeRoot) -> None:
    """As the kernel itself would do with the thread; pinned to ilgov's core it must not stay."""
    calls_for(root.path).set_affinity(101, {6})
    writer = open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    root.unplug(6)
    assert () == writer.restore_all().problems
    assert ALL - {6} == mask_of(root, 101)


def test_a_process_with_the_number_of_another_is_left_alone(root: FakeRoot) -> None:
    """Its start tells it from the one that was moved."""
    writer, key = open_writer(root), key_of(root, 100)
    writer.place(key, [100, 101, 102], [5])
    root.remove_process(100)
    root.run_for(1.0)
    root.add_process(100, threads=3)
    calls_for(root.path).set_affinity(100, {3})
    assert 1 == writer.restore_all().gone
    assert {3} == mask_of(root, 100)


def test_threads_born_later_get_their_process_s_cores_back(root: FakeRoot) -> None:
    """They have inherited what ilgov chose."""
    writer = open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    root.add_thread(100, 103)
    calls_for(root.path).set_affinity(103, {5})
    writer.restore_process(key_of(root, 100))
    assert ALL == mask_of(root, 103)


def test_a_thread_born_later_and_moved_has_no_old_cores_of_its_own(root: FakeRoot) -> None:
    """What it was found with is ilgov's choice, not the user's."""
    writer = open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    root.add_thread(100, 103)
    calls_for(root.path).set_affinity(103, {5})
    writer.place(key_of(root, 100), [100, 101, 102, 103], [6])
    assert '"tid":103,"start":100000,"old":"0-7"' in journal_path(root).read_text()


def test_a_thread_born_later_that_chose_its_own_keeps_its_choice(root: FakeRoot) -> None:
    """As OpenMP's threads do."""
    writer = open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    root.add_thread(100, 103)
    calls_for(root.path).set_affinity(103, {2})
    writer.place(key_of(root, 100), [103], [6])
    writer.restore_all()
    assert {2} == mask_of(root, 103)


def test_children_born_later_get_their_parents_cores_back(root: FakeRoot) -> None:
    """And their children."""
    writer = open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    for pid, parent in ((200, 100), (300, 200)):
        root.add_process(pid, ppid=parent)
        calls_for(root.path).set_affinity(pid, {5})
    writer.restore_all()
    assert [ALL, ALL] == [mask_of(root, 200), mask_of(root, 300)]


def test_a_child_that_is_moved_under_its_own_name_has_its_parents_old_cores(
    root: FakeRoot,
) -> None:
    """It was born on the core where ilgov had put its parent."""
    writer = open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    root.add_process(200, ppid=100)
    calls_for(root.path).set_affinity(200, {5})
    writer.place(key_of(root, 200), [200], [6])
    writer.restore_process(key_of(root, 200))
    assert ALL == mask_of(root, 200)


def test_descendants_threads_are_given_back_when_the_process_has_ended(root: FakeRoot) -> None:
    """They were moved with it and live on."""
    root.add_process(200, ppid=100)
    before, writer = mask_of(root, 200), open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102, 200], [5])
    root.remove_process(100)
    assert 1 == writer.restore_all().restored
    assert before == mask_of(root, 200)


def test_each_thread_is_given_its_own_when_families_overlap(root: FakeRoot) -> None:
    """A child that was managed first, and its parent that was later."""
    root.add_process(200, ppid=100)
    calls_for(root.path).set_affinity(200, {1})
    before, writer = root.snapshot(), open_writer(root)
    writer.place(key_of(root, 200), [200], [6])
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    assert 4 == writer.restore_all().restored
    assert before == root.snapshot()


def test_a_process_that_was_let_go_is_its_users_again(root: FakeRoot) -> None:
    """What the user does after that is not undone."""
    writer, key = open_writer(root), key_of(root, 100)
    writer.place(key, [100, 101, 102], [5])
    writer.restore_process(key)
    calls_for(root.path).set_affinity(100, {2})
    writer.restore_all()
    writer._journal.close()  # type: ignore[union-attr]
    restored(root)
    assert {2} == mask_of(root, 100)


def test_a_process_that_was_never_moved_is_nothing_to_give_back(root: FakeRoot) -> None:
    """Not even a line in the journal."""
    writer = open_writer(root)
    assert 0 == writer.restore_process(ProcessKey(1, 1)).restored
    assert 1 == journal_path(root).read_text().count("\n")


def test_a_thread_that_was_not_moved_with_the_others_keeps_its_cores(root: FakeRoot) -> None:
    """It was there before, as the journal knows, and has not inherited anything."""
    root.add_process(200, threads=2, ppid=100)
    for tid in (102, 201):
        calls_for(root.path).set_affinity(tid, {5})
    before, writer = root.snapshot(), open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 200], [5])
    writer.restore_all()
    assert before == root.snapshot()


def test_a_thread_born_later_that_was_never_moved_and_chose_its_own_keeps_it(
    root: FakeRoot,
) -> None:
    """It is not where ilgov has put its process; known even after the daemon was killed."""
    writer = open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    root.add_thread(100, 103)
    root.add_thread(100, 104)
    calls_for(root.path).set_affinity(103, {2})
    writer._journal.close()  # type: ignore[union-attr]
    restored(root)
    assert {2} == mask_of(root, 103)
    assert ALL == mask_of(root, 104)


def test_a_fork_storm_does_not_fill_the_disk(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that live for a moment are dropped once the journal has grown."""
    monkeypatch.setattr("platforms.linux.knobs.journal._COMPACT_FROM_BYTES", 4096)
    writer = open_writer(root)
    writer.place(key_of(root, 100), [100, 101, 102], [5])
    sizes = []
    for _ in range(60):
        root.add_process(1000, threads=8)
        writer.place(key_of(root, 1000), range(1000, 1008), [6])
        root.remove_process(1000)
        root.run_for(1.0)
        sizes.append(journal_path(root).stat().st_size)
    assert 8192 > max(sizes)
    assert 3 == writer.restore_all().restored


def test_a_process_that_got_the_number_meanwhile_is_not_moved(root: FakeRoot) -> None:
    """Between the look at the threads and the move."""
    writer, key = open_writer(root), key_of(root, 100)
    root.remove_process(100)
    root.run_for(1.0)
    root.add_process(100, threads=3)
    assert Placed(0, 3, 0) == writer.place(key, [100, 101, 102], [5])
    assert ALL == mask_of(root, 100)
