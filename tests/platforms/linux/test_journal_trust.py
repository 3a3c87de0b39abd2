"""Tests of whose journals are trusted: root does what stands in them."""

import os
from pathlib import Path

import pytest

from platforms.linux.errors import JournalUnusable
from platforms.linux.knobs.journal import Journal, read_journal

BOOT = "boot"
ONLY_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def opened(path: Path) -> Journal:
    """The journal, as a daemon opens it."""
    return Journal.open(path, boot_id=BOOT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty journal of this user, closed to others."""
    path = tmp_path / "undo.jsonl"
    opened(path).close()
    return path


def test_one_that_others_may_read_is_refused(path: Path) -> None:
    """The message says what to do about it."""
    path.chmod(0o644)
    with pytest.raises(JournalUnusable, match=r"closed to others \(got mode 0644\); .*chmod 600"):
        opened(path)


@ONLY_ROOT
def test_one_of_another_user_is_refused(path: Path) -> None:
    """It would write through root's hand."""
    os.chown(path, 12345, 12345)
    with pytest.raises(JournalUnusable, match=r"belong to user 0 \(got user 12345\); .*chown 0"):
        opened(path)


def test_a_link_is_not_followed(path: Path) -> None:
    """It leads to a file that another chose."""
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(JournalUnusable, match=r"plain file \(got a symbolic link\); .*remove it"):
        opened(path)
    with pytest.raises(JournalUnusable, match="symbolic link"):
        read_journal(path, boot_id=BOOT)


def test_a_dangling_link_is_not_followed_either(path: Path) -> None:
    """The file would be made where another chose."""
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(JournalUnusable, match="symbolic link"):
        opened(path)
    assert not path.with_name("elsewhere").exists()


def test_a_second_name_is_refused(path: Path) -> None:
    """Who can link a file of root's to here would have it written to."""
    path.with_name("twin").hardlink_to(path)
    with pytest.raises(JournalUnusable, match=r"have one name \(got 2 hard links\)"):
        opened(path)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_anything_but_a_file_is_refused_at_once(path: Path, kind: str) -> None:
    """Above all without waiting for somebody at the pipe's other end."""
    path.unlink()
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path, 0o600)
    with pytest.raises(JournalUnusable):
        opened(path)


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_a_folder_that_others_may_write_to_is_refused(path: Path, mode: int) -> None:
    """They could put another journal there; the sticky bit does not keep them from it."""
    path.parent.chmod(mode)
    with pytest.raises(
        JournalUnusable, match=rf"other writers \(got mode {mode:04o}\); chmod go-w"
    ):
        opened(path)


def test_a_folder_above_it_counts_as_well(tmp_path: Path) -> None:
    """Who may rename the folder may put another in its place."""
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(0o777)
    with pytest.raises(JournalUnusable, match="above must be closed to other writers"):
        opened(above / "state" / "undo.jsonl")


@ONLY_ROOT
def test_a_folder_of_another_user_is_refused(path: Path) -> None:
    """For the same reason."""
    os.chown(path.parent, 12345, 12345)
    with pytest.raises(JournalUnusable, match=r"belong to root \(got user 12345\); chown"):
        opened(path)


def test_who_is_not_strict_may_have_it_anywhere(path: Path) -> None:
    """For a copy of a root folder, to look into; the file itself must still be right."""
    path.parent.chmod(0o777)
    Journal.open(path, boot_id=BOOT, strict=False).close()
    path.chmod(0o666)
    with pytest.raises(JournalUnusable, match="closed to others"):
        Journal.open(path, boot_id=BOOT, strict=False)


def test_a_state_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    """With its name."""
    (tmp_path / "state").write_text("")
    with pytest.raises(JournalUnusable, match="state must be writable"):
        opened(tmp_path / "state" / "undo.jsonl")
