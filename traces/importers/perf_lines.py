"""The lines of ``perf stat -I MS -x SEP``: what is in which column, and how they are read."""

import re
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from msgspec import Struct

from traces.importers.chunks import AHEAD, Chunk, Format, chunks
from traces.importers.quantities import TIME_S
from traces.importers.source import SourceFile

NOT_COUNTED, NOT_SUPPORTED = "<not counted>", "<not supported>"

_TIME, _PLACE, _PLACES, _VALUE, _UNIT, _EVENT = "time", "cpu", "cpus", "value", "unit", "event"
_LINE = re.compile(r" *\d+\.\d+ *([^ \w.<])")
_CPU = re.compile(r"CPU\d+")
_AGGREGATED = re.compile(r"[SNDLC]\d+(-[DLC]\d+)*")
_COUNT_HIGH = 1e18


class Shape(Struct, frozen=True):
    """How a file's lines are made: separator, columns, and what the second column names.

    `places` is ``cpu`` for lines per CPU (-A), ``group`` for lines per core, die, socket or node,
    ``none`` for one line per event.
    """

    separator: str
    columns: tuple[str, ...]
    places: str

    @property
    def event_at(self) -> int:
        """Where in a line the event's name is."""
        return self.columns.index(_EVENT)


class Lines(Struct, frozen=True):
    """Some lines: the time, the number of event and of place, and the value (NaN: not counted)."""

    time_s: np.ndarray
    event: np.ndarray
    place: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.time_s)


