"""Heating traces of sbc-bench: clocks, load and temperature of boards under benchmarks."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from platforms.errors import InvalidInput
from traces.importers.chunks import Chunk, Format, check_names, chunks, header
from traces.importers.importer import Reading, Request, Tally
from traces.importers.machine import check_clock, layout_of
from traces.importers.quantities import (
    FREQ_MHZ,
    PERCENT,
    POWER_W,
    TEMP_C,
    TIME_S,
    VOLT_V,
    Quantity,
)
from traces.importers.rows import repeated, rows, unknown
from traces.importers.source import SourceFile
from traces.measurements import Layout

_RUN, _BOARD, _TIME, _BIG, _LITTLE = "file", "board", "t_s", "big_mhz", "little_mhz"
_LOAD, _CPU, _TEMP, _VOLT, _POWER = "load1", "cpu_pct", "temp_c", "vcore_v", "pmic_w"
_FLOATS = (_TIME, _BIG, _LITTLE, _LOAD, _CPU, _TEMP, _VOLT, _POWER)
_EXTRA = ("load.average_1min", "load.cpu_share", "rail.pmic_w")
_LOAD_RANGE = Quantity("", 0, 1e4)
_SWAPPED = "rows with swapped clock columns, put right (not dropped)"
_REPEATED = "rows at the time of the row before"


class SbcBench:
    """The importer."""

    name = "sbc-bench"
    manual = """\
sbc-bench heating table, comma-separated, columns found by name, one row a reading of a log.
file (the run), board, t_s (s from the run's start), big_mhz, little_mhz (MHz, empty on boards
with one cluster), load1, cpu_pct (% of all CPUs), temp_c (°C), vcore_v (V), pmic_w (W).
The runs of several boards may be in a file: --runs picks those of yours. Rules: time must not
fall within a run; a row at the same second as the one before is dropped; where the "big" clock
of a whole run never reaches the highest "little" one, the columns are swapped and are put right
and counted."""

    def sniff(self, head: Sequence[str]) -> bool:
        """The table's names, comma-separated."""
        return bool(head) and {_RUN, _BOARD, _TIME, _BIG} <= set(head[0].split(","))

    def read(self, sources: Sequence[SourceFile], asked: Request, tally: Tally) -> Reading:
        """All rows of one board; the files are read twice, first for its highest clocks."""
        runs: dict[str, _Run] = {}
        for source in sources:
            _look(source, asked, runs)
        _check_one_board(sources[0], asked, runs)
        is_single = all(np.isnan(run.little_mhz) for run in runs.values())
        names = ("cpu",) if is_single else ("little", "big")
        layout = layout_of(sources[0], asked, Layout(names, tuple(() for _ in names)), ("soc",))
        tally.note("phases of the benchmark follow each other without a mark, idle ones too")
        tally.note("a row covers the time since the one before; the temperature is at its end")
        return Reading(
            layout=layout,
            batches=_batches(sources, layout, runs, asked, tally),
            averaged=False,
            power_of="nothing",
            extra=_EXTRA,
        )


class _Run:
    """What the first pass learns of a run: its board, the highest clock of each column."""

    def __init__(self, board: str, where: str) -> None:
        self.board, self.where = board, where
        self.big_mhz = self.little_mhz = np.nan

    @property
    def is_swapped(self) -> bool:
        """Whether what is called big never is as fast as what is called little."""
        return bool(self.big_mhz < self.little_mhz)


def _chunks(source: SourceFile) -> Iterator[Chunk]:
    names = header(source, ",")
    check_names(source, names, (_RUN, _BOARD, *_FLOATS))
    types = {one: pa.float64() for one in _FLOATS}
    types |= {one: pa.dictionary(pa.int32(), pa.string()) for one in (_RUN, _BOARD)}
    format_ = Format(names=names, types=types, delimiter=",")
    return (chunk for chunk in chunks(source, format_) if len(chunk))


def _pieces(chunk: Chunk) -> Iterator[tuple[str, int, int]]:
    """The runs in a chunk, in order, and where each begins and ends."""
    encoded = chunk.text(_RUN)
    index = encoded.indices.to_numpy()
    names = encoded.dictionary.to_pylist()
    starts = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist()]
    for low, high in zip(starts, [*starts[1:], len(chunk)], strict=True):
        yield names[index[low]], low, high


def _look(source: SourceFile, asked: Request, runs: dict[str, _Run]) -> None:
    last = None
    for chunk in _chunks(source):
        boards = chunk.text(_BOARD)
        big, little = chunk.raw(_BIG), chunk.raw(_LITTLE)
        for name, low, high in _pieces(chunk):
            if asked.runs and name not in asked.runs:
                last = None
                continue
            if name not in runs:
                where = f"{source.path}: line {chunk.line_of(low)}"
                runs[name] = _Run(boards[low].as_py(), where)
            elif name != last:
                chunk.fail(
                    low,
                    _RUN,
                    f"must not begin a run again ({runs[name].where} began {name!r}): rows are "
                    "there twice, or runs are mixed",
                )
            last, run = name, runs[name]
            run.big_mhz = np.fmax(run.big_mhz, np.fmax.reduce(big[low:high]))
            run.little_mhz = np.fmax(run.little_mhz, np.fmax.reduce(little[low:high]))


