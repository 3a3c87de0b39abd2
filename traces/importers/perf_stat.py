"""``perf stat -I 1000 -x,``: counters at intervals, one line per event, and per CPU where asked."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from platforms.errors import InvalidInput
from traces.importers.importer import Reading, Request, Tally
from traces.importers.machine import cluster_of_core
from traces.importers.perf_lines import Lines, PerfFile, looks_like_perf, shape_of
from traces.importers.rows import rows, unknown
from traces.importers.source import SourceFile
from traces.measurements import COUNTER_COLUMN, RAIL_COLUMN, Layout

_CYCLES = ("cycles", "cpu-cycles", "cpu_cycles", "CPU_CYCLES", "r11", "r011")
_INSTRUCTIONS = ("instructions", "inst_retired", "INST_RETIRED", "r8", "r08", "r008")
_L2D = ("l2d_cache", "L2D_CACHE", "L2D_CACHE_ACCESS", "r16", "r016")
_FIRST_BYTES = 1 << 16
"""The first interval is looked for in pieces of this size: it is a few lines."""
_INCOMPLETE = "intervals without all lines of the first"
_UNCOUNTED = "values {} (not dropped: unknown in that interval)"


class PerfStat:
    """The importer."""

    name = "perf-stat"
    manual = """\
perf stat -I MS -x SEP, with or without -A (per CPU) or --per-core/-die/-socket/-node; a file is
one run (--application names the program). Columns have no names: time (s), [CPU or core,
number], value, unit, event, then more that are not used. The separator is found. Comments and
empty lines are skipped.
A line covers the time since the one before. cycles, instructions and l2d_cache (or
r11, r8, r16) become the table's; every event a counter, summed over CPUs, and with -A and
--clusters (or --board) also one per cluster, counter.CLUSTER.EVENT_per_s; Joules a rail.
Rules: time must not fall; an event must not come twice in an interval; values <not counted> and
<not supported> are unknown and counted; an interval without all lines of the first is dropped."""

    def sniff(self, head: Sequence[str]) -> bool:
        """A time with a point, a separator, then a value or a CPU."""
        return looks_like_perf(head)

    def read(self, sources: Sequence[SourceFile], asked: Request, tally: Tally) -> Reading:
        """All whole intervals, each file one run."""
        first = [_FirstInterval(source) for source in sources]
        for one in first[1:]:
            if (one.events, one.places) != (first[0].events, first[0].places):
                one.source.fail(f"must count the events, on the CPUs, of {sources[0].path}")
        plan = _Plan(first[0], asked)
        for event, unit in first[0].units.items():
            if unit and unit not in ("msec", "Joules"):
                tally.note(f"{event} is in {unit}")
        return Reading(
            layout=plan.layout,
            batches=_batches(sources, plan, asked, tally),
            averaged=False,
            power_of="nothing",
            extra=plan.extra,
        )


class _FirstInterval:
    """The lines of the first interval: all events and places that there are."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        file = PerfFile(source)
        pairs: set[tuple[int, int]] = set()
        begun = None
        for _, lines in file.lines(ahead=0, block_bytes=_FIRST_BYTES):
            begun = lines.time_s[0] if begun is None else begun
            own = lines.time_s == begun
            pairs |= set(zip(lines.event[own].tolist(), lines.place[own].tolist(), strict=True))
            if not own.all():
                break
        if begun is None:
            source.fail("must have lines of 'perf stat -I' (got none)")
        events, places = list(file.events.numbers), list(file.places.numbers)
        self.events = [events[i] for i in sorted({event for event, _ in pairs})]
        self.places = [places[i] for i in sorted({place for _, place in pairs})] if places else []
        self.lines = len(pairs)
        self.units = {event: file.units.get(event, "") for event in self.events}


