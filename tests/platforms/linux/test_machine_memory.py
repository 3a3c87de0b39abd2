"""Tests of how much memory the machine is said to have."""

from pathlib import Path

from platforms.linux.machine_memory import MachineMemory, MemoryReading
from tests.platforms.linux.fake_root import FakeRoot


def test_what_is_there_and_what_is_left_is_told_in_bytes(tmp_path: Path) -> None:
    """The kernel counts in KiB, whatever it calls them."""
    memory = MachineMemory(FakeRoot(tmp_path / "root").path)
    assert MemoryReading(6_000_000 * 1024, 4_000_000 * 1024) == memory.read()


def test_a_kernel_that_does_not_tell_is_no_fault(tmp_path: Path) -> None:
    """Old ones have no MemAvailable; a sandbox may hide the file."""
    root = FakeRoot(tmp_path / "root")
    memory = MachineMemory(root.path)
    root.write("/proc/meminfo", "MemTotal: 6000000 kB\n")
    assert memory.read() is None
    memory.close()
    (root.path / "proc/meminfo").unlink()
    assert memory.read() is None


def test_this_machine_has_some() -> None:
    """The kernel's own file."""
    reading = MachineMemory(Path("/")).read()
    assert reading is not None
    assert 0 < reading.available_bytes < reading.total_bytes
