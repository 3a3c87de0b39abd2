"""Notices whether this process changes anything on the machine, by Python's audit events."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

_CHANGES = frozenset(
    {
        "os.chflags",
        "os.chmod",
        "os.chown",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.kill",
        "os.link",
        "os.mkdir",
        "os.mkfifo",
        "os.mknod",
        "os.posix_spawn",
        "os.putenv",
        "os.remove",
        "os.removexattr",
        "os.rename",
        "os.rmdir",
        "os.setxattr",
        "os.symlink",
        "os.system",
        "os.truncate",
        "os.unlink",
        "os.utime",
        "subprocess.Popen",
    }
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_watching: list[list[str]] = []
_added: list[bool] = []


@contextlib.contextmanager
def no_change_of_the_machine() -> Iterator[None]:
    """Fail at the end if anything was written, made, removed or started meanwhile."""
    if not _added:
        sys.addaudithook(_hear)  # there is no way to remove it
        _added.append(True)
    changes: list[str] = []
    _watching.append(changes)
    try:
        yield
    finally:
        _watching.remove(changes)
    assert [] == changes


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if not _watching:
        return
    writes = event == "open" and isinstance(args[2], int) and args[2] & _WRITING
    if writes or event in _CHANGES:
        for changes in _watching:
            changes.append(f"{event} {args}")
