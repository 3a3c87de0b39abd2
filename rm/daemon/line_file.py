"""A file of lines that is rotated: each line is in it whole, or not at all."""

import contextlib
import errno
import os
from pathlib import Path

_OPEN = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class LineFile:
    """Appends to the file at `path`; every method raises OSError and can be called again after.

    A line that would make it larger than `max_bytes` begins a new file: the old one becomes
    ``path.1``, that one ``path.2`` and so on; `kept_files` old ones stay.
    """

    def __init__(self, path: Path, *, max_bytes: int, kept_files: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._kept_files = kept_files
        self._size_bytes = 0
        self._descriptor = -1
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def append(self, line: bytes) -> None:
        """Write a line, its line break included."""
        if self._descriptor < 0:
            self._open()
        if self._size_bytes and self._size_bytes + len(line) > self._max_bytes:
            self._rotate()
        written = os.write(self._descriptor, line)
        if written < len(line):  # the disk is full now
            os.ftruncate(self._descriptor, self._size_bytes)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._size_bytes += written

    def close(self) -> None:
        """Close it; `append` opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self._descriptor = os.open(self._path, _OPEN, 0o644)
        self._size_bytes = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept_files, 0, -1):
            younger = self._numbered(number - 1) if number > 1 else self._path
            with contextlib.suppress(FileNotFoundError):
                younger.rename(self._numbered(number))
        if not self._kept_files:
            self._path.unlink(missing_ok=True)
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
