"""Make a timeline small enough to draw: fewer moments, and runs of one application on one core."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from rm.evaluation.outcome import Moment

IDLE = -1


class Stretch(Struct, frozen=True):
    """A time during which one core had the same application."""

    core: int
    application_id: int
    start_s: float
    end_s: float


def thinned(timeline: Sequence[Moment], *, most: int) -> tuple[Moment, ...]:
    """Every n-th moment, n the smallest that leaves at most `most` (at least one) of them."""
    step = max(1, -(-len(timeline) // most))
    return tuple(timeline[::step])


def stretches(
    timeline: Sequence[Moment], *, end_s: float, most: int
) -> tuple[tuple[Stretch, ...], int]:
    """The stretches of all cores, idle time left out, and how coarse they are.

    Where there are more than `most`, every second moment is left out until they are few enough, or
    until one moment is left. The second value says that every how many-th moment was looked at.
    """
    step = 1
    while True:
        found = tuple(_stretches(timeline[::step], end_s))
        if len(found) <= most or step >= len(timeline):
            return found, step
        step *= 2


def _stretches(timeline: Sequence[Moment], end_s: float) -> Iterator[Stretch]:
    if not timeline:
        return
    for core in range(len(timeline[0].application_on_core)):
        start_s, present = timeline[0].time_s, timeline[0].application_on_core[core]
        for moment in timeline[1:]:
            following = moment.application_on_core[core]
            if following != present:
                if present != IDLE:
                    yield Stretch(core, present, start_s, moment.time_s)
                start_s, present = moment.time_s, following
        if present != IDLE:
            yield Stretch(core, present, start_s, end_s)
