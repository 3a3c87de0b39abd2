"""ARMPM sensor logs: power and temperature every half second while programs run in turn."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from traces.importers.chunks import Chunk, Format, check_names, chunks
from traces.importers.importer import Reading, Request, Tally
from traces.importers.machine import ODROID_XU3, check_clock, cluster_of_core, layout_of
from traces.importers.natural import natural
from traces.importers.quantities import FREQ_MHZ, RAIL_W, TEMP_C, UNIX_NS
from traces.importers.rail import rail
from traces.importers.rows import rows, unknown
from traces.importers.source import SourceFile
from traces.importers.whitespace import single_spaces
from traces.measurements import RAIL_COLUMN, Layout

_TIME = "#Timestamp"


class ArmpmSensors:
    """The importer."""

    name = "armpm-sensors"
    manual = """\
ARMPM sensor log (sensors.data): the header is tab-separated, rows by any white space.
#Timestamp (ns since 1970), CPU(n) Frequency(MHz) and CPU(n) Temperature(C) of each cluster's
first core, X Voltage(V), X Current(A), X Power(W) of each rail: those of the clusters in the
order of CPU(n), other rails and temperatures (GPU, RAM) beside them. A file is one run; which
program ran is not in it (--application names one). The voltage is cut to 0.1 V there: power /
current is taken. Rules: time must rise; power must be voltage x current within a factor of 1.4."""

    def sniff(self, head: Sequence[str]) -> bool:
        """A time stamp, a core's frequency, and no programs."""
        names = [name.strip() for name in head[0].split("\t")] if head else []
        clocks = [name for name in names if re.fullmatch(r"CPU\(\d+\) Frequency\(MHz\)", name)]
        return _TIME in names and bool(clocks) and "Benchmark" not in names

    def read(self, sources: Sequence[SourceFile], asked: Request, tally: Tally) -> Reading:
        """All rows, each file one run."""
        tables = [_Columns(source, asked) for source in sources]
        for source, table in zip(sources, tables, strict=True):
            if (table.names, table.layout) != (tables[0].names, tables[0].layout):
                source.fail(f"must have the columns of {sources[0].path}")
        tally.note("programs follow each other without a mark")
        tally.note("a sample covers the time since the one before; temperatures are at its end")
        return Reading(
            layout=tables[0].layout,
            batches=_batches(sources, tables, asked),
            averaged=False,
            power_of="cluster rails",
            extra=tables[0].extra,
        )


class _Columns:
    """Which columns a log has, and what they are of."""

    def __init__(self, source: SourceFile, asked: Request) -> None:
        self.names = [name.strip() for name in source.head()[0].split("\t")]
        self.cores = self._all(r"CPU\((\d+)\) Frequency\(MHz\)")
        rails = self._all(r"(\w+) Power\(W\)")
        self.sensors = self._all(r"(.+) Temperature\(C\)")
        if not self.cores or len(rails) < len(self.cores):
            source.fail("must have columns 'CPU(n) Frequency(MHz)' and as many 'X Power(W)'")
        self.rails, self.others = rails[: len(self.cores)], rails[len(self.cores) :]
        self.floats = [f"CPU({core}) Frequency(MHz)" for core in self.cores]
        self.floats += [f"{one} Temperature(C)" for one in self.sensors]
        for one in self.rails:
            self.floats += [f"{one} {what}" for what in ("Voltage(V)", "Current(A)", "Power(W)")]
        self.floats += [f"{one} Power(W)" for one in self.others]
        check_names(source, self.names, [_TIME, *self.floats])
        self.layout: Layout = layout_of(source, asked, ODROID_XU3, self.sensors)
        self.clusters = [cluster_of_core(self.layout, int(core)) for core in self.cores]
        for core, cluster in zip(self.cores, self.clusters, strict=True):
            if cluster < 0:
                source.fail(
                    f"must be a core of {', '.join(self.layout.clusters)} (got core {core}); is it "
                    "the right --board, or are --clusters right?",
                    column=f"CPU({core}) Frequency(MHz)",
                )
        self.extra = tuple(RAIL_COLUMN.format(one) for one in self.others)

    def _all(self, pattern: str) -> list[str]:
        found = [match[1] for name in self.names if (match := re.fullmatch(pattern, name))]
        return sorted(found, key=natural)


def _batches(
    sources: Sequence[SourceFile], tables: Sequence[_Columns], asked: Request
) -> Iterator[pa.Table]:
    for source, columns in zip(sources, tables, strict=True):
        types = {_TIME: pa.int64()} | {name: pa.float64() for name in columns.floats}
        format_ = Format(names=columns.names, types=types, delimiter=" ", clean=single_spaces)
        times = _Times(_first_step_ns(source, format_))
        for chunk in chunks(source, format_):
            if len(chunk):
                yield _rows(chunk, columns, asked, times)


def _first_step_ns(source: SourceFile, format_: Format) -> int:
    """The time between the first two samples; 0 where there is one only."""
    found: list[int] = []
    for chunk in chunks(source, format_, ahead=0):
        found += chunk.integers(_TIME)[:2].tolist()
        if len(found) > 1:
            return found[1] - found[0]
    return 0


class _Times:
    """Where a log began and how far it is."""

    def __init__(self, first_step_ns: int) -> None:
        self.first_step_ns = first_step_ns
        self.origin_ns, self.last_ns = 0, 0

    def intervals(self, chunk: Chunk) -> tuple[np.ndarray, np.ndarray]:
        """Start and length of each sample; the first is as long as the second."""
        chunk.number(_TIME, UNIX_NS)
        time_ns = chunk.integers(_TIME)
        before = np.concatenate([[self.last_ns], time_ns[:-1]])
        chunk.require(
            time_ns > before,
            _TIME,
            lambda row: f"must rise (got {time_ns[row]} after {before[row]})",
        )
        if not self.last_ns:
            self.origin_ns = before[0] = int(time_ns[0]) - self.first_step_ns
        self.last_ns = int(time_ns[-1])
        return (before - self.origin_ns) / 1e9, (time_ns - before) / 1e9


def _rows(chunk: Chunk, columns: _Columns, asked: Request, times: _Times) -> pa.Table:
    layout, count = columns.layout, len(chunk)
    time_s, window_s = times.intervals(chunk)
    freq_hz = np.zeros((count, len(layout.clusters)))
    volt_v, power_w = (unknown(layout, name, count) for name in ("volt_v", "power_w"))
    for core, cluster, name in zip(columns.cores, columns.clusters, columns.rails, strict=True):
        column = f"CPU({core}) Frequency(MHz)"
        freq_hz[:, cluster] = chunk.number(column, FREQ_MHZ)
        check_clock(chunk, column, freq_hz[:, cluster], cluster, asked.board)
        volt_v[:, cluster], power_w[:, cluster] = rail(chunk, name)
    temps = [chunk.number(f"{one} Temperature(C)", TEMP_C) for one in columns.sensors]
    known = {
        "run": chunk.source.stem,
        "application": asked.application or "unknown",
        "time_s": time_s,
        "window_s": window_s,
        "freq_hz": freq_hz,
        "volt_v": volt_v,
        "power_w": power_w,
        "temp_c": np.stack(temps, axis=1) if temps else unknown(layout, "temp_c", count),
    }
    for one in columns.others:
        known[RAIL_COLUMN.format(one)] = chunk.number(f"{one} Power(W)", RAIL_W)
    return rows(layout, count, known, columns.extra)
