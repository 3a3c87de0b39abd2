"""Whether the undo journal can be trusted: root will do what stands in it."""

import os
import stat
from pathlib import Path

from platforms.linux.errors import JournalUnusable

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check_folder(folder: Path) -> None:
    """Raise JournalUnusable unless only root, or who runs this, decides what is in `folder`.

    Checked: it is a folder; it and every folder above it belong to root or to this user; nobody
    else may write to it; above it others may write only where the sticky bit keeps them from
    renaming what is not theirs.
    """
    try:
        real = folder.resolve(strict=True)
        _check_one(real, sticky_is_enough=False)
        for above in real.parents:
            _check_one(above, sticky_is_enough=True)
    except OSError as error:
        if isinstance(error, JournalUnusable):
            raise
        raise _unusable(folder, "be readable", error.strerror or str(error), "") from error


def check_file(path: Path, found: os.stat_result) -> None:
    """Raise JournalUnusable unless the journal is a plain file that only its owner may touch.

    Checked: a regular file with one name, owned by this user, closed to all others (mode 0600).
    """
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, "be a plain file", stat.filemode(found.st_mode), "move it away")
    if found.st_nlink > 1:
        raise _unusable(path, "have one name", f"{found.st_nlink} hard links", "move it away")
    if found.st_uid != os.geteuid():
        hint = f"look into it, then: chown {os.geteuid()} {path}"
        raise _unusable(path, f"belong to user {os.geteuid()}", f"user {found.st_uid}", hint)
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        hint = f"look into it, then: chmod 600 {path}"
        raise _unusable(path, "be closed to others", f"mode {mode:04o}", hint)


def _check_one(folder: Path, *, sticky_is_enough: bool) -> None:
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise _unusable(folder, "be a folder", stat.filemode(found.st_mode), "move it away")
    if found.st_uid not in {0, os.geteuid()}:
        hint = f"chown {os.geteuid()} {folder}, or another state folder"
        raise _unusable(folder, "belong to root", f"user {found.st_uid}", hint)
    if found.st_mode & _OTHERS_WRITE and not (sticky_is_enough and found.st_mode & stat.S_ISVTX):
        mode = f"mode {stat.S_IMODE(found.st_mode):04o}"
        hint = f"chmod go-w {folder}, or another state folder"
        raise _unusable(folder, "be closed to other writers", mode, hint)


def _unusable(path: Path, must: str, got: str, way_out: str) -> JournalUnusable:
    tail = f"; {way_out}" if way_out else ""
    return JournalUnusable(f"{path} must {must} (got {got}){tail}")
