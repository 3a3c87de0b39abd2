"""ARMPM sample tables: tab-separated, a row is half a second of a program on one core."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate

import numpy as np
import pyarrow as pa

from traces.importers.chunks import (
    AHEAD,
    Chunk,
    Format,
    check_names,
    chunks,
    header,
    ordered,
)
from traces.importers.importer import Reading, Request, Tally
from traces.importers.machine import ODROID_XU3, check_clock, cluster_of_core, layout_of
from traces.importers.quantities import (
    COUNT,
    FREQ_MHZ,
    TEMP_C,
    UNIX_NS,
    Quantity,
)
from traces.importers.rail import rail
from traces.importers.rows import repeated, rows, unknown
from traces.importers.runs import Key, RunTotals, Totals
from traces.importers.source import SourceFile
from traces.importers.spill import IN_MEMORY_BYTES, Spill
from traces.measurements import COUNTER_COLUMN, Layout

_TIME, _PROGRAM, _RUN = "#Timestamp", "Benchmark", "Run(#)"
_CYCLES, _INSTRUCTIONS, _BRANCHES, _L2D = (
    "CPU_CYCLES",
    "INST_RETIRED",
    "BRANCH_PRED",
    "L2D_CACHE_ACCESS",
)
_RUN_NUMBER = Quantity("", 0, 1e6)


class Armpm:
    """The importer."""

    name = "armpm"
    manual = """\
ARMPM sample table, tab-separated, columns found by name, one row a sample of about 0.5 s.
#Timestamp (ns since 1970), Benchmark, Run(#), CPU(n) Frequency(MHz), CPU(n) Temperature(C),
X Voltage(V), X Current(A), X Power(W), then counters (events per sample; CPU_CYCLES is needed).
The voltage is cut to 0.1 V there: power / current is taken. Rules: a run whose total of
INST_RETIRED or BRANCH_PRED is off by more than 10 % of the median over all runs of its program
is dropped (each row merges two executions: the first is counted by INST_RETIRED, the second by
BRANCH_PRED); runs of one sample are dropped; time must rise within a run; a run must stand
together."""

    def sniff(self, head: Sequence[str]) -> bool:
        """ARMPM's names, tab-separated."""
        return bool(head) and {_TIME, _PROGRAM, _RUN} <= set(head[0].split("\t"))

    def read(self, sources: Sequence[SourceFile], asked: Request, tally: Tally) -> Reading:
        """All rows of the sound runs; what was parsed is kept until the totals are known."""
        tables = [_Columns(source, asked) for source in sources]
        first = tables[0]
        for source, table in zip(sources, tables, strict=True):
            if (table.events, table.layout) != (first.events, first.layout):
                source.fail(f"must have the columns of {sources[0].path}")
        with ExitStack() as stack:
            room = IN_MEMORY_BYTES // len(sources)
            spills = [stack.enter_context(Spill(source, room)) for source in sources]
            totals, found = _totals(sources, tables, asked, spills)
            stack.pop_all()
        bad = totals.judge(tally, first.judged, _name)
        tally.note(
            "each row merges two executions: time, temperature, power and cycles are means of "
            "both, instructions are the first's and branches and L2 accesses the second's"
        )
        tally.note(
            "a sample covers the time since the one before, and temperatures are read at its end; "
            "where a program begins or ends it is busy in a part of it only"
        )
        tally.note(
            "busy_cores is cycles over frequency; in the published tables counters cover 98 % of a "
            "sample (0.50 of 0.51 s), so that it and all rates are 2 % low"
        )
        return Reading(
            layout=first.layout,
            batches=_batches(spills, tables, found, totals, bad),
            averaged=False,
            power_of="cluster rails",
            extra=first.extra,
        )


class _Columns:
    """Which columns a table has, and what they are of."""

    def __init__(self, source: SourceFile, asked: Request) -> None:
        self.names = header(source, "\t")
        core = self._the(source, r"CPU\((\d+)\) Frequency\(MHz\)", "CPU(n) Frequency(MHz)")
        self.rail = self._the(source, r"(\w+) Power\(W\)", "X Power(W)")
        self.freq, self.temp = f"CPU({core}) Frequency(MHz)", f"CPU({core}) Temperature(C)"
        self.volt, self.current, self.power = (
            f"{self.rail} {what}" for what in ("Voltage(V)", "Current(A)", "Power(W)")
        )
        known = {_TIME, _PROGRAM, _RUN, self.freq, self.temp, self.volt, self.current, self.power}
        self.counters = [name for name in self.names if name not in known]
        self.events = [name for name in self.counters if name != _CYCLES]
        self.judged = [name for name in (_INSTRUCTIONS, _BRANCHES) if name in self.events]
        self.extra = tuple(COUNTER_COLUMN.format(name) for name in self.events)
        check_names(source, self.names, [*sorted(known), _CYCLES, *self.events])
        self.layout: Layout = layout_of(source, asked, ODROID_XU3, (f"CPU({core})",))
        self.cluster = cluster_of_core(self.layout, int(core))
        if self.cluster < 0:
            source.fail(
                f"must be a core of {', '.join(self.layout.clusters)} (got core {core}); is it the "
                "right --board, or are --clusters right?",
                column=self.freq,
            )

    def _the(self, source: SourceFile, pattern: str, name: str) -> str:
        found = [match[1] for one in self.names if (match := re.fullmatch(pattern, one))]
        if len(found) != 1:
            source.fail(f"must be there once (got {len(found)} of this kind)", column=name)
        return found[0]

    def format(self) -> Format:
        """All columns."""
        numbers = [self.freq, _RUN, self.temp, self.volt, self.current, self.power, *self.counters]
        types = {name: pa.float64() for name in numbers}
        types |= {_PROGRAM: pa.dictionary(pa.int32(), pa.string()), _TIME: pa.int64()}
        return Format(names=self.names, types=types, delimiter="\t")


