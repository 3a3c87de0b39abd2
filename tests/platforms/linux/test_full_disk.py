"""Tests of a disk that is full, or broken: what cannot be undone is not done.

The limit on file sizes stands in for the full disk: the kernel then cuts or refuses writes to plain
files. 64 bytes leave room for the knobs, which are plain files as well in a fake root.
"""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from platforms.linux.errors import JournalUnusable
from platforms.linux.knobs.journal import Journal
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import (
    BIG,
    journal_path,
    key_of,
    open_journal,
    open_writer,
    restored,
)


@contextmanager
def no_file_longer_than(size_bytes: int) -> Iterator[None]:
    """Within, files cannot grow beyond this size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A root with one process of four threads."""
    root = FakeRoot(tmp_path)
    root.add_process(100, threads=4)
    return root


@pytest.mark.parametrize("room_bytes", [0, 1, 50, 90])
def test_a_knob_is_not_written(root: FakeRoot, room_bytes: int) -> None:
    """Whether nothing of the entry fits on the disk or nearly all of it."""
    writer, before = open_writer(root), root.snapshot()
    size = journal_path(root).stat().st_size
    with (
        no_file_longer_than(size + room_bytes),
        pytest.raises(JournalUnusable, match=r"undo.jsonl must be writable.*free the disk"),
    ):
        writer.write(f"{BIG}/scaling_governor", "userspace")
    assert before == root.snapshot()
    assert size == journal_path(root).stat().st_size


def test_no_thread_is_moved(root: FakeRoot) -> None:
    """Not even those whose old cores would have fitted."""
    writer, before = open_writer(root), root.snapshot()
    size = journal_path(root).stat().st_size
    with no_file_longer_than(size + 150), pytest.raises(JournalUnusable):
        writer.place(key_of(root, 100), [100, 101, 102, 103], [5])
    assert before == root.snapshot()


def test_what_is_journaled_already_can_still_be_written(root: FakeRoot) -> None:
    """A full disk does not stop a governor that runs."""
    writer = open_writer(root)
    writer.write(f"{BIG}/scaling_governor", "userspace")
    with no_file_longer_than(64):
        assert "powersave" == writer.write(f"{BIG}/scaling_governor", "powersave")


def test_once_there_is_room_it_goes_on(root: FakeRoot) -> None:
    """Half an entry left behind would spoil the next one."""
    writer, before = open_writer(root), root.snapshot()
    with (
        no_file_longer_than(journal_path(root).stat().st_size + 30),
        pytest.raises(JournalUnusable),
    ):
        writer.write(f"{BIG}/scaling_governor", "userspace")
    writer.write(f"{BIG}/scaling_governor", "userspace")
    writer.write(f"{BIG}/scaling_max_freq", "1018000")
    assert () == writer.restore_all().problems
    assert before == root.snapshot()


def test_everything_can_be_restored(root: FakeRoot) -> None:
    """Undoing needs no room."""
    before, writer = root.snapshot(), open_writer(root)
    writer.write(f"{BIG}/scaling_governor", "userspace")
    writer.place(key_of(root, 100), [100, 101, 102, 103], [5])
    with no_file_longer_than(64):
        assert () == writer.restore_all().problems
    assert before == root.snapshot()


def test_a_daemon_does_not_start(root: FakeRoot) -> None:
    """It learns at once that it could not undo anything."""
    with no_file_longer_than(0), pytest.raises(JournalUnusable, match="must be writable"):
        open_journal(root)


def test_a_disk_that_fails_to_sync_is_a_full_one(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry may be lost, so it does not count."""
    writer, before = open_writer(root), root.snapshot()

    def fails(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fails)
        with pytest.raises(JournalUnusable, match="Input/output error"):
            writer.write(f"{BIG}/scaling_governor", "userspace")
    assert before == root.snapshot()


def test_a_journal_that_cannot_be_cut_takes_nothing_more(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line after half a line would be lost with it."""
    journal: Journal = open_journal(root)

    def fails(*_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fails)
        patched.setattr(os, "ftruncate", fails)
        with pytest.raises(JournalUnusable):
            journal.remember_files({"/sys/a": "1"})
    with pytest.raises(JournalUnusable):
        journal.remember_files({"/sys/b": "1"})


def test_a_full_disk_does_not_hinder_ilgov_restore(root: FakeRoot) -> None:
    """It reads, undoes and deletes."""
    before, writer = root.snapshot(), open_writer(root)
    writer.write(f"{BIG}/scaling_governor", "userspace")
    writer._journal.close()  # type: ignore[union-attr]
    with no_file_longer_than(64):
        assert () == restored(root).problems
    assert before == root.snapshot()
    assert not journal_path(root).exists()
