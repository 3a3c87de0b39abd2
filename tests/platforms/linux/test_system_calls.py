"""Tests of the cores of threads, with the kernel and without."""

import errno
import os
import threading
from pathlib import Path

import pytest

from platforms.linux.knobs.system_calls import KernelCalls, RecordedCalls, calls_for
from tests.platforms.linux.fake_root import FakeRoot


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A root with one process of two threads."""
    root = FakeRoot(tmp_path)
    root.add_process(100, threads=2)
    return root


def test_only_the_machines_own_root_gets_the_kernels_calls(root: FakeRoot) -> None:
    """A test must not move the threads of who runs it."""
    assert isinstance(calls_for(Path("/")), KernelCalls)
    assert isinstance(calls_for(Path("/proc/..")), KernelCalls)
    assert isinstance(calls_for(root.path), RecordedCalls)


def test_a_thread_starts_with_all_cores(root: FakeRoot) -> None:
    """As long as nothing is recorded."""
    assert frozenset(range(8)) == calls_for(root.path).get_affinity(101)


def test_what_is_set_is_read_and_recorded(root: FakeRoot) -> None:
    """As text that a test can look at."""
    calls_for(root.path).set_affinity(101, {4, 5})
    assert {4, 5} == calls_for(root.path).get_affinity(101)
    assert "4-5" == root.read("/ilgov-affinity/101")


def test_all_cores_leave_no_record(root: FakeRoot) -> None:
    """So that a thread that was put back looks as before."""
    before = root.snapshot()
    calls_for(root.path).set_affinity(101, {4})
    calls_for(root.path).set_affinity(101, range(8))
    assert before == root.snapshot()


def test_a_thread_that_is_gone_cannot_be_moved(root: FakeRoot) -> None:
    """ESRCH, as from the kernel."""
    calls = calls_for(root.path)
    calls.set_affinity(101, {4})
    root.remove_process(100)
    with pytest.raises(ProcessLookupError):
        calls.set_affinity(101, {5})
    with pytest.raises(ProcessLookupError):
        calls.get_affinity(101)


def test_a_core_that_is_unplugged_cannot_be_used(root: FakeRoot) -> None:
    """EINVAL where none of the cores is left."""
    root.unplug(5)
    with pytest.raises(OSError, match="Invalid argument") as caught:
        calls_for(root.path).set_affinity(100, {5})
    assert errno.EINVAL == caught.value.errno
    calls_for(root.path).set_affinity(100, {4, 5})
    assert {4} == calls_for(root.path).get_affinity(100)


def test_the_kernel_is_asked_about_this_process() -> None:
    """The real calls."""
    calls = KernelCalls()
    before = calls.get_affinity(os.getpid())
    calls.set_affinity(os.getpid(), {min(before)})
    assert {min(before)} == calls.get_affinity(os.getpid())
    calls.set_affinity(os.getpid(), before)
    assert before == calls.get_affinity(os.getpid())


def test_the_kernel_tells_the_whole_mask_of_a_thread() -> None:
    """Where all its cores are plugged in it is what the system call says."""
    calls, tid = KernelCalls(), threading.get_native_id()
    before = calls.get_affinity(tid)
    calls.set_affinity(tid, {min(before)})
    try:
        assert {min(before)} == calls.get_mask(tid)
    finally:
        calls.set_affinity(tid, before)
    assert before <= calls.get_mask(tid)


def test_a_thread_that_is_gone_has_no_mask() -> None:
    """ESRCH, as from the system call."""
    with pytest.raises(ProcessLookupError):
        KernelCalls().get_mask(2**22 + 1)


def test_a_mask_names_cores_that_are_unplugged(root: FakeRoot) -> None:
    """The system call leaves them out."""
    calls = calls_for(root.path)
    calls.set_affinity(101, {4, 5})
    root.unplug(5)
    assert [{4}, {4, 5}] == [calls.get_affinity(101), calls.get_mask(101)]
