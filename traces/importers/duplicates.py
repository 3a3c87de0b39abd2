"""Find rows that are there twice, in files of any length: digests of rows, sorted into files."""

import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import IO

import numpy as np

_BUCKETS = 64
IN_MEMORY = 1 << 16
_MIX = np.uint64(0x9E3779B97F4A7C15)


def digests(columns: Sequence[np.ndarray]) -> np.ndarray:
    """A 64-bit number per row that depends on all columns.

    >>> len(set(digests([np.array([1.0, 2.0, 1.0]), np.array([3.0, 3.0, 3.0])])))
    2
    """
    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        bits = np.ascontiguousarray(column, np.float64).view(np.uint64)
        mixed ^= bits
        mixed *= _MIX
        mixed ^= mixed >> np.uint64(29)
    return mixed


class DuplicateRows:
    """Remembers rows by their digests, on disk; tells at the end which came twice.

    Memory holds a 64th of all digests at a time, and while rows come a few hundred thousand.
    """

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._files: list[IO[bytes] | None] = [None] * _BUCKETS
        self._waiting: list[np.ndarray] = []
        self._count = 0

    def __enter__(self) -> "DuplicateRows":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files:
            if file is not None:
                file.close()

    def add(self, rows: np.ndarray, lines: np.ndarray) -> None:
        """Remember rows (their `digests`) and what to say of where each is (a number)."""
        self._waiting.append(np.stack([rows, lines.astype(np.uint64)], axis=1))
        self._count += len(rows)
        if self._count >= IN_MEMORY:
            self._spill()

    def first(self) -> tuple[int, int] | None:
        """Where the first row that is there twice is, and where it was before; None: nowhere."""
        if self._files == [None] * _BUCKETS:
            return _first(np.concatenate(self._waiting) if self._waiting else _NOTHING)
        self._spill()
        found = [one for file in self._files if (one := _first(_content(file)))]
        return min(found, default=None)

    def _spill(self) -> None:
        if not self._waiting:
            return
        pairs = np.concatenate(self._waiting)
        self._waiting, self._count = [], 0
        bucket = (pairs[:, 0] >> np.uint64(58)).astype(np.int64)
        order = np.argsort(bucket, kind="stable")
        ends = np.searchsorted(bucket[order], np.arange(_BUCKETS + 1))
        for number in range(_BUCKETS):
            part = pairs[order[ends[number] : ends[number + 1]]]
            self._file(number).write(part.tobytes())

    def _file(self, number: int) -> IO[bytes]:
        file = self._files[number]
        if file is None:
            file = self._files[number] = tempfile.TemporaryFile()  # noqa: SIM115, of the object
        return file


_NOTHING = np.zeros((0, 2), np.uint64)


def _content(file: IO[bytes] | None) -> np.ndarray:
    if file is None:
        return _NOTHING
    file.seek(0)
    return np.frombuffer(file.read(), np.uint64).reshape(-1, 2)


def _first(pairs: np.ndarray) -> tuple[int, int] | None:
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    rows, where = pairs[order, 0], pairs[order, 1]
    again = np.flatnonzero(rows[1:] == rows[:-1])
    if not again.size:
        return None
    earliest = again[np.argmin(where[again + 1])]
    return int(where[earliest + 1]), int(where[earliest])