_Found = list[tuple[Key, int, int]]


def _keys(chunk: Chunk, columns: _Columns) -> _Found:
    """The runs that a chunk holds, in order: their keys, and where each begins and ends."""
    programs = chunk.text(_PROGRAM)
    index = programs.indices.to_numpy()
    number = chunk.number(_RUN, _RUN_NUMBER)
    freq_hz = chunk.checked(columns.freq, FREQ_MHZ)
    change = np.diff(index) != 0
    change |= (np.diff(number) != 0) | (np.diff(freq_hz) != 0)
    starts = np.concatenate([[0], np.flatnonzero(change) + 1])
    names = programs.dictionary.to_pylist()
    keys = [(names[index[i]], float(freq_hz[i]), float(number[i])) for i in starts.tolist()]
    return list(zip(keys, starts.tolist(), [*starts[1:].tolist(), len(chunk)], strict=True))


def _name(key: Key) -> str:
    return f"{key[0]}/{key[1] / 1e6:g}MHz#{key[2]:g}"


def _check_values(chunk: Chunk, columns: _Columns, asked: Request) -> None:
    """Raise InvalidInput for what cannot be: later the lines' numbers are not known any more."""
    freq_hz = chunk.number(columns.freq, FREQ_MHZ)
    check_clock(chunk, columns.freq, freq_hz, columns.cluster, asked.board)
    rail(chunk, columns.rail)
    chunk.number(columns.temp, TEMP_C)
    for name in columns.counters:
        chunk.number(name, COUNT)


def _totals(
    sources: Sequence[SourceFile],
    tables: Sequence[_Columns],
    asked: Request,
    spills: Sequence[Spill],
) -> tuple[RunTotals, list[list[_Found]]]:
    """The first pass: what each run comes to, and whether it stands together and in time.

    Also returns which runs each chunk of each source holds.
    """
    totals = RunTotals()
    found_in: list[list[_Found]] = []
    for source, columns, spill in zip(sources, tables, spills, strict=True):
        runs_of: list[_Found] = []
        found_in.append(runs_of)
        for chunk in chunks(source, columns.format()):
            if not len(chunk):
                continue
            _check_values(chunk, columns, asked)
            spill.keep(chunk)
            found = _keys(chunk, columns)
            runs_of.append(found)
            time_ns = _rising(chunk, found, totals)
            parts = _parts(chunk, found, columns.judged, time_ns)
            for (key, low, _), part in zip(found, parts, strict=True):
                problem = totals.add(key, part)
                if problem:
                    chunk.fail(low, _PROGRAM, problem)
    return totals, found_in


def _parts(
    chunk: Chunk, found: _Found, judged: Sequence[str], time_ns: np.ndarray
) -> Iterator[Totals]:
    """What the rows of each run in a chunk come to."""
    starts = np.array([low for _, low, _ in found])
    ends = np.array([high for _, _, high in found])
    sums = np.zeros((len(found), len(judged)))
    for number, name in enumerate(judged):
        sums[:, number] = np.add.reduceat(chunk.checked(name, COUNT), starts)
    first_ns, last_ns = time_ns[starts].tolist(), time_ns[ends - 1].tolist()
    where = str(chunk.source.path)
    for number, (_, low, high) in enumerate(found):
        span = first_ns[number], last_ns[number]
        yield Totals(high - low, tuple(sums[number].tolist()), *span, where, chunk.line_of(low))


def _rising(chunk: Chunk, found: Sequence[tuple[Key, int, int]], totals: RunTotals) -> np.ndarray:
    """The time stamps, which must rise within a run."""
    chunk.number(_TIME, UNIX_NS)
    time_ns = chunk.integers(_TIME)
    before = np.concatenate([[0], time_ns[:-1]])
    before[[low for _, low, _ in found]] = 0
    known = totals.runs.get(found[0][0])
    before[0] = known.last_ns if known else 0
    chunk.require(
        time_ns > before,
        _TIME,
        lambda row: f"must rise within a run (got {time_ns[row]} after {before[row]})",
    )
    return time_ns


