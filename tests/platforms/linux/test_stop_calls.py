"""Tests of stopping real processes, and of what stands in for that on a fake root."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms.linux.knobs.process_start import read_life
from platforms.linux.knobs.stop_calls import KernelStops, RecordedStops, stops_for
from platforms.linux.managed import ProcessKey
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import key_of

PATIENCE_S = 20.0


@pytest.fixture
def sleeper() -> Iterator[ProcessKey]:
    """A real process."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as child:
        life = read_life(Path("/"), child.pid)
        assert life is not None
        yield ProcessKey(child.pid, life.start_ticks)
        child.kill()


def comes_to_be(key: ProcessKey, *, stopped: bool) -> bool:
    """Whether it stops, or goes on, in time."""
    end_s = time.monotonic() + PATIENCE_S
    while KernelStops().is_stopped(key.pid) != stopped:
        if time.monotonic() > end_s:
            return False
        time.sleep(0.01)
    return True


def test_a_process_stops_and_goes_on(sleeper: ProcessKey) -> None:
    """By the kernel's signals."""
    KernelStops().stop(sleeper)
    assert comes_to_be(sleeper, stopped=True)
    KernelStops().go_on(sleeper)
    assert comes_to_be(sleeper, stopped=False)


def test_who_has_got_another_ones_number_is_not_stopped(sleeper: ProcessKey) -> None:
    """It started at another time."""
    with pytest.raises(ProcessLookupError):
        KernelStops().stop(ProcessKey(sleeper.pid, sleeper.start_ticks - 1))
    assert not KernelStops().is_stopped(sleeper.pid)


def test_without_descriptors_of_processes_the_number_does(
    sleeper: ProcessKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Linux 5.3."""

    def missing(pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("os.pidfd_open", missing)
    KernelStops().stop(sleeper)
    assert comes_to_be(sleeper, stopped=True)


def test_on_a_fake_root_stops_are_recorded(tmp_path: Path) -> None:
    """And no real process is touched."""
    root = FakeRoot(tmp_path)
    root.add_process(100)
    stops = stops_for(root.path)
    assert isinstance(stops, RecordedStops)
    stops.stop(key_of(root, 100))
    assert stops.is_stopped(100)
    stops.go_on(key_of(root, 100))
    assert not stops.is_stopped(100)
    with pytest.raises(ProcessLookupError):
        stops.stop(ProcessKey(100, 1))
