"""freqbench results: CoreMark on one thread at each frequency, a row is one whole test."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from platforms.errors import InvalidInput
from traces.importers.chunks import Chunk, Format, check_names, chunks, header
from traces.importers.importer import Reading, Request, Tally
from traces.importers.machine import check_clock, cluster_of_core
from traces.importers.quantities import COUNT, DURATION_S, FREQ_KHZ, POWER_MW, Quantity
from traces.importers.rows import rows, unknown
from traces.importers.source import SourceFile
from traces.measurements import Layout

_CPU, _FREQ, _SPEED, _PER_MHZ = "CPU", "Frequency (kHz)", "CoreMarks (iter/s)", "CoreMarks/MHz"
_POWER, _ENERGY, _TIME = "Power (mW)", "Energy (J)", "Time (s)"
_FLOATS = (_CPU, _FREQ, _SPEED, _PER_MHZ, _POWER, _ENERGY, _TIME)
_MOST_OFF = 0.02
"""Figures that are given twice, in two ways, agree within this share."""
_NUMBER = Quantity("", 0, 4095)


class Freqbench:
    """The importer."""

    name = "freqbench"
    manual = """\
freqbench results.csv, columns found by name, one row a whole CoreMark test of one thread.
CPU, Frequency (kHz), CoreMarks (iter/s), CoreMarks/MHz, Power (mW, the whole device with its
idle power taken off), Energy (J), Time (s). Clusters are the CPUs tested, "cpu1" and so on;
--board or --clusters give them names and cores.
Rules: energy = power x time, speed x time = the same
iterations in all rows, CoreMarks/MHz = speed / frequency, each within 2 %; a CPU has each
frequency once."""

    def sniff(self, head: Sequence[str]) -> bool:
        """Freqbench's names, comma-separated."""
        return bool(head) and {_CPU, _SPEED} <= set(head[0].split(","))

    def read(self, sources: Sequence[SourceFile], asked: Request, tally: Tally) -> Reading:
        """All rows; the files are read twice, first for the CPUs that were tested."""
        cpus = sorted({cpu for source in sources for cpu in _cpus(source)})
        layout = asked.layout or Layout(
            tuple(f"cpu{cpu}" for cpu in cpus), tuple((cpu,) for cpu in cpus)
        )
        for cpu in cpus:
            if cluster_of_core(layout, cpu) < 0:
                raise InvalidInput(
                    f"{sources[0].path}: line 2, column {_CPU!r}: must be a core of "
                    f"{', '.join(layout.clusters)} (got {cpu}); is it the right --board?"
                )
        tally.note("power is the whole device's from its fuel gauge, idle power taken off")
        return Reading(
            layout=layout,
            batches=_batches(sources, layout, asked, tally),
            averaged=True,
            power_of="device above idle",
        )


def _chunks(source: SourceFile) -> Iterator[Chunk]:
    names = header(source, ",")
    check_names(source, names, _FLOATS)
    format_ = Format(names=names, types={one: pa.float64() for one in _FLOATS}, delimiter=",")
    return (chunk for chunk in chunks(source, format_) if len(chunk))


def _cpus(source: SourceFile) -> set[int]:
    return {int(cpu) for chunk in _chunks(source) for cpu in np.unique(chunk.number(_CPU, _NUMBER))}


def _batches(
    sources: Sequence[SourceFile], layout: Layout, asked: Request, tally: Tally
) -> Iterator[pa.Table]:
    for source in sources:
        state = _State()
        for chunk in _chunks(source):
            prefix = f"{source.stem}/" if len(sources) > 1 else ""
            yield _rows(chunk, layout, asked, state, prefix)
        state.note_odd_clocks(tally)


