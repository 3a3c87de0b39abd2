"""Tests of undoing what another run has left."""

from pathlib import Path

import pytest

from platforms.linux.clocks.actuators import Cap, SetSpeed
from platforms.linux.clocks.frequency_domain import find_domains
from platforms.linux.errors import JournalUnusable
from platforms.linux.knobs.restore import pending
from platforms.linux.knobs.system_calls import calls_for
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import (
    BIG,
    LITTLE,
    journal_path,
    key_of,
    mask_of,
    open_journal,
    open_writer,
    restored,
)


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970 with a process of two threads."""
    root = FakeRoot(tmp_path)
    root.add_process(100, threads=2)
    return root


def leave_behind(root: FakeRoot) -> None:
    """A daemon steers both clusters and a process, and is gone without a word."""
    writer = open_writer(root)
    little, big = find_domains(root.path)
    speed, cap = SetSpeed(little), Cap(big)
    speed.take(writer)
    cap.take(writer)
    speed.set(writer, 1_018_000_000)
    cap.set(writer, 1_018_000_000)
    writer.place(key_of(root, 100), [100, 101], [5])
    root.settle()
    writer._journal.close()  # type: ignore[union-attr]


def test_everything_reads_as_before_and_the_journal_is_gone(root: FakeRoot) -> None:
    """Governor, speed, limits, cores."""
    before = root.snapshot()
    leave_behind(root)
    assert before != root.snapshot()
    assert () == restored(root).problems
    assert before == root.snapshot()
    assert not journal_path(root).exists()


def test_twice_does_no_harm(root: FakeRoot) -> None:
    """The second finds nothing to do."""
    leave_behind(root)
    restored(root)
    before = root.snapshot()
    report = restored(root)
    assert (0, ()) == (report.restored, report.problems)
    assert before == root.snapshot()


def test_without_a_journal_there_is_nothing_to_do_and_nothing_is_made(root: FakeRoot) -> None:
    """Not even a folder."""
    assert 0 == restored(root).restored
    assert not journal_path(root).parent.exists()


def test_after_a_boot_there_is_nothing_to_do(root: FakeRoot) -> None:
    """The knobs are the kernel's own by then, and the user's."""
    leave_behind(root)
    root.write("/proc/sys/kernel/random/boot_id", "another")
    before = root.snapshot()
    assert 0 == restored(root).restored
    assert before == root.snapshot()
    assert not journal_path(root).exists()


def test_under_a_running_daemon_nothing_is_touched(root: FakeRoot) -> None:
    """It would steer on."""
    journal = open_journal(root)
    with pytest.raises(JournalUnusable, match="another ilgov holds it"):
        restored(root)
    journal.close()


def test_a_process_that_got_the_number_is_left_alone(root: FakeRoot) -> None:
    """It starts at another time."""
    leave_behind(root)
    root.remove_process(100)
    root.run_for(1.0)
    root.add_process(100, threads=2)
    calls_for(root.path).set_affinity(101, {3})
    report = restored(root)
    assert (1, ()) == (report.gone, report.problems)
    assert {3} == mask_of(root, 101)


def test_what_fails_is_named_and_kept_for_the_next_time(root: FakeRoot) -> None:
    """And the rest is restored all the same."""
    before = root.snapshot()
    leave_behind(root)
    with root.refusing(f"{LITTLE}/scaling_governor"):
        report = restored(root)
    assert 1 == len(report.problems)
    assert "policy0/scaling_governor must" in report.problems[0]
    assert "2362000" == root.read(f"{BIG}/scaling_max_freq")
    assert [f"{LITTLE}/scaling_governor"] == list(pending(root.path, journal_path(root)).files)
    assert () == restored(root).problems
    assert before == root.snapshot()


def test_clusters_that_are_unplugged_are_restored_when_they_are_back(root: FakeRoot) -> None:
    """Their files cannot be read meanwhile."""
    before = root.snapshot()
    leave_behind(root)
    for core in range(4):
        root.unplug(core)
    assert restored(root).problems
    for core in range(4):
        root.plug(core)
    assert () == restored(root).problems
    assert before == root.snapshot()


def test_a_driver_that_was_unloaded_leaves_nothing_to_do(root: FakeRoot) -> None:
    """Loaded again, it starts with its own defaults."""
    leave_behind(root)
    for path in (root.path / LITTLE.lstrip("/")).glob("scaling_*"):
        path.unlink()
    root.policies = root.policies[1:]
    report = restored(root)
    assert (1, ()) == (report.gone, report.problems)
    assert not journal_path(root).exists()


def test_damage_is_told_and_the_rest_undone(root: FakeRoot) -> None:
    """Whoever damaged it, silence would be worse."""
    before = root.snapshot()
    leave_behind(root)
    path = journal_path(root)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "{rubbish", *lines[1:], ""]))
    report = restored(root)
    assert "must be lines of JSON (got 1 damaged lines)" in report.problems[0]
    assert before == root.snapshot()


def test_what_is_pending_can_be_seen_without_touching_it(root: FakeRoot) -> None:
    """For a dry run."""
    leave_behind(root)
    before = root.snapshot(), journal_path(root).read_bytes()
    undo = pending(root.path, journal_path(root))
    assert "schedutil" == undo.files[f"{LITTLE}/scaling_governor"]
    assert [100, 101] == list(undo.masks[key_of(root, 100)])
    assert before == (root.snapshot(), journal_path(root).read_bytes())


def test_limits_are_restored_in_an_order_that_old_kernels_take(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They refuse a lower limit above the upper one: it is tried again after the upper one."""
    root.write(f"{BIG}/scaling_min_freq", "1863000")
    before = root.snapshot()
    leave_behind(root)
    from platforms.linux.knobs.knob_file import KnobFile, refused

    write = KnobFile.write

    def strict(self: KnobFile, value: str) -> None:
        highest = int(root.read(f"{BIG}/scaling_max_freq"))
        if self.path.endswith("policy4/scaling_min_freq") and int(value) > highest:
            raise refused(self.path, f"take {value!r}", "Invalid argument")
        write(self, value)

    monkeypatch.setattr(KnobFile, "write", strict)
    assert () == restored(root).problems
    assert before == root.snapshot()


def test_a_rival_who_keeps_on_turning_a_knob_is_told(root: FakeRoot) -> None:
    """The governor reads otherwise though the kernel has taken the write."""
    leave_behind(root)
    (root.path / "lie").write_text("performance\n")
    from platforms.linux.knobs.knob_file import KnobFile

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(KnobFile, "read", lambda self: "performance")
        report = restored(root)
    assert any("must read 'schedutil' again (got 'performance'" in text for text in report.problems)


def test_a_read_only_state_folder_does_not_hinder_it(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk with errors is mounted read-only; the machine must be restored all the same."""
    import errno
    import os

    before = root.snapshot()
    leave_behind(root)
    opens = os.open

    def read_only(path: str, flags: int, *rest: int, **options: int) -> int:
        if str(path).startswith(str(journal_path(root).parent)) and flags & os.O_RDWR:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opens(path, flags, *rest, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", read_only)
        report = restored(root)
    assert before == root.snapshot()
    assert 1 == len(report.problems)
    assert "undo.jsonl must be writable" in report.problems[0]
