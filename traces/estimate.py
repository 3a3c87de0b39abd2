"""How long a recording takes, before it begins and while it runs."""

import math

from msgspec import Struct

from platforms.board import Board
from platforms.simulated.heat import HeatNetwork
from traces.plan import Plan

_LEFT = 0.02
"""A board has settled when so little of the slowest change is left."""


class Estimate(Struct, frozen=True, kw_only=True):
    """`runs` with their repeats, the seconds of one and of all; `most_s` with every time-out."""

    runs: int
    settle_s: float
    window_s: float
    total_s: float
    most_s: float

    def __str__(self) -> str:
        """In words.

        >>> print(Estimate(runs=120, settle_s=200, window_s=30, total_s=27600, most_s=27600))
        120 runs, each 200 s to settle and 30 s to measure: about 7 h 40 min
        """
        text = (
            f"{self.runs} runs, each {self.settle_s:.0f} s to settle and {self.window_s:.0f} s to "
            f"measure: about {duration(self.total_s)}"
        )
        if self.most_s > self.total_s:
            text += f"; at most {duration(self.most_s)}, if no start temperature is ever reached"
        return text


def settle_time_s(board: Board, cooling: str) -> float:
    """How long the board takes to settle, by its description: the slowest change but 2 %, s."""
    network = HeatNetwork.build(board.thermal, board.cooling_named(cooling))
    return math.ceil(-math.log(_LEFT) / float(network.decay_rates.min()))


def estimate(board: Board, plan: Plan) -> Estimate:
    """What a plan takes on a real board, whose time cannot be made to pass faster.

    Reaching a start temperature is taken to last as long as settling, and at most both time-outs.
    A window that instructions end is taken as its longest.
    """
    conduct = plan.conduct
    settle_s = conduct.settle_s
    if settle_s is None:
        settle_s = settle_time_s(board, plan.cooling)
    runs = plan.run_count(board) * conduct.repeats
    each_s = settle_s + plan.window_s
    start_s = most_s = 0.0
    if conduct.start is not None:
        most_s = 2 * conduct.start.timeout_s
        start_s = min(settle_s, most_s)
    return Estimate(
        runs=runs,
        settle_s=settle_s,
        window_s=plan.window_s,
        total_s=runs * (each_s + start_s),
        most_s=runs * (each_s + most_s),
    )


def remaining_s(total_s: float, *, runs: int, done: int, spent_s: float) -> float:
    """What is left of a recording: the plan's figure first, then more and more what was seen.

    >>> remaining_s(1000.0, runs=10, done=0, spent_s=0.0)
    1000.0
    >>> remaining_s(1000.0, runs=10, done=5, spent_s=250.0)
    250.0
    """
    if not done:
        return total_s
    return (runs - done) * spent_s / done


def duration(seconds: float) -> str:
    """Seconds as people say it.

    >>> [duration(s) for s in (0.4, 42.0, 600.0, 3661.0, 200000.0)]
    ['1 s', '42 s', '10 min', '1 h 1 min', '2 days 7 h']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} days {hours % 24} h"
