"""The state of TOP-RL: TOP-IL's features cut into levels, so that a table can have a row for each.

How TOP-RL cuts them is in no public source; components and edges are this project's. Rate, target
and present frequency enter as one figure, the frequency that the application demands; utilisations
as the number of free cores; L2 accesses not at all. Cores of a cluster are taken as alike: they
share a level, and what is learnt on one serves all.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence

from msgspec import Struct

from platforms.board import Board
from platforms.platform import ApplicationReading, Observation
from rm.dvfs import demanded_hz, demands_hz

BUSY_ABOVE = 0.1
"""A core counts as free up to this utilisation, as for TOP-IL's policy."""

DEMAND_EDGES = (0.4, 0.7, 1.0)
"""Levels of what the application demands of its cluster's highest frequency; the last one is
beyond it. Assumed."""

OTHERS_EDGES = (0.001, 0.4, 0.7)
"""Levels of what the others demand of a cluster; the first one is nobody there. Assumed."""

_SHARE = "share of the cluster's highest frequency"


class Component(Struct, frozen=True, forbid_unknown_fields=True):
    """One part of the state: a quantity in `unit`, cut into levels at rising `edges`."""

    name: str
    unit: str
    edges: tuple[float, ...]

    def level(self, value: float) -> int:
        """0 below the first edge, and one more from each edge on.

        >>> [Component("demand", "1", (0.4, 1.0)).level(value) for value in (0.1, 0.4, 9.0)]
        [0, 1, 2]
        """
        return bisect_right(self.edges, value)

    @property
    def size(self) -> int:
        """How many levels there are."""
        return len(self.edges) + 1


def components(board: Board) -> tuple[Component, ...]:
    """The parts of the state on a board, the slowest index of the table first."""
    clusters = board.clusters
    return (
        Component("aoi_cluster", "number of its cluster", _counted(len(clusters) - 1)),
        Component("aoi_demand", _SHARE, DEMAND_EDGES),
        *[Component(f"others_demand_{c.name}", _SHARE, OTHERS_EDGES) for c in clusters],
        *[Component(f"free_cores_{c.name}", "cores", _counted(len(c.cores))) for c in clusters],
    )


def _counted(highest: int) -> tuple[float, ...]:
    """The edges that give every count from 0 to `highest` a level of its own."""
    return tuple(float(count) for count in range(1, highest + 1))


def state_count(parts: Sequence[Component]) -> int:
    """How many states these components make."""
    return math.prod(part.size for part in parts)


class StateSpace:
    """Numbers the states of a board's applications."""

    def __init__(self, board: Board) -> None:
        """For any board; the table grows with the number of its clusters."""
        self._board = board
        self._components = components(board)
        self._tops_hz = [cluster.freqs_hz[-1] for cluster in board.clusters]
        self.size = state_count(self._components)

    def index(
        self, observation: Observation, application: ApplicationReading, free: Sequence[bool]
    ) -> int:
        """The state that the application of interest is in; `free` is `free_cores`."""
        number = 0
        values = self._values(observation, application, free)
        for part, value in zip(self._components, values, strict=True):
            number = number * part.size + part.level(value)
        return number

    def _values(
        self, observation: Observation, application: ApplicationReading, free: Sequence[bool]
    ) -> list[float]:
        """One value a component, in the order of `components`."""
        board, tops_hz = self._board, self._tops_hz
        cluster = board.cluster_of_core[application.cores[0]]
        present_hz = board.clusters[cluster].freqs_hz[observation.opp_index[cluster]]
        others = [app for app in observation.applications if app.id != application.id]
        demands = demands_hz(board, observation, others)
        return [
            cluster,
            demanded_hz(application, present_hz) / tops_hz[cluster],
            *[demand / top_hz for demand, top_hz in zip(demands, tops_hz, strict=True)],
            *[sum(free[core] for core in described.cores) for described in board.clusters],
        ]


def free_cores(observation: Observation) -> list[bool]:
    """Per core whether nobody is on it: not busy, and no application of one thread put there."""
    free = [share <= BUSY_ABOVE for share in observation.core_utilisation]
    for app in observation.applications:
        if app.threads == 1:
            free[app.cores[0]] = False
    return free