def shape_of(source: SourceFile) -> Shape:
    """How the lines of a file are made, by its first one that is no comment."""
    for number, line in enumerate(source.head(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line)
        if not found:
            source.fail(
                "must begin with a time in seconds and a separator, as 'perf stat -I 1000 -x,' "
                f"writes it (got {line[:60]!r})",
                line=number,
            )
        return _shape(source, number, line, found[1])
    return source.fail("must have lines of 'perf stat -I' (got none)")


def looks_like_perf(head: Sequence[str]) -> bool:
    """Whether the first line is a time with its separator, then a value or a place."""
    for line in head:
        if line.strip() and not line.lstrip().startswith("#"):
            found = _LINE.match(line)
            cells = [cell.strip() for cell in line.split(found[1])] if found else []
            return len(cells) >= len((_TIME, _VALUE, _UNIT, _EVENT)) and (
                _is_value(cells[1])
                or bool(_CPU.fullmatch(cells[1]))
                or bool(_AGGREGATED.fullmatch(cells[1]))
            )
    return False


def _shape(source: SourceFile, number: int, line: str, separator: str) -> Shape:
    cells = [cell.strip() for cell in line.split(separator)]
    second = cells[1] if len(cells) > 1 else ""
    names = [_TIME]
    places = "none"
    if _CPU.fullmatch(second):
        names, places = [*names, _PLACE], "cpu"
    elif _AGGREGATED.fullmatch(second):
        names, places = [*names, _PLACE, _PLACES], "group"
    elif not _is_value(second):
        source.fail(
            "must be a value, a CPU (-A) or a core (--per-core) after the time "
            f"(got {second[:40]!r}); threads are not read",
            line=number,
        )
    names += [_VALUE, _UNIT, _EVENT]
    if len(cells) < len(names):
        source.fail(f"must have at least {len(names)} columns (got {len(cells)})", line=number)
    more = [f"more{i}" for i in range(len(cells) - len(names))]
    return Shape(separator, (*names, *more), places)


def _is_value(cell: str) -> bool:
    if cell in (NOT_COUNTED, NOT_SUPPORTED):
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


class Names:
    """Numbers for names, in the order in which they come."""

    def __init__(self) -> None:
        """No names yet."""
        self.numbers: dict[str, int] = {}

    def of(self, names: list[str]) -> np.ndarray:
        """The number of each name."""
        numbers = self.numbers
        found = [numbers.setdefault(name, len(numbers)) for name in names]
        return np.array(found, np.int64)


class PerfFile:
    """A file's lines in order, with the events and places that came up so far."""

    def __init__(self, source: SourceFile) -> None:
        """Looks at the first lines."""
        self.source, self.shape = source, shape_of(source)
        self.events, self.places = Names(), Names()
        self.units: dict[str, str] = {}
        self.not_counted: dict[str, tuple[int, int]] = {}

    def lines(
        self, *, ahead: int = AHEAD, block_bytes: int | None = None
    ) -> Iterator[tuple[Chunk, Lines]]:
        """All lines, block by block, sorted by time; raises InvalidInput where time falls.

        `ahead` blocks of about `block_bytes` are read before they are asked for.
        """
        kind = pa.dictionary(pa.int32(), pa.string())
        types = {_TIME: pa.float64(), _VALUE: pa.float64(), _UNIT: kind, _EVENT: kind}
        if self.shape.places != "none":
            types[_PLACE] = kind
        format_ = Format(
            names=self.shape.columns,
            types=types,
            delimiter=self.shape.separator,
            skip_lines=0,
            clean=_without_comments,
            null_values=("", NOT_COUNTED, NOT_SUPPORTED),
            collects_others=True,
        )
        last_s = 0.0
        for chunk in chunks(self.source, format_, ahead=ahead, block_bytes=block_bytes):
            found = self._of(chunk, last_s)
            if not len(found):
                continue
            last_s = float(found.time_s[-1])
            yield chunk, found

    def _of(self, chunk: Chunk, last_s: float) -> Lines:
        regular = self._regular(chunk) if len(chunk) else _NONE
        self._check_rises(regular.time_s, last_s, chunk.line_of)
        if chunk.others:
            others = self._others(chunk)
            lines = [text.strip() for text in chunk.others]
            self._check_rises(others.time_s, last_s, lambda row: _line_with(chunk, lines[row]))
            both = [
                np.concatenate(pair) for pair in zip(_parts(regular), _parts(others), strict=True)
            ]
            order = np.argsort(both[0], kind="stable")
            regular = Lines(*(one[order] for one in both))
        return regular

    def _check_rises(
        self, time_s: np.ndarray, last_s: float, line_of: Callable[[int], int]
    ) -> None:
        before = np.concatenate([[last_s], time_s[:-1]])[: len(time_s)]
        if (time_s < before).any():
            row = int(np.argmax(time_s < before))
            self.source.fail(
                f"must not fall (got {time_s[row]:g} s after {before[row]:g} s); is it one run a "
                "file?",
                line=line_of(row),
                column=_TIME,
            )

    def _regular(self, chunk: Chunk) -> Lines:
        values = chunk.raw(_VALUE)
        counted = ~np.isnan(values)
        chunk.require(
            ~counted | ((values >= 0) & (values < _COUNT_HIGH)),
            _VALUE,
            lambda row: f"must not be negative (got {values[row]:g})",
        )
        if not counted.all():
            self._note_uncounted(chunk, int(np.argmin(counted)))
        time_s = chunk.number(_TIME, TIME_S)
        events = self._numbers(chunk, _EVENT, self.events)
        self._note_units(chunk, events)
        place = np.zeros(len(chunk), np.int64)
        if self.shape.places != "none":
            place = self._numbers(chunk, _PLACE, self.places)
        return Lines(time_s, events, place, values)

    def _numbers(self, chunk: Chunk, column: str, names: Names) -> np.ndarray:
        encoded = chunk.text(column)
        numbers = names.of(encoded.dictionary.to_pylist())
        if encoded.null_count:
            row = int(np.argmax(encoded.is_null().to_numpy(zero_copy_only=False)))
            chunk.fail(row, column, "must be a name (got nothing)")
        found: np.ndarray = numbers[encoded.indices.to_numpy()]
        return found

    def _note_units(self, chunk: Chunk, events: np.ndarray) -> None:
        """The unit of each event that is new."""
        known = [i for name, i in self.events.numbers.items() if name in self.units]
        new = np.setdiff1d(np.arange(len(self.events.numbers)), known)
        if not new.size:
            return
        names = list(self.events.numbers)
        units = chunk.text(_UNIT)
        for number in new.tolist():
            rows = np.flatnonzero(events == number)
            if rows.size:
                self.units[names[number]] = units[int(rows[0])].as_py() or ""

    def _note_uncounted(self, chunk: Chunk, row: int) -> None:
        text = chunk.block.text
        unknown = text.count(b"<not ")
        unsupported = text.count(NOT_SUPPORTED.encode()) if b"<not s" in text else 0
        for what, count in ((NOT_COUNTED, unknown - unsupported), (NOT_SUPPORTED, unsupported)):
            if count:
                before, line = self.not_counted.get(what, (0, chunk.line_of(row)))
                self.not_counted[what] = (before + count, line)

    def _others(self, chunk: Chunk) -> Lines:
        """Lines of another number of columns: perf leaves out or adds some at the end."""
        times, values, events, places = [], [], [], []
        for text in chunk.others:
            cells = _cells(text, self.shape)
            if cells is None:
                self.source.fail(
                    f"must be a line of 'perf stat -I' (got {text[:60]!r})",
                    line=_line_with(chunk, text),
                )
            times.append(float(cells[0]))
            values.append(np.nan if cells[1].startswith("<") else float(cells[1]))
            self.units.setdefault(cells[2], cells[4])
            events.append(cells[2])
            places.append(cells[3])
            if cells[1].startswith("<") and not len(chunk):
                self._note_uncounted(chunk, 0)
        place = np.zeros(len(times), np.int64)
        if self.shape.places != "none":
            place = self.places.of(places)
        return Lines(np.array(times), self.events.of(events), place, np.array(values))


_NONE = Lines(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def _parts(lines: Lines) -> tuple[np.ndarray, ...]:
    return lines.time_s, lines.event, lines.place, lines.value


def _cells(text: str, shape: Shape) -> tuple[str, str, str, str, str] | None:
    """Time, value, event, place and unit of a line; None where it is none."""
    cells = [cell.strip() for cell in text.rstrip("\r\n").split(shape.separator)]
    at = shape.event_at
    if len(cells) <= at:
        return None
    event = cells[at]
    for cell in cells[at + 1 :]:  # an event's own separators: cpu/event=0x3c,umask=0x0/
        if event.count("/") % 2 == 0:
            break
        event += shape.separator + cell
    place = cells[1] if shape.places != "none" else ""
    time_s, value = cells[0], cells[at - 2]
    try:
        good = 0 <= float(time_s) < TIME_S.high and event and _is_value(value)
        good = good and (value.startswith("<") or 0 <= float(value) < _COUNT_HIGH)
    except ValueError:
        return None
    return (time_s, value, event, place, cells[at - 1]) if good else None


def _line_with(chunk: Chunk, text: str) -> int:
    wanted = text.strip().encode()
    for number, line in enumerate(chunk.block.text.splitlines(), chunk.block.line):
        if line.strip() == wanted:
            return number
    return chunk.block.line


def _without_comments(text: bytes) -> bytes:
    """Comments as empty lines."""
    pieces, done, at = [], 0, text.find(b"#")
    while at >= 0:
        begin, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at)
        end = len(text) if end < 0 else end
        if not text[begin:at].strip():
            pieces.append(text[done:begin])
            done = end
        at = text.find(b"#", end)
    return b"".join([*pieces, text[done:]]) if pieces else text
