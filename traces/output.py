"""Find out before hours of work whether their result can be written."""

import os
from pathlib import Path

from platforms.errors import InvalidInput


def check_output_file(path: Path, *, option: str = "--out") -> None:
    """Raise InvalidInput where a file cannot be put to `path`; nothing is made or touched."""
    if path.is_dir():
        raise InvalidInput(f"{option} must be a file (got the folder {path})")
    _check_folder(path.parent, path, option)


def check_output_folder(path: Path, *, option: str = "--out") -> None:
    """Raise InvalidInput where files cannot be put into `path`; nothing is made or touched."""
    _check_folder(path, path, option)


def _check_folder(folder: Path, asked: Path, option: str) -> None:
    """The nearest folder that is there must take new files or folders."""
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise InvalidInput(f"{option} must lie in a folder ({there} is none) (got {asked})")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InvalidInput(
            f"{option} must lie in a folder that this user may write to ({there} is not) "
            f"(got {asked})"
        )
