"""Tests of files that are replaced as a whole: what stands there when something goes wrong."""

import errno
import os
import tempfile
from pathlib import Path

import pytest

from platforms.atomic_file import replacing


def test_a_folder_in_the_files_place_is_refused_by_its_own_name(tmp_path: Path) -> None:
    """And nothing is left beside it."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(IsADirectoryError) as refused, replacing(folder):
        pass
    assert str(folder) == refused.value.filename
    assert [folder] == list(tmp_path.iterdir())


def test_a_place_that_may_not_be_written_is_named_as_it_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by the temporary file's name, which says nothing to anybody."""

    def denied(**_: object) -> tuple[int, str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "temporary")

    monkeypatch.setattr(tempfile, "mkstemp", denied)
    with pytest.raises(PermissionError) as refused, replacing(tmp_path / "board.toml"):
        pass
    assert str(tmp_path / "board.toml") == refused.value.filename


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """The new one appears whole or not at all."""
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(IsADirectoryError), replacing(path):
        tmp_path.read_text()
    assert "old" == path.read_text()
    assert [path] == list(tmp_path.iterdir())
