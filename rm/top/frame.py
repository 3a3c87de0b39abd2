"""One frame of the view: the status as lines that fit a terminal.

From top to bottom: who steers, temperatures with their history, clusters with their cores,
training jobs, applications against their targets, what happened. Where the lines do not suffice,
applications are left out, and their number is told.
"""

from collections.abc import Iterator
from typing import NamedTuple

from rm.daemon.status import State, Status
from rm.quantities import duration, printable
from rm.top.applications import application_lines
from rm.top.clusters import cluster_lines
from rm.top.glyphs import Glyphs
from rm.top.history import History
from rm.top.line import EMPTY, Line, Piece, Style, at_both_ends, clipped, length, line
from rm.top.temperatures import temperature_lines
from rm.top.training import training_lines

_STATE_STYLES: dict[State, Style] = {
    "normal": "good",
    "degraded": "warn",
    "hands-off": "bad",
    "stopped": "bad",
}
_KEYS = "q quits"


class Frame(NamedTuple):
    """What is drawn: the last status, what came before, why there is no newer one."""

    status: Status
    history: History
    period_s: float
    problem: str | None = None
    silent_for_s: float = 0.0


def frame_lines(frame: Frame, glyphs: Glyphs, *, width: int, height: int | None) -> list[Line]:
    """Lines of at most `width` columns; exactly `height` of them, or as many as it takes."""
    status = frame.status
    above = [
        *_head(frame, width),
        EMPTY,
        *temperature_lines(status.temperatures, frame.history, frame.period_s, glyphs, width),
        EMPTY,
        *cluster_lines(status, glyphs, width),
        EMPTY,
        *(
            clipped(pieces, width)
            for pieces in training_lines(status.training, glyphs, all_of_them=height is None)
        ),
    ]
    below = [] if height is None else [_foot(status, width)]
    left = None if height is None else max(height - len(above) - len(below), 0)
    lines = [*above, *application_lines(status.applications, glyphs, width=width, height=left)]
    if height is None:
        return [*lines, EMPTY, _foot(status, width, keys="")]
    lines = lines[: max(height - len(below), 0)]
    return [*lines, *[EMPTY] * (height - len(below) - len(lines)), *below][:height]


def _head(frame: Frame, width: int) -> Iterator[Line]:
    status = frame.status
    backend = f" on {status.backend.name}/{status.backend.device}" if status.backend else ""
    who = line(
        Piece(f" ilgov {status.version}", "value"),
        printable(f"  {status.board}  policy {status.policy}{backend}"),
        Piece("  dry run" if status.dry_run else "", "warn"),
    )
    yield at_both_ends(who, line(Piece(f"up {duration(status.uptime_s)} ", "faint")), width)
    yield _lost(frame) if frame.problem else _state(status)


def _state(status: Status) -> Line:
    style = _STATE_STYLES[status.state]
    reason = f": {printable(status.reason)}" if status.reason else ""
    return line(
        Piece(f" {status.state.upper()}", style),
        f" for {duration(status.state_for_s)}",
        Piece(reason, style),
    )


def _lost(frame: Frame) -> Line:
    what, _, _ = (frame.problem or "").partition(";")  # without the way out: one line is short
    silent_for = duration(frame.silent_for_s)
    return line(Piece(f" NO ANSWER for {silent_for}", "bad"), f": {printable(what)}")


def _foot(status: Status, width: int, *, keys: str = _KEYS) -> Line:
    """As many of the counts as there is room for, the most telling first."""
    counts, loop = status.counts, status.loop
    texts = (
        f" {counts.migrations} migrations",
        f"{counts.opp_changes} OPP changes",
        f"round {1e3 * loop.mean_s:.1f} ms, {loop.missed_rounds} missed",
        f"{counts.writes_refused} writes refused",
        f"{counts.clamped} clamped",
        f"hands-off {counts.hands_off} times",
        f"failsafe {counts.failsafe_rounds} rounds",
    )
    end = line(Piece(f"{keys} ", "value")) if keys else EMPTY
    shown = texts[0]
    for text in texts[1:]:
        if len(shown) + 3 + len(text) + 2 + length(end) > width:
            break
        shown += f"   {text}"
    return at_both_ends(line(Piece(shown, "faint")), end, width)