def _check_one_board(source: SourceFile, asked: Request, runs: dict[str, _Run]) -> None:
    if missing := [one for one in asked.runs if one not in runs]:
        raise InvalidInput(f"--runs must be runs of the files (got {missing[0]!r})")
    boards: dict[str, list[str]] = {}
    for name, run in runs.items():
        boards.setdefault(_plain(run.board), []).append(f"{name} ({run.board})")
    if len(boards) != 1:
        every = "; ".join(one for names in boards.values() for one in names)
        raise InvalidInput(
            f"{source.path}: line 2, column {_BOARD!r}: must be one machine's (got {len(boards)}); "
            f"pick its runs with --runs, out of: {every}"
        )


def _plain(board: str) -> str:
    """A board's name without case and blanks."""
    return re.sub(r"\W+", " ", board).strip().lower()


def _batches(
    sources: Sequence[SourceFile],
    layout: Layout,
    runs: dict[str, _Run],
    asked: Request,
    tally: Tally,
) -> Iterator[pa.Table]:
    for source in sources:
        before: tuple[str, float] = ("", 0.0)
        for chunk in _chunks(source):
            pieces = list(_pieces(chunk))
            table = _rows(chunk, pieces, layout, runs, asked, before)
            keep = _kept(chunk, table, pieces, runs, tally, before[0])
            before = (pieces[-1][0], float(chunk.raw(_TIME)[-1]))
            yield table if keep.all() else table.filter(pa.array(keep))


def _rows(
    chunk: Chunk,
    pieces: Sequence[tuple[str, int, int]],
    layout: Layout,
    runs: dict[str, _Run],
    asked: Request,
    before: tuple[str, float],
) -> pa.Table:
    """All rows of a chunk, also of runs that nobody wants, which are left out later."""
    count = len(chunk)
    lengths = [high - low for _, low, high in pieces]
    of_run = np.repeat(np.arange(len(pieces), dtype=np.int32), lengths)
    time_s, window_s = _times(chunk, pieces, before)
    known = {
        "run": repeated([name for name, _, _ in pieces], of_run),
        "application": asked.application or "sbc-bench",
        "time_s": time_s,
        "window_s": window_s,
        "freq_hz": _clocks(chunk, pieces, layout, runs, asked),
        "temp_c": chunk.number(_TEMP, TEMP_C)[:, None],
        "load.average_1min": chunk.number(_LOAD, _LOAD_RANGE),
        "load.cpu_share": chunk.number(_CPU, PERCENT),
        "rail.pmic_w": chunk.number(_POWER, POWER_W, may_be_empty=True),
    }
    volts = unknown(layout, "volt_v", count)
    volts[:, -1] = chunk.number(_VOLT, VOLT_V, may_be_empty=True)
    known["volt_v"] = volts
    return rows(layout, count, known, _EXTRA)


def _times(
    chunk: Chunk, pieces: Sequence[tuple[str, int, int]], before: tuple[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of each row, which covers the time since the one before."""
    end_s = chunk.number(_TIME, TIME_S)
    start_s = np.concatenate([[before[1]], end_s[:-1]])
    for name, low, _ in pieces:
        if low or name != before[0]:
            start_s[low] = end_s[low]
    chunk.require(
        end_s >= start_s,
        _TIME,
        lambda row: f"must not fall within a run (got {end_s[row]:g} after {start_s[row]:g})",
    )
    return start_s, end_s - start_s


def _clocks(
    chunk: Chunk,
    pieces: Sequence[tuple[str, int, int]],
    layout: Layout,
    runs: dict[str, _Run],
    asked: Request,
) -> np.ndarray:
    """The clusters' frequencies, the swapped ones put right; 0 where there is no such cluster."""
    big = chunk.number(_BIG, FREQ_MHZ)
    little = chunk.number(_LITTLE, FREQ_MHZ, may_be_empty=True)
    swapped, wanted = np.zeros(len(chunk), bool), np.zeros(len(chunk), bool)
    for name, low, high in pieces:
        wanted[low:high] = name in runs
        swapped[low:high] = name in runs and runs[name].is_swapped
    columns = [np.where(swapped, big, little), np.where(swapped, little, big)]
    names = [_LITTLE, _BIG]
    if len(layout.clusters) == 1:
        columns, names = [big], [_BIG]
    for index, (column, values) in enumerate(zip(names, columns, strict=True)):
        check_clock(chunk, column, values, index, asked.board, only=wanted)
    clocks: np.ndarray = np.nan_to_num(np.stack(columns, axis=1))
    return clocks


def _kept(
    chunk: Chunk,
    table: pa.Table,
    pieces: Sequence[tuple[str, int, int]],
    runs: dict[str, _Run],
    tally: Tally,
    run_before: str,
) -> np.ndarray:
    """The rows to keep: of runs that are wanted, not at the same second as the row before."""
    window_s = table["window_s"].to_numpy()
    keep = np.ones(len(chunk), bool)
    for name, low, high in pieces:
        if name not in runs:
            keep[low:high] = False
            continue
        if runs[name].is_swapped:
            where = f"{chunk.source.path}: line {chunk.line_of(low)}: {name}"
            tally.drop(_SWAPPED, where, high - low)
        again = window_s[low:high] == 0
        again[0] &= low == 0 and name == run_before
        keep[low:high] = ~again
        if again.any():
            line = chunk.line_of(low + int(np.argmax(again)))
            tally.drop(_REPEATED, f"{chunk.source.path}: line {line}: {name}", int(again.sum()))
    return keep
