"""Who may change a file that root obeys: nobody but root, neither the file nor its folders."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

ROOT_UID = 0


def untrusted(path: Path, *, owner: int = ROOT_UID) -> Iterator[str]:
    """What lets others than root and `owner` (a uid) change `path`, one text per reason.

    Checked: the path's own folders and, where it leads through symbolic links, those of the file
    that it leads to; each must belong to root or `owner` and be writable by nobody else. A folder
    with the sticky bit may be writable: there nobody can replace what is another's. A part that
    does not exist can be changed by nobody who may not change its folder.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 -- links must stay
    seen = [absolute, *absolute.parents]
    try:
        leads_to = absolute.resolve()
    except (OSError, RuntimeError):  # a circle of links
        leads_to = absolute
    seen += [leads_to, *leads_to.parents]
    for part in dict.fromkeys(seen):
        yield from _untrusted_part(part, owner)


def _untrusted_part(part: Path, owner: int) -> Iterator[str]:
    try:
        found = part.lstat()
    except OSError:
        return
    if found.st_uid not in (ROOT_UID, owner):
        yield f"{part} must belong to root (belongs to user {found.st_uid}); chown it"
    if stat.S_ISLNK(found.st_mode):  # anybody may write through it, nobody may change it
        return
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        yield f"{part} must be writable by its owner only (has mode {mode}); chmod go-w it"
