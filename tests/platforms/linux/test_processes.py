"""Tests of the table of processes, on a fake root and on this machine's own ``/proc``."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from platforms.linux.managed import ProcessKey
from platforms.linux.processes import processes
from platforms.linux.processes.process_files import read_once
from platforms.linux.processes.processes import (
    MOST_NEWCOMERS,
    ProcessInfo,
    ProcessTable,
    hidepid,
)
from tests.platforms.linux.fake_root import FakeRoot


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A board with init and one process of a user."""
    fake = FakeRoot(tmp_path / "root")
    fake.add_process(
        100,
        name="video",
        cmdline=("video", "--loop", "a b"),
        uid=1000,
        cgroup="/user.slice/user-1000.slice/game.scope",
        start_ticks=5000,
    )
    return fake


def seen(table: ProcessTable) -> dict[int, ProcessInfo]:
    """A scan's result by pid."""
    return {info.key.pid: info for info in table.scan()}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read."""
    paths: list[str] = []

    def counting(path: str, most_bytes: int) -> bytes:
        paths.append(path)
        return read_once(path, most_bytes)

    monkeypatch.setattr(processes, "read_once", counting)
    return paths


def stats(reads: list[str]) -> list[str]:
    """The ``stat`` files among them."""
    return [path for path in reads if path.endswith("/stat")]


def test_a_process_is_seen_with_all_that_rules_can_name(root: FakeRoot) -> None:
    """Executable, command line, user, control group and unit."""
    assert (
        ProcessInfo(
            key=ProcessKey(100, 5000),
            name="video",
            executable="/usr/bin/video",
            command_line="video --loop a b",
            uid=1000,
            cgroup="/user.slice/user-1000.slice/game.scope",
            unit="game.scope",
        )
        == seen(ProcessTable(root.path))[100]
    )


def test_a_program_that_an_update_replaced_keeps_its_name(root: FakeRoot) -> None:
    """The kernel then writes behind the name that the file is deleted."""
    link = root.path / "proc/100/exe"
    link.unlink()
    link.symlink_to("/usr/bin/video (deleted)")
    assert "/usr/bin/video" == seen(ProcessTable(root.path))[100].executable


def test_a_known_process_costs_no_file_to_open(root: FakeRoot, reads: list[str]) -> None:
    """In the third scan only those whose turn it is are read again."""
    for pid in range(200, 264):
        root.add_process(pid)
    table = ProcessTable(root.path)
    table.scan()
    table.scan()
    reads.clear()
    table.scan()
    assert len(table.scan()) == 66
    assert 2 * 66 // processes.TURNS <= len(stats(reads)) <= 2 * 66 / processes.TURNS + 2


def test_all_of_a_process_is_read_again_once_in_all_turns_also_if_it_is_watched(
    root: FakeRoot, reads: list[str]
) -> None:
    """What changes by itself is read of it at every scan."""
    table = ProcessTable(root.path)
    table.watched = frozenset({100})
    table.scan()
    table.scan()
    reads.clear()
    scans = processes.TURNS * processes.FULL_TURNS
    for _ in range(scans):
        table.scan()
    assert scans == sum(path.endswith("/100/stat") for path in reads)
    assert 1 == sum(path.endswith("/100/cmdline") for path in reads)


def test_a_process_that_became_another_program_is_seen_so_at_the_next_scan(
    root: FakeRoot,
) -> None:
    """A shell forks first and becomes the program then; a scan may come in between."""
    table = ProcessTable(root.path)
    assert "video" == seen(table)[100].name
    root.processes[100].name = "player"
    root.processes[100].update(root.path / "proc")
    assert "player" == seen(table)[100].name


def test_a_process_that_becomes_another_program_later_is_seen_so_in_its_turn(
    root: FakeRoot,
) -> None:
    """A script may wait a while before it becomes the program."""
    table = ProcessTable(root.path)
    table.scan()
    table.scan()
    root.processes[100].name = "player"
    root.processes[100].update(root.path / "proc")
    assert "player" in [seen(table)[100].name for _ in range(processes.TURNS)]


@pytest.mark.parametrize("name", ["v", "video 2", "video) S 1 (x", "video) R 7"])
def test_a_watched_process_that_takes_another_name_is_seen_so_at_the_next_scan(
    root: FakeRoot, name: str
) -> None:
    """Also where its line goes on as the one before, or a name looks like what comes after it."""
    table = ProcessTable(root.path)
    table.watched = frozenset({100})
    table.scan()
    table.scan()
    for wanted in (name, "video"):
        root.processes[100].name = wanted
        root.processes[100].update(root.path / "proc")
        assert wanted == seen(table)[100].name


def test_a_watched_process_that_gets_another_parent_is_seen_so_at_the_next_scan(
    root: FakeRoot,
) -> None:
    """Also where the new parent's number begins as the old one's."""
    table = ProcessTable(root.path)
    table.watched = frozenset({100})
    table.scan()
    table.scan()
    for parent in (12, 1, 0):
        root.processes[100].ppid = parent
        root.processes[100].update(root.path / "proc")
        table.scan()
        assert parent == table.parents[100]


def test_who_is_watched_from_now_on_is_read_at_every_scan_from_now_on(
    root: FakeRoot, reads: list[str]
) -> None:
    """And one that is watched no more in its turn only, also where the turns had come before."""
    table = ProcessTable(root.path)
    for _ in range(2 * processes.TURNS):
        table.scan()
    for watched, times in ((frozenset({100}), processes.TURNS), (frozenset[int](), 1)):
        table.watched = watched
        reads.clear()
        for _ in range(processes.TURNS):
            table.scan()
        assert times == sum(path.endswith("/100/stat") for path in reads)


def test_looking_for_children_does_not_use_up_the_second_reading(root: FakeRoot) -> None:
    """It may come a millisecond after the scan, when the shell is a shell still."""
    table = ProcessTable(root.path)
    table.scan()
    root.add_process(101, name="sh", ppid=100)
    assert "sh" == seen(table)[101].name
    assert frozenset() == table.update()
    root.processes[101].name = "game"
    root.processes[101].update(root.path / "proc")
    table.update()
    assert "game" == seen(table)[101].name


def test_looking_for_children_finds_them_and_drops_who_is_gone(root: FakeRoot) -> None:
    """What an application starts while it is attached to."""
    table = ProcessTable(root.path)
    table.scan()
    root.add_process(101, ppid=100)
    assert {101} == table.update()
    assert (100, 101) == table.family(100)
    root.remove_process(101)
    table.update()
    assert (100,) == table.family(100)


def test_a_reused_pid_is_another_process(root: FakeRoot) -> None:
    """Its key differs, and the old one is not alive."""
    table = ProcessTable(root.path)
    old = seen(table)[100].key
    root.remove_process(100)
    root.add_process(100, name="other", start_ticks=9000)
    new = seen(table)[100]
    assert (ProcessKey(100, 9000), "other") == (new.key, new.name)
    assert (False, True) == (table.is_alive(old), table.is_alive(new.key))


def test_a_process_that_ends_between_listing_and_reading_is_passed_over(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is the ordinary end of a short process."""

    def ending(path: str, most_bytes: int) -> bytes:
        if "/100/" in path:
            shutil.rmtree(root.path / "proc/100", ignore_errors=True)
        return read_once(path, most_bytes)

    monkeypatch.setattr(processes, "read_once", ending)
    table = ProcessTable(root.path)
    assert [1] == list(seen(table))
    assert (0, None) == (table.hidden, table.info(100))


