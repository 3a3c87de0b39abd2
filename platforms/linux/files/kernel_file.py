"""A file of the kernel that is read over and over: opened once, read from its start each time."""

import os
from collections.abc import Sequence
from pathlib import Path

from platforms.linux.errors import Unreadable
from platforms.linux.files.kept_file import KeptFile

_CHUNK_BYTES = 4096


class KernelFile(KeptFile):
    """The file at `path`, opened at the first read and kept.

    A failed read, or a content that is no number where one is asked for, raises Unreadable with the
    path and closes the file, so that the next read opens it anew: it may be another one by then.
    """

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = str(path)

    def read_bytes(self) -> bytes:
        """Return the whole content as it is now."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            data = os.pread(self._descriptor, _CHUNK_BYTES, 0)
            return data if len(data) < _CHUNK_BYTES else self._read_on(data)
        except OSError as error:
            self.close()
            raise self._unreadable(error.strerror or str(error), error.errno) from error

    def read_start(self, length: int) -> bytes:
        """Return its first bytes, at most `length`: what follows would cost the kernel as much."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(self._descriptor, length, 0)
        except OSError as error:
            self.close()
            raise self._unreadable(error.strerror or str(error), error.errno) from error

    def read_text(self) -> str:
        """Return the content as text, without white space at its ends."""
        try:
            return self.read_bytes().decode().strip()
        except UnicodeDecodeError as error:
            self.close()
            raise self._unreadable("content that is no text") from error

    def read_int(self) -> int:
        """Return the content as a whole number."""
        return self.number(self.read_bytes())

    def number(self, data: bytes) -> int:
        """Return what was read as a whole number."""
        try:
            return int(data)
        except ValueError:
            self.close()
            raise self._unreadable(repr(data[:40].decode(errors="replace"))) from None

    def _read_on(self, data: bytes) -> bytes:
        while more := os.pread(self._descriptor, 16 * _CHUNK_BYTES, len(data)):
            data += more
        return data

    def _unreadable(self, got: str, number: int | None = None) -> Unreadable:
        error = Unreadable(f"{self.path} must be readable (got {got})")
        error.errno = number
        return error


def read_together(files: Sequence[KernelFile]) -> list[bytes]:
    """What each shows, a line, as `KernelFile.read_bytes` would of one after the other.

    What these calls cost beside the system call is saved where all are open and can be read.
    """
    shown = []
    try:
        for file in files:  # a comprehension would be a function of its own
            shown.append(os.pread(file._descriptor, _CHUNK_BYTES, 0))
        return shown
    except OSError:  # among others since one is not open
        return [file.read_bytes() for file in files]
