"""DVFS by QoS: every cluster as fast as its most demanding application needs, and no faster.

TOP-IL's loop: an application that runs at rate q on a cluster at f and must reach Q is taken to
need ``f * Q / q`` (linear scaling: exact for compute-bound programs, too high a demand for
memory-bound ones when slowing down, too low when speeding up, which the next round corrects). The
cluster takes the largest demand, rounded up to an operating point, and moves one point a round
towards it.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from operator import getitem

from platforms.board import Board
from platforms.platform import ApplicationReading, Observation

SETTLE_ROUNDS = 2
"""Rounds that pass after a migration before its rates are believed (the paper's "a couple")."""


def demanded_hz(application: ApplicationReading, freq_hz: float) -> float:
    """The frequency that would just meet the target, by linear scaling from `freq_hz`.

    Infinite for an application that stands still.
    """
    if application.rate_ips <= 0.0:
        return float("inf")
    return freq_hz * application.target_ips / application.rate_ips


def demands_hz(
    board: Board, observation: Observation, applications: Iterable[ApplicationReading]
) -> list[float]:
    """Per cluster the largest demand of these applications, 0 where there is none."""
    seen, owner = list(applications), board.cluster_of_core
    clusters = [owner[app.cores[0]] for app in seen]
    return _largest_demands_hz(board.freqs_hz_at(observation.opp_index), seen, clusters)


def _largest_demands_hz(
    freqs_hz: Sequence[float], applications: Iterable[ApplicationReading], clusters: Sequence[int]
) -> list[float]:
    """The same, of clusters at these frequencies; `clusters` has that of each application."""
    largest = [0.0] * len(freqs_hz)
    for number, application in enumerate(applications):
        cluster, rate_ips = clusters[number], application.rate_ips
        # As `demanded_hz`, which as a call would be half of the loop.
        demand = (
            freqs_hz[cluster] * application.target_ips / rate_ips if rate_ips > 0.0 else math.inf
        )
        if demand > largest[cluster]:
            largest[cluster] = demand
    return largest


def opp_at_least(freqs_hz: Sequence[float], demand_hz: float) -> int:
    """Index of the lowest operating point that reaches `demand_hz`, the highest if none does.

    >>> opp_at_least((500, 1000, 2000), 501.0)
    1
    >>> opp_at_least((500, 1000, 2000), 9e9)
    2
    """
    # A demand that is met to a part in a million is met: rates are measured, not exact.
    found = bisect_left(freqs_hz, demand_hz * (1.0 - 1e-6))
    return found if found < len(freqs_hz) else found - 1


class QosScaling:
    """The loop's memory: which rounds to sit out after a migration."""

    def __init__(self, board: Board) -> None:
        """For any board; all clusters are treated alike."""
        self._owner = board.cluster_of_core
        # In Python floats are compared and multiplied with each other faster than with integers.
        self._freqs_hz = [tuple(map(float, cluster.freqs_hz)) for cluster in board.clusters]
        self._ids: list[int] = []
        self._cores: list[tuple[int, ...]] = []
        self._clusters: list[int] = []
        self._wait = 0

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The next operating points, at most one step from the present ones."""
        apps, opps = observation.applications, observation.opp_index
        ids, cores = [], []
        for app in apps:
            ids.append(app.id)
            cores.append(app.cores)
        if cores != self._cores or ids != self._ids:
            self._ids, self._cores = ids, cores
            self._clusters = [self._owner[app.cores[0]] for app in apps]
            self._wait = SETTLE_ROUNDS
        if self._wait:
            self._wait -= 1
            return opps
        freqs_hz = [*map(getitem, self._freqs_hz, opps)]
        largest = _largest_demands_hz(freqs_hz, apps, self._clusters)
        chosen = []
        for cluster, present in enumerate(opps):
            demand_hz = largest[cluster]
            wanted = opp_at_least(self._freqs_hz[cluster], demand_hz) if demand_hz else 0
            chosen.append(present + (wanted > present) - (wanted < present))
        return tuple(chosen)
