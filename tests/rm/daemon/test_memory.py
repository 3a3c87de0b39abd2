"""Tests of what is given back after the start: only clean parts of files, and nothing breaks."""

import gc
from pathlib import Path

import pytest

from rm.daemon.memory import _mappings, give_back_start_up_memory

LINES = """\
{a:x}-{b:x} r-xp 00000000 fe:00 1234 /usr/lib/libm.so
{a:x}-{b:x} r--p 00000000 fe:00 1234 /usr/lib/libm.so (deleted)
{a:x}-{b:x} rw-p 00000000 fe:00 1234 /usr/lib/libm.so
{a:x}-{b:x} r-xs 00000000 fe:00 1234 /usr/lib/shared
{a:x}-{b:x} r-xp 00000000 00:00 0 [vdso]
{a:x}-{b:x} r--p 00000000 00:00 0
{a:x}-{b:x} rw-p 00000000 00:00 0 [heap]
not a mapping
"""


def test_only_what_can_be_read_again_from_a_file_is_given_back(tmp_path: Path) -> None:
    """Code and constants: no data that was written to, nothing without a file."""
    maps = tmp_path / "maps"
    maps.write_text(LINES.format(a=0x10000, b=0x30000))
    assert [(0x10000, 0x20000)] * 2 == list(_mappings(maps))


def test_file_names_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    """Files may be called anything."""
    maps = tmp_path / "maps"
    maps.write_bytes(b"10000-30000 r-xp 0 fe:00 1 /tmp/\xff\xfe.so\n")
    assert [(0x10000, 0x20000)] == list(_mappings(maps))


def test_a_process_goes_on_after_it_and_has_nothing_left_to_collect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it offers is some of its own files' pages; where the kernel refuses it is nothing."""
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))
    offered_bytes = give_back_start_up_memory()
    assert 0 <= offered_bytes < 1 << 40
    assert [True] == frozen
    assert 6 == sum(map(int, "123"))


def test_mappings_that_are_not_there_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel answers ENOMEM."""
    monkeypatch.setattr(gc, "freeze", lambda: None)
    maps = tmp_path / "maps"
    maps.write_text("1000-2000 r-xp 0 fe:00 1 /nowhere\n")
    assert 0 == give_back_start_up_memory(maps)
