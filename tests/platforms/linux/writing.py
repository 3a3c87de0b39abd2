"""A fake root with the writer on it, as the daemon would have them: for the tests of writing."""

from pathlib import Path

from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.restore import RestoreReport, restore
from platforms.linux.knobs.system_calls import calls_for
from platforms.linux.managed import ProcessKey
from tests.platforms.linux.fake_root import FakeRoot

LITTLE = "/sys/devices/system/cpu/cpufreq/policy0"
BIG = "/sys/devices/system/cpu/cpufreq/policy4"


def journal_path(root: FakeRoot) -> Path:
    """Where the journal of these tests is: under the root, where no snapshot looks."""
    return root.path / "var/lib/ilgov" / JOURNAL_NAME


def open_journal(root: FakeRoot) -> Journal:
    """The journal of this boot."""
    return Journal.open(journal_path(root), boot_id=read_boot_id(root.path))


def open_writer(root: FakeRoot) -> KnobWriter:
    """A writer with its own journal."""
    return KnobWriter(root.path, open_journal(root), calls_for(root.path), pause=no_pause)


def restored(root: FakeRoot) -> RestoreReport:
    """What ``ilgov restore`` does."""
    return restore(root.path, journal_path(root), calls_for(root.path))


def no_pause(_: float) -> None:
    """Wait for nothing: in these tests the kernel does its part when it is told to."""


def key_of(root: FakeRoot, pid: int) -> ProcessKey:
    """A process of the root."""
    return ProcessKey(pid, root.processes[pid].start_ticks)


def mask_of(root: FakeRoot, tid: int) -> set[int]:
    """The cores that a thread may run on."""
    return set(calls_for(root.path).get_affinity(tid))
