"""The sensors' part of the view: reading, history, range."""

from collections.abc import Iterator, Sequence

from rm.daemon.status import TemperatureStatus
from rm.quantities import duration, printable
from rm.top.glyphs import Glyphs, sparkline
from rm.top.history import History
from rm.top.line import Line, Piece, line

_NAME = 12
_READING = 10
_TAIL = 18
_MOST_COLUMNS = 120


def temperature_lines(
    temperatures: Sequence[TemperatureStatus],
    history: History,
    period_s: float,
    glyphs: Glyphs,
    width: int,
) -> Iterator[Line]:
    """A line a sensor, under a headline that says how far back it goes."""
    columns = min(max(width - _NAME - _READING - _TAIL - 3, 0), _MOST_COLUMNS)
    seen = max((len(history.last(s.sensor, columns)) for s in temperatures), default=0)
    back = f"last {duration(seen * period_s)}" if columns and seen > 1 else ""
    yield line(Piece(f" {'SENSOR':{_NAME}}{'':{_READING}}{back}", "head"))
    for sensor in temperatures:
        yield _sensor(sensor, history.last(sensor.sensor, columns), glyphs, columns)


def _sensor(
    sensor: TemperatureStatus, temps_c: list[float | None], glyphs: Glyphs, columns: int
) -> Line:
    reading = "-" if sensor.temp_c is None else f"{sensor.temp_c:.1f} {glyphs.degree}"
    name = printable(sensor.sensor)[: _NAME - 1]
    if sensor.problem:
        told = f"  {printable(sensor.problem)}"
        return line(
            f" {name:{_NAME}}", Piece(f"{reading:>{_READING - 2}}", "bad"), Piece(told, "bad")
        )
    known = [temp_c for temp_c in temps_c if temp_c is not None]
    spread = f"  {min(known):.1f} {glyphs.dots} {max(known):.1f}" if known else ""
    return line(
        f" {name:{_NAME}}",
        Piece(f"{reading:>{_READING - 2}}  ", "value"),
        Piece(f"{sparkline(temps_c, glyphs):{columns}}", "warn"),
        Piece(spread, "faint"),
    )