def test_processes_whose_files_are_hidden_are_counted(root: FakeRoot) -> None:
    """With hidepid=1 a foreign process can be listed and not read."""
    shutil.rmtree(root.path / "proc/100")
    (root.path / "proc/100").mkdir()
    table = ProcessTable(root.path)
    assert ([1], 1) == (list(seen(table)), table.hidden)
    assert not table.is_alive(ProcessKey(100, 5000))


@pytest.mark.parametrize(
    ("found", "options"),
    [
        (None, "rw,nosuid"),
        ("2", "rw,hidepid=2"),
        ("invisible", "rw,gid=5,hidepid=invisible"),
        (None, "rw,hidepid=0"),
    ],
)
def test_hidepid_is_read_from_the_mounts(root: FakeRoot, found: str | None, options: str) -> None:
    """With hidepid=2 nothing else tells that there are more processes."""
    root.write("/proc/self/mounts", f"/dev/sda / ext4 rw 0 0\nproc /proc proc {options} 0 0")
    assert found == hidepid(root.path)


def test_a_family_is_a_process_with_all_its_descendants(root: FakeRoot) -> None:
    """What an application starts belongs to it, but for what is managed by itself."""
    root.add_process(101, ppid=100)
    root.add_process(102, ppid=101)
    root.add_process(103, ppid=1)
    table = ProcessTable(root.path)
    table.scan()
    assert (100, 101, 102) == table.family(100)
    assert (100,) == table.family(100, without={101})


def test_an_orphan_gets_its_new_parent(root: FakeRoot) -> None:
    """It is not read again otherwise, and would stay the child of a number."""
    root.add_process(101, ppid=100)
    table = ProcessTable(root.path)
    for _ in range(3):
        table.scan()
    root.remove_process(100)
    root.processes[101].ppid = 1
    root.processes[101].update(root.path / "proc")
    table.scan()
    assert 1 == table.parents[101]


def test_a_storm_of_new_processes_is_taken_in_portions(root: FakeRoot, reads: list[str]) -> None:
    """A scan must not take longer than it may, and in the end everybody is known."""
    table = ProcessTable(root.path)
    table.scan()
    table.scan()
    for pid in range(1000, 1300):
        root.add_process(pid, ppid=100)
    reads.clear()
    table.scan()
    assert MOST_NEWCOMERS <= len(stats(reads)) <= MOST_NEWCOMERS + 2
    for _ in range(300 // MOST_NEWCOMERS):
        table.scan()
    assert 302 == len(table.scan())
    for pid in range(1000, 1300):
        root.remove_process(pid)
    assert {1, 100} == seen(table).keys()


def test_this_process_is_seen_on_this_machine() -> None:
    """The kernel's own files, not a copy of them."""
    table = ProcessTable(Path("/"))
    here = seen(table)[os.getpid()]
    assert (os.geteuid(), os.path.realpath(sys.executable)) == (here.uid, here.executable)
    assert table.is_alive(here.key)
    assert os.getppid() == table.parents[os.getpid()]


def test_a_dead_process_that_nobody_has_waited_for_is_gone_when_it_is_watched() -> None:
    """Its folder stays as it is, so that only reading it tells."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        table = ProcessTable(Path("/"))
        table.watched = frozenset({child.pid})
        assert child.pid in seen(table)
        key = seen(table)[child.pid].key
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert child.pid not in seen(table)
        assert not table.is_alive(key)
    finally:
        child.communicate()
