"""Tests of the undo journal: what is in it counts, whatever happened to who wrote it."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.linux.errors import JournalUnusable
from platforms.linux.knobs.journal import Journal, read_journal
from platforms.linux.knobs.journal_entries import ThreadMask, Undo, read_contents
from platforms.linux.managed import ProcessKey

BOOT = "11111111-2222-3333-4444-555555555555"
KEY = ProcessKey(100, 5000)
MASK = ThreadMask(5001, frozenset({0, 1, 2, 3}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal will be, in a folder that does not exist yet."""
    return tmp_path / "state" / "undo.jsonl"


def opened(path: Path, boot_id: str = BOOT) -> Journal:
    """The journal, opened as by a new run."""
    return Journal.open(path, boot_id=boot_id)


def test_what_was_stored_is_there_for_the_next_run(path: Path) -> None:
    """Files and threads alike."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "schedutil", "/sys/b": "1844000"})
    journal.remember_masks(KEY, {101: MASK})
    journal.close()
    again = opened(path)
    assert {"/sys/a": "schedutil", "/sys/b": "1844000"} == again.files
    assert {KEY: {101: MASK}} == again.masks


def test_the_first_old_value_is_the_true_one(path: Path) -> None:
    """The second may be ilgov's own."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "schedutil"})
    journal.remember_files({"/sys/a": "userspace"})
    journal.remember_masks(KEY, {101: MASK})
    journal.remember_masks(KEY, {101: ThreadMask(5001, frozenset({7}))})
    journal.close()
    again = opened(path)
    assert {"/sys/a": "schedutil"} == again.files
    assert {KEY: {101: MASK}} == again.masks


def test_it_is_lines_of_json_with_a_header(path: Path) -> None:
    """To be looked into by who has to."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "schedutil"})
    journal.remember_masks(KEY, {101: MASK})
    header, file, mask = map(json.loads, path.read_text().splitlines())
    assert {"kind": "header", "schema": 1, "boot_id": BOOT, "pid": os.getpid()} == header
    assert {"kind": "file", "path": "/sys/a", "old": "schedutil"} == file
    thread = {"tid": 101, "start": 5001, "old": "0-3"}
    assert {"kind": "affinity", "pid": 100, "start_ticks": 5000, "threads": [thread]} == mask


def test_only_its_owner_may_read_or_write_it(path: Path) -> None:
    """Mode 0600, in a folder of mode 0700."""
    opened(path)
    assert 0o600 == path.stat().st_mode & 0o777
    assert 0o700 == path.parent.stat().st_mode & 0o777


def test_a_journal_of_another_boot_is_void(path: Path) -> None:
    """After a boot the kernel's knobs are fresh; process numbers mean nothing any more."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "schedutil"})
    journal.close()
    assert not read_journal(path, boot_id="another")
    again = opened(path, "another")
    assert {} == again.files
    assert "schedutil" not in path.read_text()


def test_a_torn_last_line_is_cut_off(path: Path) -> None:
    """What it would have undone was not yet written. The next entry starts a line of its own."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "schedutil"})
    journal.close()
    with path.open("a") as file:
        file.write('{"kind":"file","path":"/sys/b","ol')
    again = opened(path)
    assert {"/sys/a": "schedutil"} == again.files
    again.remember_files({"/sys/c": "1"})
    again.close()
    assert {"/sys/a": "schedutil", "/sys/c": "1"} == opened(path).files


@given(cut=st.integers(0, 2000))
def test_cut_anywhere_it_holds_what_was_whole(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Never an error, never a value that was not stored."""
    path = tmp_path_factory.mktemp("cut") / "undo.jsonl"
    journal = opened(path)
    old = {f"/sys/{number}": str(number) for number in range(20)}
    for name, value in old.items():
        journal.remember_files({name: value})
    journal.close()
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    whole = max(0, data.count(b"\n") - 1)  # the header is no entry
    assert dict(list(old.items())[:whole]) == opened(path).files


@given(st.binary(max_size=300))
def test_rubbish_is_no_undo(data: bytes) -> None:
    """Damaged lines are counted and passed over."""
    contents = read_contents(data)
    assert not contents.undo
    assert contents.good_bytes <= len(data)


