"""Tests of what tells a process from the next with the same number."""

import os
import threading
from pathlib import Path

import pytest

from platforms.linux.knobs.process_start import (
    Life,
    read_all_lives,
    read_life,
    start_of_thread,
    threads_of,
    threads_of_family,
)
from tests.platforms.linux.fake_root import FakeRoot


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A root with a process of two threads and a child."""
    root = FakeRoot(tmp_path)
    root.add_process(100, name="a) S (b", threads=2, start_ticks=5000)
    root.add_process(200, ppid=100, start_ticks=6000)
    return root


def test_parent_and_start_are_read_past_any_name(root: FakeRoot) -> None:
    """Parentheses and spaces in it mislead who splits at the first."""
    assert Life(1, 5000) == read_life(root.path, 100)
    assert Life(100, 6000) == read_life(root.path, 200)


def test_who_is_gone_has_no_life(root: FakeRoot) -> None:
    """No error: it is an expected event."""
    assert None is read_life(root.path, 300)
    assert None is start_of_thread(root.path, 100, 300)
    assert [] == threads_of(root.path, 300)


def test_a_file_that_breaks_off_tells_nothing(root: FakeRoot) -> None:
    """A guess could take one process for another."""
    root.write("/proc/100/stat", "")
    (root.path / "proc/200/stat").write_text("200 (x) S 1")
    assert [1] == list(read_all_lives(root.path))


def test_all_processes_are_found_and_nothing_else(root: FakeRoot) -> None:
    """/proc holds much besides."""
    assert {1, 100, 200} == set(read_all_lives(root.path))


def test_threads_are_found_with_their_own_start(root: FakeRoot) -> None:
    """Also those of another process than the one that was named."""
    root.run_for(1.0)
    root.add_thread(100, 102)
    assert [100, 101, 102] == sorted(threads_of(root.path, 100))
    assert 100100 == start_of_thread(root.path, 100, 102)
    assert 6000 == start_of_thread(root.path, 100, 200)
    assert 100100 == start_of_thread(root.path, 200, 102)


def test_a_family_is_found_with_all_its_threads(root: FakeRoot) -> None:
    """Children of children as well."""
    root.add_process(300, threads=2, ppid=200)
    assert [100, 101, 200, 300, 301] == sorted(threads_of_family(root.path, 100))
    assert [300, 301] == sorted(threads_of_family(root.path, 300))
    assert [] == threads_of_family(root.path, 400)


def test_on_the_machine_itself_this_process_is_found() -> None:
    """With its threads, by their own numbers as well, though no listing shows them."""
    pid, done = os.getpid(), threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    assert thread.native_id in threads_of(Path("/"), pid)
    start = start_of_thread(Path("/"), pid, thread.native_id or 0)
    assert start is not None
    assert start == start_of_thread(Path("/"), thread.native_id or 0, thread.native_id or 0)
    done.set()
    thread.join()
    life = read_life(Path("/"), pid)
    assert life is not None
    assert os.getppid() == life.parent
    assert start >= life.start_ticks
