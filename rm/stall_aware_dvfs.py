"""DVFS by QoS that knows what the clock can shorten: straight to the lowest point that serves all.

TOP-IL's loop (`rm.dvfs`) scales linearly and goes one point a round. This one asks the
`SpeedEstimator` for the share of an instruction's time that is stall, solves for the frequency that
just meets the target, and goes there at once.
"""

import math

from platforms.board import Board
from platforms.platform import Observation
from rm.dvfs import opp_at_least
from rm.speed_estimate import SpeedEstimator

SETTLE_ROUNDS = 1
"""Rounds that pass after a migration or an arrival: a window across one mixes two speeds."""


class StallAwareScaling:
    """The loop's memory: where the applications were, and how long to wait."""

    def __init__(self, board: Board, estimator: SpeedEstimator) -> None:
        """`estimator` must hear of every observation before `scale` does."""
        # In Python floats are compared with each other faster than with integers.
        self._freqs_hz = [tuple(map(float, cluster.freqs_hz)) for cluster in board.clusters]
        self._estimator = estimator
        self._seats: list[tuple[int, tuple[int, ...]]] = []
        self._wait = 0
        self._lessons = -1
        # Of the place of every application.
        self._clusters: list[int] = []
        self._cycles_s: list[float] = []
        self._stalls_s: list[float] = []

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The operating point of every cluster."""
        estimator = self._estimator
        if estimator.lessons != self._lessons or observation is not estimator.heard:
            self._look(observation)  # mostly all is as in the round before
        if self._wait:
            self._wait -= 1
            return observation.opp_index
        # As in `needed_hz`, with the reciprocal left to the end: the least time needs the most.
        clusters, cycles_s, stalls_s = self._clusters, self._cycles_s, self._stalls_s
        least_s = [math.inf] * len(self._freqs_hz)
        for number, app in enumerate(observation.applications):
            left_s = app.rate_ips / app.target_ips * cycles_s[number] - stalls_s[number]
            cluster = clusters[number]
            if left_s < least_s[cluster]:
                least_s[cluster] = left_s
        chosen = []
        for cluster, left_s in enumerate(least_s):
            need_hz = 1.0 / left_s if left_s > 0.0 else math.inf
            chosen.append(opp_at_least(self._freqs_hz[cluster], need_hz))
        return tuple(chosen)

    def _look(self, observation: Observation) -> None:
        """Where everybody is now, and what a cycle takes there; wait where that is elsewhere."""
        estimator = self._estimator
        seats = estimator.seats(observation)
        if seats != self._seats:
            self._seats = seats
            self._wait = SETTLE_ROUNDS
        places = estimator.places(observation)
        self._clusters = [place.cluster for place in places]
        self._cycles_s = [place.cycle_s for place in places]
        self._stalls_s = [place.stall_s for place in places]
        self._lessons = estimator.lessons if observation is estimator.heard else -1


def needed_hz(freq_hz: float, reached: float, stall_s_per_cycle: float) -> float:
    """The frequency that just meets a target of which `freq_hz` gives the share `reached`.

    An instruction takes ``c (1 / f + u)`` seconds with u stall seconds per cycle, and may take
    `reached` times as long as now. Infinite where no frequency is enough.

    >>> round(needed_hz(1e9, 2.0, 0.0) / 1e6)
    500
    >>> round(needed_hz(1e9, 2.0, 1e-9) / 1e6)
    333
    """
    if reached <= 0.0:
        return math.inf
    left_s = reached * (1.0 / freq_hz + stall_s_per_cycle) - stall_s_per_cycle
    return 1.0 / left_s if left_s > 0.0 else math.inf