class _Plan:
    """What becomes of events and places."""

    def __init__(self, first: _FirstInterval, asked: Request) -> None:
        self.events, self.places, self.lines = first.events, first.places, first.lines
        self.shape = shape_of(first.source)
        cpus = [int(one[3:]) for one in first.places] if self.shape.places == "cpu" else []
        self.layout = asked.layout or Layout(("cpu",), (tuple(sorted(cpus)),))
        self.cluster_of_place = [cluster_of_core(self.layout, cpu) for cpu in cpus]
        for cpu, cluster in zip(cpus, self.cluster_of_place, strict=True):
            if cluster < 0:
                raise InvalidInput(
                    f"{first.source.path}: line 1, column 'cpu': must be a core of "
                    f"{', '.join(self.layout.clusters)} (got CPU{cpu}); is it the right --board?"
                )
        self.scales = np.array([1e-3 if first.units[e] == "msec" else 1.0 for e in self.events])
        self.columns = [self._column(event, first.units[event]) for event in self.events]
        self.per_cluster = len(self.layout.clusters) > 1 and bool(cpus)
        of_clusters = [name for own in self.cluster_columns for name in own]
        self.extra = tuple(dict.fromkeys([*self.columns, *of_clusters]))

    def _column(self, event: str, unit: str) -> str:
        if unit == "Joules":
            return RAIL_COLUMN.format(event.strip("/").rpartition("/")[2] or event)
        return COUNTER_COLUMN.format(event)

    @property
    def cluster_columns(self) -> list[list[str]]:
        """Per cluster the columns of its own counts."""
        if not self.per_cluster:
            return []
        return [
            [COUNTER_COLUMN.format(f"{cluster}.{event}") for event in self.events]
            for cluster in self.layout.clusters
        ]

    def the(self, names: Sequence[str]) -> list[int]:
        """The events that count the same thing, one per performance monitoring unit."""
        found: dict[str, int] = {}
        for number, event in enumerate(self.events):
            unit, base = _unit_and_base(event)
            if base in names:
                found.setdefault(unit, number)
        return list(found.values())


def _unit_and_base(event: str) -> tuple[str, str]:
    """The monitoring unit of an event, and its plain name.

    >>> _unit_and_base("armv8_cortex_a53/cycles/u"), _unit_and_base("cycles:u")
    (('armv8_cortex_a53', 'cycles'), ('', 'cycles'))
    """
    unit, slash, rest = event.partition("/")
    return (unit, rest.partition("/")[0]) if slash else ("", re.sub(r":[A-Za-z]+$", "", event))


def _batches(
    sources: Sequence[SourceFile], plan: _Plan, asked: Request, tally: Tally
) -> Iterator[pa.Table]:
    for source in sources:
        file = PerfFile(source)
        waiting, begun_s = _EMPTY, 0.0
        for _, lines in file.lines():
            waiting = _joined(waiting, lines)
            whole = int(np.searchsorted(waiting.time_s, waiting.time_s[-1]))
            if whole:
                table, begun_s = _intervals(
                    file, _cut(waiting, 0, whole), plan, asked, tally, begun_s
                )
                yield table
                waiting = _cut(waiting, whole, len(waiting))
        yield _intervals(file, waiting, plan, asked, tally, begun_s)[0]
        for what, (count, line) in file.not_counted.items():
            tally.drop(_UNCOUNTED.format(what), f"{source.path}: line {line}", count)


