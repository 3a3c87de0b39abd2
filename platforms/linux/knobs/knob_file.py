"""One file that steers the kernel: opened once inside the root, written and read in place."""

import errno
import os
import stat
from pathlib import Path

from platforms.linux.errors import WriteRefused
from platforms.linux.files.kept_file import KeptFile

_ENOUGH_BYTES = 4096
_TOP = "sys"
"""The only folder under the root in which ilgov writes."""


class KnobFile(KeptFile):
    """The file at `path` ("/sys/...") under `root`. Every method raises WriteRefused.

    `path` is then the file's own, without the links that led to it, so that a knob with two names
    is one. It is kept open. Its folder must lie in the root's ``/sys`` once all links are followed,
    and its last part must not be a link: who can make links elsewhere must not choose what root
    writes to.
    """

    __slots__ = ("_is_plain", "_root", "path")

    def __init__(self, root: Path, path: str) -> None:
        super().__init__()
        target = _inside(root, path)
        self.path = f"/{_TOP}/{target.relative_to((root / _TOP).resolve())}"
        self._root = root
        self._is_plain = False

    def read(self) -> str:
        """Return what the file says, without white space at its ends."""
        try:
            return os.pread(self._open(), _ENOUGH_BYTES, 0).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            self.close()
            raise refused(self.path, "be readable", error) from error

    def write(self, value: str) -> None:
        """Write a value; a file that was replaced since it was opened is opened once more."""
        data = value.encode() or b"\n"  # writing nothing at all would not reach the kernel
        try:
            self._write(data)
        except OSError:
            self.close()
            try:
                self._write(data)
            except OSError as error:
                self.close()
                raise refused(self.path, f"take {value!r}", error) from error

    def _write(self, data: bytes) -> None:
        descriptor = self._open()
        if self._is_plain:
            data = _covering(data, os.fstat(descriptor).st_size)
        os.pwrite(descriptor, data, 0)

    def _open(self) -> int:
        if self._descriptor < 0:
            target = _inside(self._root, self.path)
            flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            self._descriptor = os.open(target, flags)
            found = os.fstat(self._descriptor)
            if not stat.S_ISREG(found.st_mode):
                self.close()
                raise refused(self.path, "be a plain file", stat.filemode(found.st_mode))
            # The kernel says 4096 for a file of sysfs and 0 for one of a control group, whatever is
            # in it; neither lies on the file system of the root itself.
            is_of_root = found.st_dev == self._root.stat().st_dev
            self._is_plain = is_of_root and found.st_size < _ENOUGH_BYTES
        return self._descriptor


def refused(path: str, must: str, why: OSError | UnicodeDecodeError | str) -> WriteRefused:
    """Return the error for a knob that cannot be turned."""
    if isinstance(why, WriteRefused):
        return why
    got = (why.strerror or str(why)) if isinstance(why, OSError) else str(why)
    error = WriteRefused(f"{path} must {must} (got: {got})")
    error.errno = why.errno if isinstance(why, OSError) else None
    return error


def _covering(data: bytes, size_bytes: int) -> bytes:
    """Return what to write to a file of a fake root, which does not forget a longer old content.

    An empty one stands there for a file that the kernel gives an error for.
    """
    if size_bytes == 0:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    return data.ljust(size_bytes, b"\n")


def _inside(root: Path, path: str) -> Path:
    """Return the real place of a knob, which must be in the root's ``/sys``."""
    top = (root / _TOP).resolve()
    asked = root / path.lstrip("/")
    folder = asked.parent.resolve()
    if asked.name in {"", ".."} or not folder.is_relative_to(top):
        raise refused(path, "lie in /sys", str(folder))
    return folder / asked.name
