"""The training jobs' part of the view: how each trains, where, and if its round ends in time."""

from collections.abc import Iterator, Sequence

from rm.daemon.status import TrainingStatus
from rm.quantities import core_list, printable, rate
from rm.top.glyphs import Glyphs
from rm.top.line import EMPTY, Line, Piece, Style, line
from rm.training_words import knobs, round_outlook

_NAME, _STATE, _KNOBS, _PLACE, _RATE, _DUE = 12, 10, 19, 7, 10, 7
_MOST = 4
"""Jobs in a terminal; one trains at a time, the others wait."""

_ORDER = ("granted", "revoking", "paused", "expired", "waiting", "ended")


def training_lines(
    jobs: Sequence[TrainingStatus], glyphs: Glyphs, *, all_of_them: bool = False
) -> Iterator[Line]:
    """A headline and a line each, those that train first; nothing where there are none."""
    if not jobs:
        return
    head = f" {'TRAINING':{_NAME}}{'state':{_STATE}}{'knobs':{_KNOBS}}{'cores':{_PLACE}}"
    yield line(Piece(f"{head}{'samples/s':>{_RATE}}{'due':>{_DUE}}  round", "head"))
    ordered = sorted(jobs, key=lambda job: (_ORDER.index(job.state), job.id))
    shown = ordered if all_of_them else ordered[:_MOST]
    for job in shown:
        yield _job(job)
    left_out = len(ordered) - len(shown)
    if left_out:
        yield line(Piece(f" {glyphs.dots} and {left_out} more", "faint"))
    yield EMPTY


def _job(job: TrainingStatus) -> Line:
    due = "-" if job.round is None else f"{job.round.deadline_s:.0f} s"
    return line(
        f" {_cut(job.name, _NAME)}",
        Piece(_cut(job.held_by or job.state, _STATE), "bad" if job.held_by else "plain"),
        _cut(knobs(job.knobs), _KNOBS),
        _cut(job.accelerator or core_list(job.cores), _PLACE),
        Piece(f"{rate(job.rate):>{_RATE}}", "value"),
        f"{due:>{_DUE}}  ",
        Piece(printable(round_outlook(job.round)), _style(job)),
    )


def _style(job: TrainingStatus) -> Style:
    if job.round is None:
        return "faint"
    return "good" if job.round.meets else "bad"


def _cut(text: str, width: int) -> str:
    """With at least a blank behind it."""
    return printable(text)[: width - 1].ljust(width)
