"""Whose a process is: nobody has root hold, move or freeze what is not their own."""

from pathlib import Path

from platforms.linux.processes.process_files import parse_uids, read_once

ROOT_UID = 0


def belongs_to(root: Path, pid: int, uid: int) -> bool:
    """Whether a process acts as this user alone; everything belongs to root.

    One that has only lowered itself to the user, or risen from it (``sudo``), is somebody else's:
    the kernel lets the user neither stop it nor move it.
    """
    if uid == ROOT_UID:
        return True
    try:
        return parse_uids(read_once(f"{root}/proc/{pid}/status")) == {uid}
    except OSError:
        return False
