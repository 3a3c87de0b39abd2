"""PowMon and GemStone tables: tab-separated, a row is the mean of about 30 s of one program."""

import re
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traces.importers.chunks import Chunk, Format, check_names, chunks, header
from traces.importers.counting import Repeats
from traces.importers.duplicates import DuplicateRows, digests
from traces.importers.importer import Reading, Request, Tally
from traces.importers.machine import ODROID_XU3, check_clock, layout_of
from traces.importers.natural import natural
from traces.importers.quantities import (
    COUNT,
    DURATION_S,
    FREQ_MHZ,
    PERCENT,
    RAIL_W,
    TEMP_C,
    VOLT_V,
    Quantity,
)
from traces.importers.rows import repeated, rows
from traces.importers.source import SourceFile
from traces.measurements import COUNTER_COLUMN, RAIL_COLUMN, Layout

_NAME, _MASK, _DURATION = "Workload Name", "Core Mask", "Workload Duration"
_RETIRED, _SPECULATED = "0x08", "0x1b"
_L2D, _L2D_READ = "0x16", "0x50"
_CYCLES_FACTOR = 5
"""Cycles and utilisation tell the same within this factor where a core is busy at all."""
_BUSY = 0.05
_LINE_BITS = 40
_IDLE = "idle"


class Powmon:
    """The importer."""

    name = "powmon"
    manual = """\
PowMon / GemStone table, tab-separated, columns found by name, one row a run's mean.
Workload Name, Core Mask (once per instance; idle is none), Frequency X (MHz), Voltage X (V),
Power X (W) of each cluster X and of other rails, Temperature S (°C), Core n CycleCount and
Core n Event 0x.. (per second), Core n Utilisation (%), Workload Duration (s).
Instructions are event 0x08 (retired) or else 0x1b (speculatively executed); L2 accesses 0x16 or
else 0x50 (reads). Rules: power -1 ... 50 W; cycles must agree with utilisation x frequency
within a factor of 5; the same line twice is refused."""

    def sniff(self, head: Sequence[str]) -> bool:
        """PowMon's names, tab-separated."""
        return bool(head) and {_NAME, _MASK, _DURATION} <= set(head[0].split("\t"))

    def read(self, sources: Sequence[SourceFile], asked: Request, tally: Tally) -> Reading:
        """All rows; the columns are those of the first file."""
        columns = _Columns(sources[0], asked)
        if columns.instructions == _SPECULATED:
            tally.note("instructions are speculatively executed ones (event 0x1b), not retired")
        if columns.l2d == _L2D_READ:
            tally.note("l2d_per_s are reads only (event 0x50)")
        return Reading(
            layout=columns.layout,
            batches=_batches(sources, columns, asked),
            averaged=True,
            power_of="cluster rails",
            extra=columns.extra,
        )


class _Columns:
    """Which columns a table has, and what they are of."""

    def __init__(self, source: SourceFile, asked: Request) -> None:
        self.names = header(source, "\t")
        self.clusters = self._after("Frequency ")
        self.rails = [one for one in self._after("Power ") if one not in self.clusters]
        self.sensors = [one for one in self._after("Temperature ") if not one.startswith("Average")]
        default = ODROID_XU3
        if tuple(self.clusters) != default.clusters and asked.layout is None:
            default = _even_layout(self.names, self.clusters)
        self.layout = layout_of(source, asked, default, self.sensors)
        self.cores = [core for cores in self.layout.cores for core in cores]
        self.check(source)

    def check(self, source: SourceFile) -> None:
        """Raise InvalidInput where a needed column is missing."""
        check_names(source, self.names, [*self.floats, _NAME, _MASK])
        if not self.clusters or not self.sensors:
            source.fail("must have columns 'Frequency X' and 'Temperature S' (got none)")

    def _after(self, prefix: str) -> list[str]:
        found = [name.removeprefix(prefix) for name in self.names if name.startswith(prefix)]
        return sorted(found, key=natural)

    @cached_property
    def events(self) -> dict[str, list[int]]:
        """The cores that counted each event."""
        found: dict[str, list[int]] = {}
        for name in self.names:
            match = re.fullmatch(r"Core (\d+) Event (\w+)", name)
            if match and int(match[1]) in self.cores:
                found.setdefault(match[2], []).append(int(match[1]))
        return {event: sorted(found[event]) for event in sorted(found)}

    @cached_property
    def instructions(self) -> str | None:
        """The event that counts instructions."""
        return next((one for one in (_RETIRED, _SPECULATED) if one in self.events), None)

    @cached_property
    def l2d(self) -> str | None:
        """The event that counts L2 accesses."""
        return next((one for one in (_L2D_READ, _L2D) if one in self.events), None)

    @cached_property
    def floats(self) -> list[str]:
        """All columns of numbers that are used."""
        per_cluster = [f"{what} {x}" for x in self.clusters for what in _OF_CLUSTER]
        per_core = [
            f"Core {n} {what}" for n in self.cores for what in ("CycleCount", "Utilisation")
        ]
        of_events = [f"Core {n} Event {e}" for e, cores in self.events.items() for n in cores]
        others = [f"Power {rail}" for rail in self.rails]
        temps = [f"Temperature {one}" for one in self.sensors]
        return [_DURATION, *per_cluster, *others, *temps, *per_core, *of_events]

    @cached_property
    def extra(self) -> tuple[str, ...]:
        """The columns that follow the table's own."""
        counters = [COUNTER_COLUMN.format(event) for event in self.events]
        return (*counters, *(RAIL_COLUMN.format(rail) for rail in self.rails))