def _batches(
    spills: Sequence[Spill],
    tables: Sequence[_Columns],
    found_in: Sequence[Sequence[_Found]],
    totals: RunTotals,
    bad: set[Key],
) -> Iterator[pa.Table]:
    """The second pass: the rows of the other runs, in one thread, as another writes them."""
    for spill, columns, runs_of in zip(spills, tables, found_in, strict=True):

        def batch(item: tuple[Chunk, int, _Found], columns: _Columns = columns) -> pa.Table:
            chunk, last_ns, found = item
            return _rows(*_sound(chunk, found, bad), columns, totals, last_ns)

        with spill:
            items = _with_the_time_before(spill.chunks(), runs_of)
            yield from ordered(batch, items, AHEAD, threads=1)


def _sound(chunk: Chunk, found: _Found, bad: set[Key]) -> tuple[Chunk, _Found]:
    """The rows of a chunk that are of no corrupt run, and where the other runs are in them."""
    left = [(key, high - low) for key, low, high in found if key not in bad]
    if len(left) == len(found):
        return chunk, found
    keep = np.ones(len(chunk), bool)
    for key, low, high in found:
        keep[low:high] = key not in bad
    ends = accumulate(count for _, count in left)
    places = [(key, end - count, end) for (key, count), end in zip(left, ends, strict=True)]
    return Chunk(chunk.source, chunk.block, chunk.table.filter(pa.array(keep))), places


def _with_the_time_before(
    chunks_: Iterable[Chunk], runs_of: Iterable[_Found]
) -> Iterator[tuple[Chunk, int, _Found]]:
    """Each chunk with the last time stamp (ns) of the one before, 0 for the first, and its runs."""
    last_ns = 0
    for chunk, found in zip(chunks_, runs_of, strict=True):
        yield chunk, last_ns, found
        last_ns = int(chunk.integers(_TIME)[-1])


def _rows(
    chunk: Chunk,
    found: _Found,
    columns: _Columns,
    totals: RunTotals,
    last_ns: int,
) -> pa.Table:
    layout, cluster, count = columns.layout, columns.cluster, len(chunk)
    freq_hz = chunk.checked(columns.freq, FREQ_MHZ)
    time_s, window_s = _times(chunk.integers(_TIME), found, totals, last_ns)
    volt_v, power_w = rail(chunk, columns.rail)
    per_s = 1 / window_s
    cycles_per_s = chunk.checked(_CYCLES, COUNT) * per_s

    def of_cluster(column: str, values: np.ndarray) -> np.ndarray:
        every = unknown(layout, column, count)
        every[:, cluster] = values
        return every

    known = {
        "time_s": time_s,
        "window_s": window_s,
        "instances": 1,
        "cluster": cluster,
        "freq_hz": np.nan_to_num(of_cluster("freq_hz", freq_hz)),
        "volt_v": of_cluster("volt_v", volt_v),
        "power_w": of_cluster("power_w", power_w),
        "busy_cores": of_cluster("busy_cores", cycles_per_s / freq_hz),
        "temp_c": chunk.checked(columns.temp, TEMP_C)[:, None],
        "cycles_per_s": cycles_per_s,
    }
    for event in columns.events:
        known[COUNTER_COLUMN.format(event)] = chunk.checked(event, COUNT) * per_s
    for column, event in (("instructions_per_s", _INSTRUCTIONS), ("l2d_per_s", _L2D)):
        known[column] = known.get(COUNTER_COLUMN.format(event), np.nan)
    lengths = [high - low for _, low, high in found]
    of_run = np.repeat(np.arange(len(found), dtype=np.int32), lengths)
    known["run"] = repeated([_name(key) for key, _, _ in found], of_run)
    known["application"] = chunk.text(_PROGRAM)
    known["repeat"] = np.array([max(key[2] - 1, 0) for key, _, _ in found])[of_run]
    return rows(layout, count, known, columns.extra)


def _times(
    time_ns: np.ndarray, found: Sequence[tuple[Key, int, int]], totals: RunTotals, last_ns: int
) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of each sample, which covers the time since the one before.

    The first of a run is as long as the run's samples are on average.
    """
    starts = np.array([low for _, low, _ in found], np.int64)
    runs = [totals.runs[key] for key, _, _ in found]
    first_ns = np.array([run.first_ns for run in runs], np.int64)
    step_ns = np.array([max(round(1e9 * run.interval_s), 1) for run in runs], np.int64)
    origins = first_ns - step_ns
    before = np.concatenate([[last_ns], time_ns])[:-1]
    begins = time_ns[starts] == first_ns
    before[starts[begins]] = origins[begins]
    begun = np.repeat(origins, [high - low for _, low, high in found])
    return (before - begun) / 1e9, (time_ns - before) / 1e9