def test_a_damaged_line_does_not_hide_the_others(path: Path) -> None:
    """They are what is left to be undone."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "schedutil"})
    journal.close()
    with path.open("a") as file:
        file.write("\0\0\0\n")
    again = opened(path)
    again.remember_files({"/sys/b": "1"})
    again.close()
    last = opened(path)
    assert {"/sys/a": "schedutil", "/sys/b": "1"} == last.files
    assert 1 == last.damaged_lines


def test_two_cannot_hold_it(path: Path) -> None:
    """A restore under a running daemon would be undone by it at once."""
    first = opened(path)
    with pytest.raises(JournalUnusable, match=r"another ilgov holds it.*systemctl stop ilgov"):
        opened(path)
    first.close()
    opened(path)


def test_one_that_is_read_only_is_not_held(path: Path) -> None:
    """A dry run looks beside a running daemon."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "schedutil"})
    assert {"/sys/a": "schedutil"} == read_journal(path, boot_id=BOOT).files
    assert not read_journal(path.with_name("none"), boot_id=BOOT)


def test_a_newer_layout_is_refused(path: Path) -> None:
    """Half understood, it would be half undone."""
    opened(path).close()
    path.write_text(path.read_text().replace('"schema":1', '"schema":9'))
    with pytest.raises(JournalUnusable, match=r"must be of schema 1 \(got 9\); restore with"):
        opened(path)


def test_a_released_process_is_not_undone_again(path: Path) -> None:
    """Its threads are its user's own again."""
    journal = opened(path)
    journal.remember_masks(KEY, {101: MASK})
    journal.release(KEY)
    journal.close()
    again = opened(path)
    assert {} == again.masks
    again.remember_masks(KEY, {101: ThreadMask(5001, frozenset({2}))})
    again.close()
    assert frozenset({2}) == opened(path).masks[KEY][101].cores


def test_what_is_kept_is_all_that_is_left(path: Path) -> None:
    """After a restore that failed in part."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "1", "/sys/b": "2"})
    journal.remember_masks(KEY, {101: MASK})
    journal.keep_only(Undo(files={"/sys/b": "2"}))
    journal.remember_files({"/sys/c": "3"})
    journal.close()
    again = opened(path)
    assert {"/sys/b": "2", "/sys/c": "3"} == again.files
    assert {} == again.masks


def test_emptied_it_can_be_used_again(path: Path) -> None:
    """Knobs are given back and taken again while the daemon runs."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "1"})
    journal.keep_only(Undo())
    assert not read_journal(path, boot_id=BOOT)
    journal.remember_files({"/sys/a": "2"})
    assert {"/sys/a": "2"} == read_journal(path, boot_id=BOOT).files


def test_compacting_drops_the_dead(path: Path) -> None:
    """A fork storm must not fill the disk; the lock goes over to the new file."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "1"})
    for pid in range(1000):
        journal.remember_masks(ProcessKey(pid, 1), {pid: ThreadMask(1, frozenset({0}))})
    size = path.stat().st_size
    journal.compact(lambda tid, _: tid == 500)
    assert size / 100 > path.stat().st_size
    with pytest.raises(JournalUnusable):
        opened(path)
    journal.remember_files({"/sys/b": "2"})
    journal.close()
    again = opened(path)
    assert {"/sys/a": "1", "/sys/b": "2"} == again.files
    assert [ProcessKey(500, 1)] == list(again.masks)
    assert [path] == list(path.parent.iterdir())


def test_it_knows_when_compacting_pays(path: Path) -> None:
    """Not at every entry."""
    journal = opened(path)
    assert not journal.has_grown
    journal.remember_masks(KEY, dict.fromkeys(range(8000), MASK))
    assert journal.has_grown
    journal.compact(lambda tid, _: True)
    assert not journal.has_grown


def test_removed_it_is_gone_and_free(path: Path) -> None:
    """Nothing is left to undo."""
    journal = opened(path)
    journal.remember_files({"/sys/a": "1"})
    journal.remove()
    assert not path.exists()
    assert {} == opened(path).files
