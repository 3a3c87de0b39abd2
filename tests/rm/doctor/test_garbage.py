"""Whatever the files of a machine say, probe and doctor end with a report."""

import random
from pathlib import Path

import pytest

from platforms.board_file import parse_board
from platforms.linux.probe.board_text import board_text
from platforms.linux.probe.probe import probe
from platforms.linux.probe.probe_report import probe_document, probe_lines
from rm.doctor.described import examine_policy
from rm.doctor.examination import EXAMINATIONS
from rm.doctor.subject import machine
from tests.platforms.linux.fake_root import FakeRoot

GARBAGE = (b"", b"garbage", b"-1", b"0", b"9" * 26, b"\xff\xfe\x00\x01")
SAMPLE = 5


def look_at(root: Path) -> None:
    """Probe and doctor; a policy's network does not come from the machine, and takes long."""
    found = probe(root)
    assert list(probe_lines(found))
    assert probe_document(found)
    if found.board is not None:
        assert found.board == parse_board(board_text(found.board), origin="probed")
    for look in EXAMINATIONS:
        if look is not examine_policy:
            list(look(machine(root, None)))


def files_of(root: FakeRoot) -> list[Path]:
    """All its files, each once."""
    every = sorted(root.path.rglob("*"))
    return [path for path in every if path.is_file() and not path.is_symlink()]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_machine_of_garbage_is_looked_at_without_a_traceback(
    tmp_path: Path, garbage: bytes
) -> None:
    """All files say the same nonsense."""
    root = FakeRoot(tmp_path)
    for path in files_of(root):
        path.write_bytes(garbage)
    look_at(root.path)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_file_of_garbage_is_looked_at_without_a_traceback(tmp_path: Path, garbage: bytes) -> None:
    """A few files at a time, those that once were trusted too much always."""
    root = FakeRoot(tmp_path)
    chosen = random.Random(garbage).sample(files_of(root), SAMPLE)
    cpu = root.path / "sys/devices/system/cpu"
    chosen += [cpu / "present", cpu / "cpu0/cache/index2/shared_cpu_list"]
    chosen.append(root.path / "proc/sys/kernel/osrelease")
    for path in chosen:
        before = path.read_bytes()
        path.write_bytes(garbage)
        look_at(root.path)
        path.write_bytes(before)
