"""LEGEND's greedy configuration: how deep each device trains, from how long each depth takes it.

Reconstructed: the paper's own algorithm was not available (see docs/federated-legend.md).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from msgspec import Struct

from platforms.errors import InvalidInput

Times = Mapping[str, Sequence[float]]
"""Per device the seconds of a round by depth: the first entry is depth 1, the last the deepest
that its memory allows. Increasing."""


class Configuration(Struct, frozen=True, kw_only=True):
    """Depth per device, the round's deadline and length, and the mean share of it spent waiting."""

    depths: dict[str, int]
    deadline_s: float
    round_s: float
    waiting_share: float


def choose_depths(times: Times, *, waiting_bound: float = 1.0) -> Configuration:
    """The fastest device trains as deep as it can, the others as deep as they can in that time.

    The deadline is the least that lets everybody take part (the fastest at its full depth, the
    slowest at depth 1 at least). Where devices would wait for more than `waiting_bound` of the
    round on average, the next later deadline is tried that does not; where none does, the one with
    the least waiting stands. InvalidInput where there is no device or one without a depth.
    """
    if not times or not all(times.values()):
        raise InvalidInput(f"times must name a device, and a depth each (got {dict(times)})")
    tried = [configuration(times, deadline_s) for deadline_s in deadlines(times)]
    for each in tried:
        if each.waiting_share <= waiting_bound:
            return each
    return min(tried, key=lambda each: each.waiting_share)


def deadlines(times: Times) -> list[float]:
    """The deadlines that make a difference, from the least that lets everybody take part."""
    fastest = min(times.values(), key=lambda seconds: seconds[0])
    least = max(fastest[-1], *(seconds[0] for seconds in times.values()))
    return sorted({second for seconds in times.values() for second in seconds if second >= least})


def configuration(times: Times, deadline_s: float) -> Configuration:
    """The largest depths within a deadline, 1 at least."""
    depths = {
        device: max(1, bisect_right(seconds, deadline_s)) for device, seconds in times.items()
    }
    taken = [times[device][depth - 1] for device, depth in depths.items()]
    round_s = max(taken)
    return Configuration(
        depths=depths,
        deadline_s=deadline_s,
        round_s=round_s,
        waiting_share=1 - sum(taken) / (len(taken) * round_s),
    )
