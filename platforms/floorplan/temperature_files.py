"""HotSpot's temperatures: a field of all nodes (``.steady``), blocks over time (``.ttrace``).

Both are in kelvin with two decimals, as HotSpot 7 writes them. HotSpot 6 and older wrote traces in
degrees Celsius.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from platforms.floorplan.text_lines import TextLines, fault, number_in, significant

Vector = NDArray[np.float64]

_COLDEST_K, _HOTTEST_K = 150.0, 3000.0
_TABLE_K = 200.0


def write_steady(path: Path, names: Iterable[str], temp_k: Vector) -> None:
    """Write one line for each node, the blocks first."""
    lines = (f"{name}\t{value:.2f}\n" for name, value in zip(names, temp_k, strict=True))
    path.write_text("".join(lines), "utf-8")


def read_steady(path: Path, names: tuple[str, ...]) -> Vector:
    """The temperatures of the nodes `names`, in their order; the file must hold just these.

    Raises InvalidInput, naming file, line and column.
    """
    index = {name.lower(): i for i, name in enumerate(names)}
    temp_k = np.full(len(names), np.nan)
    for line, words in significant(TextLines(path)):
        if len(words) != 2:
            raise fault(path, line, f"must be: node temperature (got {len(words)} columns)")
        i = index.get(words[0].lower())
        if i is None:
            message = f"must name a node of the floorplan's network (got {words[0]!r})"
            raise fault(path, line, message, column=1)
        if not np.isnan(temp_k[i]):
            raise fault(path, line, f"must name each node once (got {words[0]!r} again)", column=1)
        temp_k[i] = _kelvin(path, line, 2, words[1])
    missing = [name for name, value in zip(names, temp_k, strict=True) if np.isnan(value)]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        raise InvalidInput(f"{path}: must hold every node of the network (missing: {shown})")
    return temp_k


def read_ttrace(path: Path) -> tuple[tuple[str, ...], Iterator[list[float]]]:
    """The blocks that a trace names, and its rows in kelvin: at the end of each step.

    Raises InvalidInput, naming file, line and column, for rows while they are read.
    """
    rows = ((line, text.split()) for line, text in TextLines(path) if not text.isspace())
    try:
        _, names = next(rows)
    except StopIteration:
        raise InvalidInput(f"{path}: must begin with the blocks' names (is empty)") from None
    return tuple(names), _rows(path, names, rows)


def _rows(
    path: Path, names: list[str], rows: Iterator[tuple[int, list[str]]]
) -> Iterator[list[float]]:
    for line, words in rows:
        if len(words) != len(names):
            message = f"must have {len(names)} columns, as the first line (got {len(words)})"
            raise fault(path, line, message)
        yield [_kelvin(path, line, column, word) for column, word in enumerate(words, start=1)]


def _kelvin(path: Path, line: int, column: int, word: str) -> float:
    value = number_in(path, line, column, "temperature", word)
    if not _COLDEST_K <= value <= _HOTTEST_K:
        message = (
            f"temperature must be in kelvin, {_COLDEST_K:g} ... {_HOTTEST_K:g} (got {word}; "
            "HotSpot 6 and older wrote degrees Celsius)"
        )
        raise fault(path, line, message, column=column)
    return value


class TraceWriter:
    """Writes a trace of block temperatures, batch by batch."""

    def __init__(self, handle: TextIO, names: tuple[str, ...]) -> None:
        self._handle = handle
        self._row = "\t".join(["%.2f"] * len(names)) + "\n"
        handle.write("\t".join(names) + "\n")

    def write(self, temp_k: NDArray[np.float64]) -> None:
        """Write a row for each row of `temp_k`, in kelvin."""
        low, high = float(temp_k.min()), float(temp_k.max())
        if high - low > _TABLE_K or high > _HOTTEST_K:
            self._handle.writelines([self._row % tuple(row) for row in temp_k.tolist()])
            return
        # Few different texts, many values: each text is made once, which is three times as fast
        hundredths = np.rint(temp_k * 100).astype(np.int64)
        first = int(hundredths.min())
        texts = [f"{value / 100:.2f}" for value in range(first, int(hundredths.max()) + 1)]
        cells = np.array(texts, dtype=object)[hundredths - first]
        self._handle.writelines(["\t".join(row) + "\n" for row in cells.tolist()])