class _State:
    """What was seen of a file so far: its iterations, and each CPU's frequencies."""

    def __init__(self) -> None:
        self.iterations = 0.0
        self.seen: dict[tuple[float, float], int] = {}
        self.per_mhz: dict[float, list[float]] = {}

    def add(self, chunk: Chunk, cpu: np.ndarray, freq_hz: np.ndarray, per_mhz: np.ndarray) -> None:
        """Remember rows; raises InvalidInput for a CPU and frequency that were there before."""
        settings = zip(cpu.tolist(), freq_hz.tolist(), per_mhz.tolist(), strict=True)
        for row, (one, hz, ratio) in enumerate(settings):
            before = self.seen.get((one, hz))
            if before is not None:
                chunk.fail(
                    row,
                    _FREQ,
                    f"must be there once for a CPU (got {hz / 1e3:g} again, after line {before})",
                )
            self.seen[one, hz] = chunk.line_of(row)
            self.per_mhz.setdefault(one, []).append(ratio)

    def note_odd_clocks(self, tally: Tally) -> None:
        """Say where speed does not follow the clock: the true clock was another than the label."""
        for cpu, ratios in self.per_mhz.items():
            median = float(np.median(ratios))
            odd = sum(abs(one / median - 1) > _MOST_OFF for one in ratios)
            if odd:
                tally.note(
                    f"cpu{cpu:g}: CoreMarks/MHz of {odd} rows is more than {_MOST_OFF:.0%} off the "
                    f"median of {median:.2f}: their clock was likely another than the label"
                )


def _rows(chunk: Chunk, layout: Layout, asked: Request, state: _State, prefix: str) -> pa.Table:
    count = len(chunk)
    cpu = chunk.number(_CPU, _NUMBER)
    tested = np.array([cluster_of_core(layout, int(one)) for one in cpu.tolist()])
    clock_hz = chunk.number(_FREQ, FREQ_KHZ)
    speed, duration_s = chunk.number(_SPEED, COUNT), chunk.number(_TIME, DURATION_S)
    power_w = chunk.number(_POWER, POWER_MW)
    _check_agreement(chunk, _PER_MHZ, speed / (clock_hz / 1e6), "iterations/s over MHz")
    _check_agreement(chunk, _ENERGY, power_w * duration_s, "W, power (mW) / 1000, times seconds")
    state.iterations = state.iterations or float(speed[0] * duration_s[0])
    _check_iterations(chunk, speed * duration_s, state.iterations)
    for cluster in sorted(set(tested.tolist())):
        check_clock(chunk, _FREQ, clock_hz, cluster, asked.board, only=tested == cluster)
    state.add(chunk, cpu, clock_hz, chunk.raw(_PER_MHZ))
    at = np.arange(count)
    freq_hz = np.zeros((count, len(layout.clusters)))
    power, busy = (unknown(layout, name, count) for name in ("power_w", "busy_cores"))
    freq_hz[at, tested], power[at, tested], busy[at, tested] = clock_hz, power_w, 1.0
    names = [f"{prefix}cpu{c:g}/{hz / 1e6:g}MHz" for c, hz in zip(cpu, clock_hz, strict=True)]
    known = {
        "run": pa.array(names, pa.string()),
        "application": asked.application or "coremark",
        "window_s": duration_s,
        "instances": 1,
        "cluster": tested,
        "freq_hz": freq_hz,
        "power_w": power,
        "busy_cores": busy,
        "work_per_s": speed,
    }
    return rows(layout, count, known)


def _check_agreement(chunk: Chunk, column: str, expected: np.ndarray, of: str) -> None:
    given = chunk.raw(column)
    chunk.require(
        np.abs(given - expected) <= _MOST_OFF * np.abs(expected),
        column,
        lambda row: (
            f"must be {expected[row]:.4g} within {_MOST_OFF:.0%}: {of} (got {given[row]:.6g}); is "
            "one of them in another unit?"
        ),
    )


def _check_iterations(chunk: Chunk, found: np.ndarray, expected: float) -> None:
    chunk.require(
        np.abs(found - expected) <= _MOST_OFF * expected,
        _TIME,
        lambda row: (
            f"times the speed must be the first row's iterations, {expected:.4g}, within "
            f"{_MOST_OFF:.0%} (got {found[row]:.4g})"
        ),
    )
