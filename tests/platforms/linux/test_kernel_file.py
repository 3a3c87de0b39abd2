"""Tests of files that stay open."""

from pathlib import Path

import pytest

from platforms.linux.errors import Unreadable
from platforms.linux.files.kernel_file import KernelFile, read_together


def open_files() -> set[str]:
    """The descriptors of this process; one of them is the folder's own, always the same."""
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_each_read_sees_the_present_content(tmp_path: Path) -> None:
    """Though the file is opened once."""
    path = tmp_path / "temp"
    path.write_text("45000\n")
    file = KernelFile(path)
    assert 45000 == file.read_int()
    path.write_text("46000\n")
    assert 46000 == file.read_int()


def test_a_missing_file_is_unreadable_and_named(tmp_path: Path) -> None:
    """The reason stands in the message, its number in errno."""
    with pytest.raises(Unreadable, match=r"temp must be readable \(got No such file") as caught:
        KernelFile(tmp_path / "temp").read_int()
    assert 2 == caught.value.errno


@pytest.mark.parametrize("rubbish", ["", "<unsupported>", "12 34", "nan"])
def test_what_is_no_number_is_unreadable(tmp_path: Path, rubbish: str) -> None:
    """Never a guess."""
    (tmp_path / "temp").write_text(rubbish)
    with pytest.raises(Unreadable, match="temp must be readable"):
        KernelFile(tmp_path / "temp").read_int()


def test_bytes_that_are_no_text_are_unreadable(tmp_path: Path) -> None:
    """A decoding error would be a fault of ilgov's."""
    (tmp_path / "name").write_bytes(b"\xff\xfe")
    with pytest.raises(Unreadable, match="no text"):
        KernelFile(tmp_path / "name").read_text()


def test_after_a_failure_the_file_is_opened_anew(tmp_path: Path) -> None:
    """What comes back may be another file of the same name."""
    path = tmp_path / "temp"
    path.write_text("rubbish")
    file = KernelFile(path)
    with pytest.raises(Unreadable):
        file.read_int()
    path.unlink()
    path.write_text("47000")
    assert 47000 == file.read_int()


def test_files_that_are_read_together_are_opened_at_the_first_read(tmp_path: Path) -> None:
    """And show the present content afterwards, in their order."""
    paths = [tmp_path / name for name in ("min", "max")]
    for path in paths:
        path.write_text("5\n")
    files = [KernelFile(path) for path in paths]
    assert [b"5\n", b"5\n"] == read_together(files)
    paths[1].write_text("7\n")
    assert [b"5\n", b"7\n"] == read_together(files)


def test_of_files_read_together_the_unreadable_one_is_named(tmp_path: Path) -> None:
    """The others can be read all the same, and it as soon as it is there."""
    paths = [tmp_path / name for name in ("min", "max")]
    paths[0].write_text("5")
    files = [KernelFile(path) for path in paths]
    with pytest.raises(Unreadable, match=r"max must be readable \(got No such file"):
        read_together(files)
    paths[1].write_text("7")
    assert [b"5", b"7"] == read_together(files)


def test_long_files_are_read_to_their_end(tmp_path: Path) -> None:
    """Those of /proc can be longer than a page."""
    (tmp_path / "stat").write_text("x" * 100_000)
    assert 100_000 == len(KernelFile(tmp_path / "stat").read_bytes())


def test_one_descriptor_is_used_and_given_back(tmp_path: Path) -> None:
    """However often it is read."""
    (tmp_path / "temp").write_text("1")
    before = open_files()
    file = KernelFile(tmp_path / "temp")
    for _ in range(10):
        file.read_int()
    assert 1 == len(open_files() - before)
    file.close()
    file.close()
    assert before == open_files()


def test_a_descriptor_is_given_back_with_its_owner(tmp_path: Path) -> None:
    """Whoever forgets to close it."""
    (tmp_path / "temp").write_text("1")
    before = open_files()
    KernelFile(tmp_path / "temp").read_int()
    assert before == open_files()
