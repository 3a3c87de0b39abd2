"""Since when processes and threads run: what tells one from the next with the same number."""

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

_ENOUGH_BYTES = 1024
_MOST_CHILDREN_BYTES = 65536
_PARENT, _START = 1, 19
"""Fields 4 and 22 of ``/proc/PID/stat``, counted from the one behind the name."""


class Life(Struct, frozen=True, gc=False):
    """A process's parent, and its start in clock ticks since boot."""

    parent: int
    start_ticks: int


def read_life(root: Path, pid: int) -> Life | None:
    """Return what is known of a process; None if there is none. A thread's number does as well."""
    return _read(f"{root}/proc/{pid}/stat")


def start_of_thread(root: Path, pid: int, tid: int) -> int | None:
    """Return when a thread started, clock ticks since boot; None if it is gone.

    `pid` is the process that it probably belongs to. The kernel also shows a thread as
    ``/proc/TID``, though no listing has it, so that descendants' threads are found as well.
    """
    life = _read(f"{root}/proc/{pid}/task/{tid}/stat") or _read(f"{root}/proc/{tid}/stat")
    if life is None and root != Path("/"):
        found = next(root.glob(f"proc/[0-9]*/task/{tid}/stat"), None)
        life = _read(str(found)) if found else None
    return life.start_ticks if life else None


def read_all_lives(root: Path) -> dict[int, Life]:
    """Return every process that runs now."""
    found: dict[int, Life] = {}
    for pid in _pids(f"{root}/proc"):
        life = _read(f"{root}/proc/{pid}/stat")
        if life is not None:
            found[pid] = life
    return found


def threads_of(root: Path, pid: int) -> list[int]:
    """Return the threads that a process has now; none if it is gone."""
    return list(_pids(f"{root}/proc/{pid}/task"))


def threads_of_family(root: Path, pid: int) -> list[int]:
    """Return the threads of a process and of its descendants, as far as the kernel lists children.

    Kernels without ``CONFIG_PROC_CHILDREN`` list none.
    """
    family, found = [pid], []
    for member in family:  # grows while it is walked
        tids = threads_of(root, member)
        found += tids
        for tid in tids:
            children = _content(f"{root}/proc/{member}/task/{tid}/children", _MOST_CHILDREN_BYTES)
            family += [int(child) for child in (children or b"").split()]
    return found


def _pids(folder: str) -> Iterator[int]:
    try:
        with os.scandir(folder) as found:
            yield from [int(entry.name) for entry in found if entry.name.isdigit()]
    except OSError:
        return


def _read(path: str) -> Life | None:
    """Parse a ``stat`` file; the name in it may hold spaces and parentheses."""
    data = _content(path, _ENOUGH_BYTES)
    fields = data[data.rfind(b")") + 1 :].split() if data else []
    if len(fields) <= _START:
        return None
    return Life(int(fields[_PARENT]), int(fields[_START]))


def _content(path: str, most_bytes: int) -> bytes | None:
    """Return what a file says; None if it is gone, also if that happens while it is read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(descriptor, most_bytes)
    except OSError:
        return None
    finally:
        os.close(descriptor)
