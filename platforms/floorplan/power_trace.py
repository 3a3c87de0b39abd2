"""Read a power trace in HotSpot's format (``.ptrace``), a piece at a time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from platforms.floorplan.text_lines import TextLines, fault, number_in

_VALUES_AT_ONCE = 1 << 17


class PowerTrace:
    """The rows of a trace: watts per block and step. Its first line names the blocks, in any order.

    However long the file is, about a megabyte of numbers is held at a time.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        """`names` are the floorplan's blocks: the trace must name each of them once.

        Raises InvalidInput, naming file, line and column.
        """
        self.path = path
        self._lines = TextLines(path)
        self._rows = ((line, text) for line, text in self._lines if not text.isspace())
        try:
            line, head = next(self._rows)
        except StopIteration:
            raise InvalidInput(f"{path}: must begin with the blocks' names (is empty)") from None
        self.header = tuple(head.split())
        self.order = _order(path, line, self.header, names)
        """For each column the block's index in the floorplan."""

    @property
    def bytes_read(self) -> int:
        """How far reading came."""
        return self._lines.bytes_read

    def batches(self) -> Iterator[NDArray[np.float64]]:
        """Some rows at a time, the columns in the trace's own order."""
        most = max(1, _VALUES_AT_ONCE // len(self.header))
        rows: list[list[float]] = []
        any_row = False
        for line, text in self._rows:
            rows.append(self._values(line, text))
            if len(rows) == most:
                yield np.array(rows)
                any_row, rows = True, []
        if rows:
            yield np.array(rows)
        elif not any_row:
            raise InvalidInput(f"{self.path}: must hold at least one row of powers (got none)")

    def _values(self, line: int, text: str) -> list[float]:
        words = text.split()
        if len(words) != len(self.header):
            message = f"must have {len(self.header)} columns, as the first line (got {len(words)})"
            raise fault(self.path, line, message)
        try:
            values = list(map(float, words))
        except ValueError:
            values = []
        if values and "_" not in text and min(values) >= 0.0 and sum(values) < np.inf:
            return values
        raise self._wrong_value(line, words)

    def _wrong_value(self, line: int, words: list[str]) -> InvalidInput:
        for column, (name, word) in enumerate(zip(self.header, words, strict=True), start=1):
            value = number_in(self.path, line, column, f"power of {name}", word)
            if value < 0:
                message = f"power of {name} must not be negative (got {word})"
                return fault(self.path, line, message, column=column)
        return fault(self.path, line, "powers must have a finite sum")


def _order(
    path: Path, line: int, header: tuple[str, ...], names: tuple[str, ...]
) -> NDArray[np.int64]:
    index = {name.lower(): i for i, name in enumerate(names)}
    first: dict[str, int] = {}
    for column, name in enumerate(header, start=1):
        key = name.lower()
        if key not in index:
            message = f"must name blocks of the floorplan (got {name!r})"
            raise fault(path, line, message, column=column)
        if key in first:
            message = f"must name each block once (got {name!r}, as in column {first[key]})"
            raise fault(path, line, message, column=column)
        first[key] = column
    missing = [name for name in names if name.lower() not in first]
    if missing:
        raise fault(path, line, f"must name every block of the floorplan (missing: {missing})")
    return np.array([index[name.lower()] for name in header])