_OF_CLUSTER = ("Frequency", "Voltage", "Power")


def _even_layout(names: Sequence[str], clusters: Sequence[str]) -> Layout:
    """As many cores for each cluster, in order."""
    count = sum(bool(re.fullmatch(r"Core \d+ CycleCount", name)) for name in names)
    each = count // max(len(clusters), 1)
    cores = [tuple(range(i * each, (i + 1) * each)) for i in range(len(clusters))]
    return Layout(tuple(clusters), tuple(cores))


def _batches(
    sources: Sequence[SourceFile], columns: _Columns, asked: Request
) -> Iterator[pa.Table]:
    repeats = Repeats()
    with DuplicateRows() as seen:
        for number, source in enumerate(sources):
            here = _Columns(source, asked) if number else columns
            if here.extra != columns.extra or here.layout != columns.layout:
                source.fail(f"must have the columns of {sources[0].path}")
            types = {name: pa.float64() for name in here.floats}
            types |= {_NAME: pa.string(), _MASK: pa.string()}
            format_ = Format(names=here.names, types=types, delimiter="\t")
            for chunk in chunks(source, format_):
                if len(chunk):
                    _remember(chunk, here, seen, number)
                    yield _rows(chunk, here, asked, repeats)
        _check_duplicates(seen, sources)


def _rows(chunk: Chunk, columns: _Columns, asked: Request, repeats: Repeats) -> pa.Table:
    layout, count = columns.layout, len(chunk)
    freq_hz = _stack(chunk, "Frequency", columns.clusters, FREQ_MHZ)
    for index, cluster in enumerate(columns.clusters):
        check_clock(chunk, f"Frequency {cluster}", freq_hz[:, index], index, asked.board)
    used = np.stack([chunk.number(f"Core {n} Utilisation", PERCENT) for n in columns.cores], axis=1)
    cycles = np.stack([chunk.number(f"Core {n} CycleCount", COUNT) for n in columns.cores], axis=1)
    of = np.repeat(np.arange(len(layout.cores)), [len(cores) for cores in layout.cores])
    _check_agreement(chunk, columns, used, cycles / freq_hz[:, of])
    tested, instances = _tested(chunk, layout)
    is_idle = pc.equal(chunk.text(_NAME), _IDLE).to_numpy(zero_copy_only=False)
    instances = np.where(is_idle, 0, instances)
    known = {
        "window_s": chunk.number(_DURATION, DURATION_S),
        "instances": instances,
        "cluster": tested,
        "freq_hz": freq_hz,
        "volt_v": _stack(chunk, "Voltage", columns.clusters, VOLT_V),
        "power_w": _stack(chunk, "Power", columns.clusters, RAIL_W),
        "busy_cores": _sums(used, of, len(layout.clusters)),
        "core_utilisation": np.minimum(used, 1.0),
        "temp_c": _stack(chunk, "Temperature", columns.sensors, TEMP_C),
        "cycles_per_s": _of_tested(_sums(cycles, of, len(layout.clusters)), tested),
    }
    for rail in columns.rails:
        known[RAIL_COLUMN.format(rail)] = chunk.number(f"Power {rail}", RAIL_W)
    for event, cores in columns.events.items():
        known[COUNTER_COLUMN.format(event)] = _event(chunk, columns, event, cores, tested)
    known["instructions_per_s"] = _counted(known, columns.instructions, count)
    known["l2d_per_s"] = _counted(known, columns.l2d, count)
    known |= _identity(chunk, freq_hz, tested, instances, repeats)
    return rows(layout, count, known, columns.extra)


def _stack(chunk: Chunk, what: str, of: Sequence[str], quantity: Quantity) -> np.ndarray:
    return np.stack([chunk.number(f"{what} {one}", quantity) for one in of], axis=1)


def _sums(values: np.ndarray, of: np.ndarray, clusters: int) -> np.ndarray:
    return np.stack([values[:, of == i].sum(axis=1) for i in range(clusters)], axis=1)


