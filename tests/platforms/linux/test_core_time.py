"""Tests of how busy cores are said to be."""

import os
import shutil
import time
from pathlib import Path

import pytest

from platforms.linux.core_time import CoreTime
from tests.platforms.linux.fake_root import FakeRoot


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A board of eight cores."""
    return FakeRoot(tmp_path / "root")


def test_a_core_s_utilisation_is_its_busy_share_since_the_last_read(root: FakeRoot) -> None:
    """Every core is there, and each read begins a new window."""
    times = CoreTime(root.path)
    root.run_for(1.0, busy={1: 0.25, 4: 1.0})
    assert (0.0, 0.25, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0) == pytest.approx(times.read())
    root.run_for(1.0, busy={1: 0.5})
    assert (0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) == pytest.approx(times.read())


def test_short_windows_are_taken_together(root: FakeRoot) -> None:
    """One clock tick is a fifth of 50 ms: too coarse to call a core free or busy."""
    times = CoreTime(root.path)
    seen = []
    for _ in range(8):
        root.run_for(0.05, busy={0: 0.5})
        seen.append(times.read()[0])
    assert [0.5] * 4 == pytest.approx(seen[4:], abs=0.06)


def test_a_core_that_is_offline_is_idle(root: FakeRoot) -> None:
    """The kernel leaves its line out, and it comes back with its old account."""
    times = CoreTime(root.path)
    root.unplug(5)
    root.run_for(1.0, busy={4: 0.5})
    assert (0.5, 0.0) == pytest.approx(times.read()[4:6])
    root.plug(5)
    assert 0.0 == times.read()[5]
    root.run_for(1.0, busy={5: 0.5})
    assert 0.5 == pytest.approx(times.read()[5])


def test_what_cannot_be_read_leaves_the_shares_as_they_are(root: FakeRoot) -> None:
    """Nothing is known of the window; the next one that can be read counts from before."""
    times = CoreTime(root.path)
    root.run_for(1.0, busy={0: 0.5})
    times.read()
    kept = (root.path / "proc/stat").read_text()
    root.write("/proc/stat", "cpu rubbish\ncpu0 x")
    assert 0.5 == pytest.approx(times.read()[0])
    root.write("/proc/stat", kept)
    root.run_for(1.0, busy={0: 1.0})
    assert 1.0 == pytest.approx(times.read()[0])


def test_a_machine_without_the_account_shows_idle_cores(root: FakeRoot) -> None:
    """It is not for this class to end the daemon."""
    shutil.move(root.path / "proc/stat", root.path / "proc/gone")
    assert (0.0,) * 8 == CoreTime(root.path).read()


def test_old_kernels_have_fewer_columns(root: FakeRoot) -> None:
    """Four at least: what is not told is nothing."""
    root.write("/proc/stat", "cpu  1 2 3 4\ncpu0 1 2 3 4\nintr 5\n")
    times = CoreTime(root.path, cores=1)
    root.write("/proc/stat", "cpu  2 3 4 7\ncpu0 2 3 4 7\nintr 5\n")
    assert (0.5,) == times.read()


def test_a_core_that_comes_first_does_not_stretch_the_window(root: FakeRoot) -> None:
    """Its account is behind the others' by as long as it was away."""
    root.unplug(0)
    times = CoreTime(root.path)
    root.run_for(100.0, busy={1: 0.5})
    times.read()
    root.plug(0)
    for _ in range(3):
        root.run_for(1.0, busy={1: 0.25})
        seen = times.read()
    assert (0.0, 0.25) == pytest.approx(seen[:2])


def test_an_account_that_begins_anew_does_not_stretch_the_window(root: FakeRoot) -> None:
    """Some kernels forget how long a core was idle when it is unplugged, however shortly."""

    def write(busy: int, first_idle: int, other_idle: int) -> None:
        lines = f"cpu0 {busy} 0 0 {first_idle}\ncpu1 {busy} 0 0 {other_idle}"
        root.write("/proc/stat", f"cpu  1 2 3 4\n{lines}\nintr 5\n")

    write(0, 100_000, 100_000)
    times = CoreTime(root.path, cores=2)
    times.read()
    for second in range(1, 6):
        write(100 * second, 0, 100_000)
        times.read()
    write(500, 100, 100_100)
    assert (0.0, 0.0) == times.read()


def test_this_machine_s_work_is_seen() -> None:
    """The kernel's own account: what is burnt here shows on some core."""
    times = CoreTime(Path("/"), least_window_s=0.0)
    assert (os.cpu_count() or 1) <= len(times.read())
    end_s = time.thread_time() + 0.3
    while time.thread_time() < end_s:
        pass
    assert 0.3 < sum(times.read())
    times.close()
