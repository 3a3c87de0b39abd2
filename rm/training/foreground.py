"""The applications of a round as plans see them: what they ask for, and what they switch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from platforms.board import Board
from platforms.platform import ApplicationReading, Migration, Observation
from platforms.simulated.power import PowerModel
from rm.mapping.demand import Demand
from rm.mapping.memory import HIGHEST_LOAD
from rm.mapping.rows import describe
from rm.mapping.search import SHORTFALL_STEP
from rm.mapping.seats import seats
from rm.mapping.threads import mapping_now
from rm.planner.plans import Plan
from rm.policies.ilgov import threads_of
from rm.policy import Policy

HEADROOM = 1.1
"""So much more than learnt are programs taken to switch: the hottest core's may be above the mean
(chosen)."""


class Ordinary(Policy, Protocol):
    """A policy that can say what applications ask for."""

    def demand(
        self, observation: Observation, applications: Sequence[ApplicationReading]
    ) -> Demand:
        """What these applications, none at a stand, ask for."""
        ...


@dataclass(frozen=True)
class Foreground:
    """Those that can be moved, and the others, which stay, with the cluster of their every thread.

    `ids` are all of them; `demand` is of `movable` and then of the threads (None: there are none).
    """

    board: Board
    movable: tuple[ApplicationReading, ...]
    teams: tuple[ApplicationReading, ...]
    threads: tuple[int, ...]
    ids: frozenset[int]
    demand: Demand | None
    opp_index: tuple[int, ...]

    @property
    def cores(self) -> list[int]:
        """Where those that can be moved are."""
        return [app.cores[0] for app in self.movable]

    @property
    def memory_load(self) -> float:
        """The share of the memory's bandwidth that they take."""
        return 0.0 if self.demand is None else min(float(self.demand.memory.sum()), HIGHEST_LOAD)

    def standing_on(self, observation: Observation) -> set[int]:
        """The cores of the applications of one thread that stand still."""
        return {
            app.cores[0]
            for app in observation.applications
            if app.threads == 1 and app.id not in self.ids
        }

    def seats(self, plan: Plan) -> list[int]:
        """The core of each of `movable` by a plan."""
        count = len(self.movable)
        return seats(
            self.board, cluster=plan.cluster[:count], group=plan.group[:count], present=self.cores
        )

    def widened(self) -> tuple[Migration, ...]:
        """The moves that let threads use all cores of their cluster, as plans take it."""
        clusters, owner = self.board.clusters, self.board.cluster_of_core
        return tuple(
            Migration(team.id, cores)
            for team in self.teams
            if team.cores != (cores := clusters[owner[team.cores[0]]].cores)
        )

    def misses(self) -> bool:
        """Whether one would miss its target where it is now, at any clock."""
        if self.demand is None or not self.movable:
            return False
        mapping = mapping_now(self.board, self.movable, self.teams)
        described = describe(self.board, self.demand, mapping)
        return bool(described.shortfall[0] >= SHORTFALL_STEP)

    def activity(self, power: PowerModel, switched: float) -> float:
        """What programs switch while they do not stall, if busy cores were seen to (`switched`).

        Both relative to the board's busy power; 1 at most, and where nothing is known.
        """
        if self.demand is None or not self.movable:
            return 1.0
        shares, stalling = [], []
        for k, core in enumerate(self.cores):
            x = self.board.cluster_of_core[core]
            opp, floor = self.opp_index[x], self.board.clusters[x].activity_floor
            shares.append(power.core_dynamic_w(x, opp) / self.cores.count(core))
            stalling.append(floor + (1.0 - floor) * self.demand.busy[x][k, opp])
        return min(1.0, HEADROOM * switched / float(np.average(stalling, weights=shares)))


def foreground(board: Board, inner: Ordinary, observation: Observation) -> Foreground:
    """The applications of an observation that do not stand still, by the ordinary policy."""
    running = [app for app in observation.applications if app.rate_ips > 0.0]
    movable = [app for app in running if app.threads == 1]
    teams = [app for app in running if app.threads > 1]
    threads = threads_of(teams)
    apps = [*movable, *threads]
    return Foreground(
        board,
        tuple(movable),
        tuple(teams),
        tuple(board.cluster_of_core[thread.cores[0]] for thread in threads),
        frozenset(app.id for app in running),
        inner.demand(observation, apps) if apps else None,
        observation.opp_index,
    )
