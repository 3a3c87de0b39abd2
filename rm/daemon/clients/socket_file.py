"""The socket's place in the file system: made safely, never taken from a daemon that lives."""

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platforms.errors import InvalidInput
from rm.daemon.configuration.settings import LONGEST_SOCKET_PATH
from rm.daemon.configuration.trusted_file import untrusted

MODE = 0o666
"""Every user may connect; who it is decides what it may do."""

BACKLOG = 64


class SocketFile:
    """A listening Unix socket at a path, with a lock beside it that says who serves it."""

    def __init__(self, path: Path) -> None:
        """Raises InvalidInput where the path cannot be used, and says what to do."""
        self.path = path
        _check(path)
        self._lock = _locked(path)
        try:
            _remove_stale(path)
            self.socket = _listening(path)
        except BaseException:
            os.close(self._lock)
            raise
        self._identity = _identity(path)

    def close(self) -> None:
        """Stop listening, and remove the file if it is still ours."""
        self.socket.close()
        if _identity(self.path) == self._identity:
            self.path.unlink(missing_ok=True)
        os.close(self._lock)


def _check(path: Path) -> None:
    length = len(os.fsencode(path))
    if length > LONGEST_SOCKET_PATH:
        raise InvalidInput(
            f"socket must have a path of at most {LONGEST_SOCKET_PATH} bytes (got {path}, {length})"
        )
    try:
        path.parent.mkdir(mode=0o755, exist_ok=True)
    except OSError as error:
        raise InvalidInput(
            f"socket must lie in a folder that can be made (got {path}: {error.strerror})"
        ) from error
    reasons = list(untrusted(path.parent, owner=os.geteuid()))
    if reasons:
        raise InvalidInput("\n".join(f"socket {path}: {reason}" for reason in reasons))


def _locked(path: Path) -> int:
    """An open file that is locked for as long as this process lives, however it ends."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock_path = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock_path, flags, 0o600)
    except OSError as error:
        raise InvalidInput(
            f"socket must lie where {lock_path} can be written ({error.strerror})"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise _served_already(path) from error
    return descriptor


def _served_already(path: Path) -> InvalidInput:
    return InvalidInput(
        f"socket must not be served already: another ilgov has {path}; stop it first "
        "('systemctl stop ilgov'), or name another socket"
    )


def _remove_stale(path: Path) -> None:
    """Remove the socket of a daemon that is dead; nothing else is ever removed."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise InvalidInput(f"socket must not be another kind of file (got {path}); remove it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(str(path))
    if answer != errno.ECONNREFUSED:
        raise _served_already(path)
    path.unlink()


def _listening(path: Path) -> socket.socket:
    """Nobody can connect before the mode is what it shall be."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        with _umask(0o177):
            listener.bind(str(path))
        listener.listen(BACKLOG)
        path.chmod(MODE)
    except OSError as error:
        listener.close()
        raise InvalidInput(f"socket {path}: must be one that can be made ({error})") from error
    return listener


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
