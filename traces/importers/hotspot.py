"""HotSpot's power and temperature traces: a column per block, a row per step, no times in it.

The files are read here and not by a floorplan's reader: they are streamed and checked as the other
formats are, and a trace may be longer than memory.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

import numpy as np
import pyarrow as pa

from platforms.errors import InvalidInput
from traces.importers.chunks import Chunk, Format, chunks
from traces.importers.importer import Reading, Request, Tally
from traces.importers.quantities import POWER_W, Quantity
from traces.importers.rows import rows
from traces.importers.source import SourceFile
from traces.importers.whitespace import single_spaces
from traces.measurements import Layout

_KELVIN = 273.15
_TEMP_K = Quantity("K (or all in °C)", 233.15, 423.15, 1.0, (("milli-degrees", 1e-3),))
_TEMP_C = Quantity("°C (or all in K)", -40, 150, 1.0, (("milli-degrees", 1e-3),))


class Hotspot:
    """The importer."""

    name = "hotspot"
    manual = """\
HotSpot .ptrace (W per block) and .ttrace (K or °C per block, all rows in the same), names in
the first line, columns by any white space. Give a .ptrace, a .ttrace, or one of each that
belong together: rows pair by their number, columns by name. --step-s says how long a row is
(HotSpot's -sampling_intvl). Blocks are the clusters and the sensors; there are no cores.
Rules: power -1 ... 200 W, temperature -40 ... 150 °C; both files have the same blocks and as
many rows."""

    def sniff(self, head: Sequence[str]) -> bool:
        """A line of names, then only numbers, as many."""
        if len(head) < 2 or "," in head[0]:
            return False
        names, cells = head[0].split(), head[1].split()
        try:
            [float(cell) for cell in cells]
        except ValueError:
            return False
        words = [name for name in names if name[:1].isalpha()]
        return len(names) == len(cells) and len(words) == len(names)

    def read(self, sources: Sequence[SourceFile], asked: Request, tally: Tally) -> Reading:
        """All steps of one run."""
        step_s = asked.step_s
        if step_s is None:
            raise InvalidInput("--step-s must say how long a row of a HotSpot trace is (got none)")
        power, temp = (_the_one(sources, suffix) for suffix in (".ptrace", ".ttrace"))
        files = [one for one in (power, temp) if one is not None]
        blocks = _names(files[0])
        for other in files[1:]:
            if sorted(_names(other)) != sorted(blocks):
                other.fail(f"must have the blocks of {files[0].path}, {', '.join(blocks)[:200]}")
        layout = Layout(tuple(blocks), tuple(() for _ in blocks), tuple(blocks) if temp else ())
        tally.note("these are a simulator's figures; the temperature is at the end of a step")
        return Reading(
            layout=layout,
            batches=_batches(power, temp, layout, step_s, asked),
            averaged=False,
            power_of="floorplan blocks" if power else "nothing",
        )


def _the_one(sources: Sequence[SourceFile], suffix: str) -> SourceFile | None:
    """The file of a kind; raises InvalidInput for a second, and for one of no kind."""
    found = []
    for source in sources:
        name = source.path.name.removesuffix(".gz")
        if not name.endswith((".ptrace", ".ttrace")):
            raise InvalidInput(f"{source.path}: must be named .ptrace or .ttrace")
        if name.endswith(suffix):
            found.append(source)
    if len(found) > 1:
        raise InvalidInput(f"{found[1].path}: must be the only {suffix} file")
    return found[0] if found else None


def _names(source: SourceFile) -> list[str]:
    names = source.head()[0].split()
    if not names or len(set(names)) < len(names):
        source.fail(f"must name each block once (got {' '.join(names)[:200]!r})")
    for name in names:
        if not name[:1].isalpha() and name[:1] != "_":
            source.fail(f"must be the blocks' names (got {name!r})", column=name)
    return names


class _Matrices:
    """The rows of a trace, block by block, with a way back to their lines."""

    def __init__(self, source: SourceFile, order: Sequence[str]) -> None:
        self.source, self.order = source, order

    def __iter__(self) -> Iterator[tuple[Chunk, np.ndarray]]:
        names = _names(self.source)
        types = {name: pa.float64() for name in names}
        format_ = Format(names=names, types=types, delimiter=" ", clean=single_spaces)
        for chunk in chunks(self.source, format_):
            if len(chunk):
                yield chunk, np.stack([chunk.raw(name) for name in self.order], axis=1)


def _check(chunk: Chunk, values: np.ndarray, order: Sequence[str], of: Quantity) -> None:
    good = (values >= of.low) & (values <= of.high)
    if not good.all():
        row, column = (int(i) for i in np.argwhere(~good)[0])
        chunk.fail(row, order[column], of.requirement(float(values[row, column])))


def _powers(source: SourceFile, order: Sequence[str]) -> Iterator[np.ndarray]:
    for chunk, values in _Matrices(source, order):
        _check(chunk, values, order, POWER_W)
        yield values


def _temps(source: SourceFile, order: Sequence[str]) -> Iterator[np.ndarray]:
    """In degrees Celsius: a file is in kelvin where its first value can be nothing else."""
    quantity = None
    for chunk, values in _Matrices(source, order):
        if quantity is None:
            quantity = _TEMP_K if values[0, 0] > _TEMP_C.high else _TEMP_C
        _check(chunk, values, order, quantity)
        yield values - (_KELVIN if quantity is _TEMP_K else 0.0)


def _batches(
    power: SourceFile | None,
    temp: SourceFile | None,
    layout: Layout,
    step_s: float,
    asked: Request,
) -> Iterator[pa.Table]:
    order = layout.clusters
    source = power or temp
    assert source is not None
    done = 0
    for power_w, temp_c in _paired(
        _powers(power, order) if power else None, _temps(temp, order) if temp else None, power, temp
    ):
        either = temp_c if power_w is None else power_w
        count = 0 if either is None else len(either)
        known = {
            "run": source.stem,
            "application": asked.application or source.stem,
            "time_s": (done + np.arange(count)) * step_s,
            "window_s": step_s,
        }
        known |= {} if power_w is None else {"power_w": power_w}
        known |= {} if temp_c is None else {"temp_c": temp_c}
        yield rows(layout, count, known)
        done += count


def _paired(
    powers: Iterator[np.ndarray] | None,
    temps: Iterator[np.ndarray] | None,
    power: SourceFile | None,
    temp: SourceFile | None,
) -> Iterator[tuple[np.ndarray | None, np.ndarray | None]]:
    """Rows of both in pieces of the same length; raises InvalidInput where one has more."""
    if powers is None or temps is None:
        yield from ((p, t) for p, t in zip_longest(powers or (), temps or ()))
        return
    assert power is not None
    assert temp is not None
    left: list[np.ndarray] = [np.zeros((0, 0)), np.zeros((0, 0))]
    streams, done = (powers, temps), 0
    while True:
        for i, stream in enumerate(streams):
            if not len(left[i]):
                left[i] = next(stream, left[i][:0])
        count = min(len(left[0]), len(left[1]))
        if not count:
            break
        yield left[0][:count], left[1][:count]
        left = [one[count:] for one in left]
        done += count
    for i, source in enumerate((power, temp)):
        if len(left[i]):
            other = (temp, power)[i]
            source.fail(f"must not be there ({other.path} has {done} rows only)", line=done + 2)
