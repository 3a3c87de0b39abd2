"""The applications' part of the view: where each runs, and its rate against its target."""

from collections.abc import Iterator, Sequence

from rm.daemon.status import ApplicationStatus
from rm.quantities import core_list, printable, rate
from rm.top.glyphs import Glyphs, bar
from rm.top.line import Line, Piece, Style, line

_CORES = 9
_NUMBER = 8
_UNIT = 16
_SHARE = 7
_FIXED = 1 + _CORES + 2 * _NUMBER + _UNIT + _SHARE
_NAME_LENGTHS = (12, 32)
_BAR_LENGTHS = (4, 30)
_PERCENT = 100


def application_lines(
    applications: Sequence[ApplicationStatus], glyphs: Glyphs, *, width: int, height: int | None
) -> Iterator[Line]:
    """A headline and a line each; with too little height those below their target come first."""
    room = max(width - _FIXED, 0)
    name_width = min(max(2 * room // 3, _NAME_LENGTHS[0]), _NAME_LENGTHS[1])
    bar_width = min(max(room - name_width, _BAR_LENGTHS[0]), _BAR_LENGTHS[1])
    yield _headline(name_width)
    shown = _shown(applications, height)
    for app in shown:
        yield _application(app, glyphs, name_width=name_width, bar_width=bar_width)
    if not applications:
        yield line(Piece(" no application has a target", "faint"))
    left_out = len(applications) - len(shown)
    if left_out:
        yield line(Piece(f" {glyphs.dots} and {left_out} more", "faint"))


def _headline(name_width: int) -> Line:
    name = f" {'APPLICATION':{name_width}}{'cores':{_CORES}}"
    numbers = f"{'rate':>{_NUMBER}}{'target':>{_NUMBER}}"
    return line(Piece(f"{name}{numbers} {'':{_UNIT - 1}}of target", "head"))


def _shown(
    applications: Sequence[ApplicationStatus], height: int | None
) -> Sequence[ApplicationStatus]:
    """By priority and age; where not all fit, with those first that miss their target."""
    ordered = sorted(applications, key=lambda app: (-app.priority, app.id))
    if height is None or len(ordered) < height:
        return ordered
    worst_first = sorted(ordered, key=lambda app: {False: 0, None: 1, True: 2}[app.met])
    return worst_first[: max(height - 2, 0)]


def _application(
    app: ApplicationStatus, glyphs: Glyphs, *, name_width: int, bar_width: int
) -> Line:
    style: Style = {True: "good", False: "bad", None: "faint"}[app.met]  # type: ignore[assignment]
    name = printable(app.name)[: name_width - 1]
    cores = core_list(app.cores)[: _CORES - 1]
    return line(
        f" {name:{name_width}}{cores:{_CORES}}",
        Piece(f"{rate(app.rate):>{_NUMBER}}", "value"),
        f"{rate(app.target):>{_NUMBER}} {app.unit:{_UNIT - 1}}",
        *_attained(app, style, glyphs, bar_width),
    )


def _attained(app: ApplicationStatus, style: Style, glyphs: Glyphs, bar_width: int) -> Line:
    if app.rate is None:
        return line(Piece("not measured", style))
    share = app.rate / app.target
    return line(
        Piece(bar(share, bar_width, glyphs), style),
        Piece(f"{_PERCENT * share:>{_SHARE - 3}.0f} %", style),
    )
