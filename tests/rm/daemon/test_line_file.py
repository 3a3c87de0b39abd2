"""Tests of the rotated file of lines: a line is whole, or not there."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm.daemon.line_file import LineFile


@contextmanager
def no_file_larger_than(most_bytes: int) -> Iterator[None]:
    """The kernel's own limit, which writes meet as they meet a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(path: Path) -> dict[str, str]:
    """What is in the folder."""
    return {file.name: file.read_text() for file in path.parent.iterdir()}


def test_old_files_are_numbered_and_the_oldest_goes(tmp_path: Path) -> None:
    """The file never exceeds its size."""
    path = tmp_path / "log"
    file = LineFile(path, max_bytes=10, kept_files=2)
    for line in (b"1111\n", b"2222\n", b"3333\n", b"4444\n", b"5555\n", b"6666\n", b"7777\n"):
        file.append(line)
    file.close()
    expected = {"log": "7777\n", "log.1": "5555\n6666\n", "log.2": "3333\n4444\n"}
    assert expected == contents(path)


def test_none_may_be_kept(tmp_path: Path) -> None:
    """Then the file begins anew."""
    file = LineFile(tmp_path / "log", max_bytes=10, kept_files=0)
    for line in (b"1111\n", b"2222\n", b"3333\n"):
        file.append(line)
    assert {"log": "3333\n"} == contents(tmp_path / "log")


def test_a_line_longer_than_the_file_may_be_has_one_for_itself(tmp_path: Path) -> None:
    """It is not lost, and no empty file is kept for it."""
    file = LineFile(tmp_path / "log", max_bytes=10, kept_files=3)
    file.append(b"x" * 20 + b"\n")
    file.append(b"y\n")
    assert {"log": "y\n", "log.1": "x" * 20 + "\n"} == contents(tmp_path / "log")


def test_it_goes_on_where_an_earlier_run_ended(tmp_path: Path) -> None:
    """Its size counts."""
    path = tmp_path / "log"
    path.write_text("11111111\n")
    LineFile(path, max_bytes=10, kept_files=1).append(b"2222\n")
    assert {"log": "2222\n", "log.1": "11111111\n"} == contents(path)


@pytest.mark.parametrize("length", [100, 30_000])
def test_a_full_disk_leaves_no_half_of_a_line(tmp_path: Path, length: int) -> None:
    """Whoever reads it can read all of it; when there is room again it goes on."""
    path = tmp_path / "log"
    file = LineFile(path, max_bytes=10_000_000, kept_files=1)
    line = b"x" * (length - 1) + b"\n"
    file.append(line)
    with no_file_larger_than(length + length // 2):
        for _ in range(3):
            with pytest.raises(OSError, match=r"No space left|File too large"):
                file.append(line)
    file.append(line)
    assert line * 2 == path.read_bytes()


def test_a_folder_that_is_gone_costs_lines_until_it_is_back(tmp_path: Path) -> None:
    """The file is opened again at the next line."""
    path = tmp_path / "logs/log"
    file = LineFile(path, max_bytes=10, kept_files=1)
    file.append(b"11111111\n")
    path.unlink()
    path.parent.rmdir()
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            file.append(b"2222\n")
    path.parent.mkdir()
    file.append(b"3333\n")
    assert {"log": "3333\n"} == contents(path)


@given(
    lengths=st.lists(st.integers(1, 30), max_size=40),
    max_bytes=st.integers(1, 60),
    kept_files=st.integers(0, 3),
)
def test_the_last_lines_are_there_in_order(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], max_bytes: int, kept_files: int
) -> None:
    """Whatever their lengths; no file is larger than it may be, but for a single line's sake."""
    path = tmp_path_factory.mktemp("log") / "log"
    file = LineFile(path, max_bytes=max_bytes, kept_files=kept_files)
    lines = [f"{number:x<{length}}\n" for number, length in enumerate(lengths)]
    for line in lines:
        file.append(line.encode())
    file.close()
    names = [*(f"log.{number}" for number in range(kept_files, 0, -1)), "log"]
    found = contents(path)
    assert found.keys() <= set(names)
    text = "".join(found.get(name, "") for name in names)
    assert "".join(lines).endswith(text)
    assert not lines or text
    for content in found.values():
        assert len(content) <= max_bytes or content.count("\n") == 1