def _of_tested(values: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Each row's value of its own cluster; of all clusters where it runs on several."""
    own: np.ndarray = np.take_along_axis(values, np.maximum(tested, 0)[:, None], axis=1)[:, 0]
    return np.where(tested >= 0, own, values.sum(axis=1))


def _event(
    chunk: Chunk, columns: _Columns, event: str, cores: Sequence[int], tested: np.ndarray
) -> np.ndarray:
    """Events a second on the row's cluster; NaN where its cores did not count them."""
    total = np.full(len(chunk), np.nan)
    for index, own in enumerate(columns.layout.cores):
        counting = [n for n in own if n in cores]
        if not counting:
            continue
        values = sum(chunk.number(f"Core {n} Event {event}", COUNT) for n in counting)
        total = np.where(tested == index, values, total)
    return total


def _counted(known: dict[str, np.ndarray], event: str | None, count: int) -> np.ndarray:
    return known[COUNTER_COLUMN.format(event)] if event else np.full(count, np.nan)


def _tested(chunk: Chunk, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """The cluster that each row's mask lies in, and the instances, by distinct masks."""
    masks = chunk.text(_MASK).dictionary_encode()
    index = masks.indices.to_numpy()
    clusters, instances = [], []
    for number, mask in enumerate(masks.dictionary.to_pylist()):
        if not re.fullmatch(r"\d+(,\d+)*(:\d+(,\d+)*)*", mask):
            row = int(np.argmax(index == number))
            chunk.fail(row, _MASK, f"must be like 4,5,6,7:4,5,6,7 (got {mask!r})")
        used = {int(core) for core in re.findall(r"\d+", mask)}
        within = [i for i, cores in enumerate(layout.cores) if used <= set(cores)]
        clusters.append(within[0] if within else -1)
        instances.append(mask.count(":") + 1)
    return np.array(clusters, np.int64)[index], np.array(instances, np.int64)[index]


def _check_agreement(chunk: Chunk, columns: _Columns, used: np.ndarray, cycled: np.ndarray) -> None:
    """Cycles over frequency are about the utilisation, or one of the three is in another unit."""
    for index, core in enumerate(columns.cores):
        busy, share = used[:, index], cycled[:, index]
        is_busy = np.maximum(busy, share) > _BUSY * _CYCLES_FACTOR
        low, high = busy / _CYCLES_FACTOR, busy * _CYCLES_FACTOR
        good = ~is_busy | ((share >= low) & (share <= high))
        chunk.require(
            good,
            f"Core {core} Utilisation",
            lambda row, busy=busy, share=share: (  # type: ignore[misc]
                f"must agree with the core's cycles over its frequency, {100 * share[row]:.3g} %, "
                f"within a factor of {_CYCLES_FACTOR} (got {100 * busy[row]:.3g} %); "
                "is one of them in another unit?"
            ),
        )


def _identity(
    chunk: Chunk,
    freq_hz: np.ndarray,
    tested: np.ndarray,
    instances: np.ndarray,
    repeats: Repeats,
) -> dict[str, object]:
    """Run, application and repeat: equal programs, clocks and instances are numbered."""
    setting = np.stack([*freq_hz.T / 1e6, tested, instances], axis=1)
    distinct, index = np.unique(setting, axis=0, return_inverse=True)
    labels = [
        f"{'+'.join(f'{mhz:g}' for mhz in one[:-2])}MHz/{one[-1]:g}x@{one[-2]:g}"
        for one in distinct.tolist()
    ]
    names = chunk.text(_NAME)
    where = repeated(labels, index.reshape(-1).astype(np.int32))
    keys = pc.binary_join_element_wise(names, where, "/")
    repeat = repeats.count(keys)
    run = pc.binary_join_element_wise(keys, pa.array(repeat).cast(pa.string()), "#")
    return {"run": run, "application": names, "repeat": repeat}


def _remember(chunk: Chunk, columns: _Columns, seen: DuplicateRows, number: int) -> None:
    """The lines of a chunk, to find the same line again; the row's number does not count."""
    numbers = [name for name in columns.floats if not name.startswith("Core ")]
    texts = [_text_numbers(chunk.text(name).dictionary_encode()) for name in (_NAME, _MASK)]
    found = digests([*texts, *(chunk.raw(name) for name in numbers)])
    seen.add(found, (number << _LINE_BITS) + chunk.block.line + np.arange(len(chunk)))


def _text_numbers(encoded: pa.DictionaryArray) -> np.ndarray:
    numbers = [zlib.crc32(name.encode()) for name in encoded.dictionary.to_pylist()]
    found: np.ndarray = np.array(numbers, np.float64)[encoded.indices.to_numpy()]
    return found


def _check_duplicates(seen: DuplicateRows, sources: Sequence[SourceFile]) -> None:
    found = seen.first()
    if found:
        (file, line), (file_before, before) = (divmod(one, 1 << _LINE_BITS) for one in found)
        sources[file].fail(
            f"must not be there twice (line {before} of {sources[file_before].path} is the same)",
            line=line,
        )