_EMPTY = Lines(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def _joined(first: Lines, second: Lines) -> Lines:
    if not len(first):
        return second
    return Lines(
        np.concatenate([first.time_s, second.time_s]),
        np.concatenate([first.event, second.event]),
        np.concatenate([first.place, second.place]),
        np.concatenate([first.value, second.value]),
    )


def _cut(lines: Lines, low: int, high: int) -> Lines:
    part = slice(low, high)
    return Lines(lines.time_s[part], lines.event[part], lines.place[part], lines.value[part])


def _numbering(
    names: dict[str, int], known: Sequence[str], file: PerfFile, what: str
) -> np.ndarray:
    """From a file's numbers to the plan's."""
    positions = {name: i for i, name in enumerate(known)}
    for name in names:
        if name not in positions:
            file.source.fail(
                f"must be {what} of the first interval, {', '.join(known)[:200]} (got {name!r})"
            )
    return np.array([positions[name] for name in names] or [0], np.int64)


def _intervals(
    file: PerfFile,
    lines: Lines,
    plan: _Plan,
    asked: Request,
    tally: Tally,
    begun_s: float,
) -> tuple[pa.Table, float]:
    """The rows of whole intervals, and when the last one ended."""
    event = _numbering(file.events.numbers, plan.events, file, "an event")[lines.event]
    place = lines.place
    if plan.places:
        place = _numbering(file.places.numbers, plan.places, file, "a CPU or core")[place]
    first = np.concatenate([[True], np.diff(lines.time_s) > 0])
    interval = np.cumsum(first) - 1
    ends_s = lines.time_s[first]
    count, events, places = len(ends_s), len(plan.events), max(len(plan.places), 1)
    cell = (interval * events + event) * places + place
    cells = count * events * places
    if len(cell) == cells and (cell == np.arange(cells)).all():  # nearly always: all, in order
        values, lines_of = lines.value, np.full(count, events * places)
    else:
        seen = np.bincount(cell, minlength=cells)
        if (seen > 1).any():
            _fail_twice(file, int(np.argmax(seen > 1)), plan, ends_s)
        values = np.full(cells, np.nan)
        values[cell] = lines.value
        lines_of = seen.reshape(count, -1).sum(axis=1)
    cube = values.reshape(count, events, places)
    if (plan.scales != 1.0).any():
        cube = cube * plan.scales[None, :, None]
    starts_s = np.concatenate([[begun_s], ends_s[:-1]])
    window_s = ends_s - starts_s
    whole = lines_of == plan.lines
    for end_s in ends_s[~whole].tolist()[:1]:
        example = f"{file.source.path}: the interval that ends at {end_s:g} s"
        tally.drop(_INCOMPLETE, example, int((~whole).sum()))
    good = whole & (window_s > 0)
    table = _table(
        file, plan, asked, cube[good] / window_s[good, None, None], starts_s[good], window_s[good]
    )
    return table, float(ends_s[-1])


def _fail_twice(file: PerfFile, cell: int, plan: _Plan, ends_s: np.ndarray) -> None:
    rest, place = divmod(cell, max(len(plan.places), 1))
    interval, event = divmod(rest, len(plan.events))
    where = f" on {plan.places[place]}" if plan.places else ""
    line = _second_line(file.source, ends_s[interval], plan.events[event], plan.places, place)
    file.source.fail(
        f"must come once in an interval (got {plan.events[event]!r}{where} again at "
        f"{ends_s[interval]:g} s)",
        line=line,
        column="event",
    )


def _second_line(
    source: SourceFile, time_s: float, event: str, places: Sequence[str], place: int
) -> int:
    """The number of the line that names an event of an interval for the second time."""
    found = 0
    for block in source.blocks():
        for number, raw in enumerate(block.text.splitlines(), block.line):
            line = str(raw, "utf-8", "replace")
            begins = re.match(r"\s*(\d+\.\d+)", line)
            if not begins or float(begins[1]) != time_s or event not in line:
                continue
            names_place = not places or re.search(rf"\b{re.escape(places[place])}\b", line)
            found += bool(names_place)
            if found == 2:
                return number
    return 1


def _table(
    file: PerfFile,
    plan: _Plan,
    asked: Request,
    per_s: np.ndarray,
    time_s: np.ndarray,
    window_s: np.ndarray,
) -> pa.Table:
    count = len(time_s)
    totals = _sum(per_s)
    known = {
        "run": file.source.stem,
        "application": asked.application or file.source.stem,
        "time_s": time_s,
        "window_s": window_s,
        "cluster": 0 if len(plan.layout.clusters) == 1 else -1,
    }
    for column, names in (
        ("cycles_per_s", _CYCLES),
        ("instructions_per_s", _INSTRUCTIONS),
        ("l2d_per_s", _L2D),
    ):
        chosen = plan.the(names)
        if chosen:
            known[column] = totals[:, chosen].sum(axis=1)
    for number, column in enumerate(plan.columns):
        known[column] = totals[:, number]
    for cluster, columns in enumerate(plan.cluster_columns):
        own = [i for i, of in enumerate(plan.cluster_of_place) if of == cluster]
        sums = _sum(per_s[:, :, own]) if own else np.full(totals.shape, np.nan)
        known |= {column: sums[:, number] for number, column in enumerate(columns)}
    of_one = len(plan.layout.clusters) == 1 and plan.shape.places == "none"
    if "task-clock" in plan.events and of_one:
        busy = unknown(plan.layout, "busy_cores", count)
        busy[:, 0] = totals[:, plan.events.index("task-clock")]
        known["busy_cores"] = busy
    return rows(plan.layout, count, known, plan.extra)


def _sum(values: np.ndarray) -> np.ndarray:
    """The sum over places of what was counted; NaN where nothing was."""
    counted = ~np.isnan(values)
    sums = np.where(counted, values, 0.0).sum(axis=2)
    return np.where(counted.any(axis=2), sums, np.nan)
