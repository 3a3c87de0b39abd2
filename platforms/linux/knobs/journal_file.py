"""The journal's file: opened, locked and checked, read for one boot, written as a whole."""

import errno
import fcntl
import os
from pathlib import Path

from platforms.linux.errors import JournalUnusable
from platforms.linux.knobs.journal_entries import SCHEMA, Contents, read_contents
from platforms.linux.knobs.journal_trust import check_file

OPEN = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def make_folder(folder: Path) -> None:
    """Make the state folder, closed to others, if it is missing; raises JournalUnusable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise not_stored(folder, error) from error


def open_locked(path: Path, *, create: bool) -> int:
    """Open and lock the file that has this name now; another may be removing it.

    Raises JournalUnusable, and FileNotFoundError if there is none and `create` is False.
    """
    while True:
        try:
            descriptor = os.open(path, OPEN | (os.O_CREAT if create else 0), 0o600)
        except OSError as error:
            if not create and error.errno == errno.ENOENT:
                raise
            if create or error.errno != errno.EROFS:
                raise not_opened(path, error) from error
            descriptor = os.open(path, READ)
        try:
            _lock(path, descriptor)
            found = os.fstat(descriptor)
            check_file(path, found)
            if _is_still(path, found):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(path: Path, found: os.stat_result) -> bool:
    try:
        return path.lstat().st_ino == found.st_ino
    except FileNotFoundError:
        return False


def _lock(path: Path, descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = (
            f"{path} must be free (got: another ilgov holds it); stop that one first: "
            "systemctl stop ilgov"
        )
        raise JournalUnusable(message) from error


def read_for_boot(path: Path, descriptor: int, boot_id: str) -> Contents:
    """Return what holds for this boot; what is of another one is cut off by starting at 0."""
    data = b""
    while chunk := os.pread(descriptor, 1 << 20, len(data)):
        data += chunk
    contents = read_contents(data)
    if contents.header is None or contents.header.boot_id != boot_id:
        return Contents()
    if contents.header.schema != SCHEMA:
        message = (
            f"{path} must be of schema {SCHEMA} (got {contents.header.schema}); restore with the "
            "version of ilgov that wrote it, or reboot"
        )
        raise JournalUnusable(message)
    return contents


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it; a full disk may take a part before it fails."""
    while data:
        data = data[os.write(descriptor, data) :]


def not_opened(path: Path, error: OSError) -> JournalUnusable:
    """Return the error for a journal that cannot be opened."""
    if error.errno == errno.ELOOP:
        message = f"{path} must be a plain file (got a symbolic link); look into it, remove it"
        return JournalUnusable(message)
    return not_stored(path, error)


def not_stored(path: Path, error: OSError) -> JournalUnusable:
    """The undo cannot be stored; the caller must not write to the machine."""
    denied = isinstance(error, PermissionError)
    way_out = "run as root" if denied else "free the disk or choose another state folder"
    message = (
        f"{path} must be writable, as old values are stored there before anything is changed "
        f"(got: {error.strerror or error}); {way_out}"
    )
    unusable = JournalUnusable(message)
    unusable.errno = error.errno
    return unusable
