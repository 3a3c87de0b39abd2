"""Lists of mappings with the truth about each: what the network learns to put in order."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from oracle.joint import JointSearch
from oracle.whatif import Placement, WhatIf
from platforms.board import Board
from rm.mapping.divisions import divisions
from rm.mapping.neighbours import neighbours
from rm.mapping.packing import Mappings, groups_of_cores, pack
from rm.mapping.rows import describe
from rm.mapping.search import SHORTFALL_STEP
from rm.mapping.single_moves import single_moves
from training.joint.heats import SteadyHeats
from training.joint.options import JointOptions
from training.joint.situations import Situation, true_demand

MISS_K = 1e4
"""What missing one whole target counts for, in kelvin: a hundredth is more than mappings differ by.
Less than a hundredth counts for nothing, as for the governor.

Who misses targets that others of the list meet is left out of it: estimates that were wrong are not
for the network to learn."""


class Judge(Protocol):
    """The truth about placements."""

    def optimum(self, situation: Situation) -> Placement:
        """The joint oracle's placement."""
        ...

    def heats_k(self, situation: Situation, mappings: Mappings) -> NDArray[np.float64]:
        """Where R mappings settle at the least operating points, misses counted as heat."""
        ...


@dataclass(frozen=True)
class RatedList:
    """L mappings of one situation: `features` (L, F), and `excess_k` (L,) over the coolest of them.

    `optimum_k` is that one's heat: degC, and `MISS_K` for every target missed. The joint oracle's
    mapping is among them wherever the governor's estimates let it be.
    """

    features: NDArray[np.float32]
    excess_k: NDArray[np.float64]
    optimum_k: float


class OracleJudge:
    """The truth from the board's own models and the joint search."""

    def __init__(self, models: WhatIf) -> None:
        """For one board under one cooling setup."""
        self._board = models.board
        self._search = JointSearch(models=models)
        self._heats_c = SteadyHeats(models)

    def optimum(self, situation: Situation) -> Placement:
        """The joint oracle's placement."""
        return self._search.solve(situation.wanted).placement

    def heats_k(self, situation: Situation, mappings: Mappings) -> NDArray[np.float64]:
        """The hottest core's steady temperature in degC, plus `MISS_K` per target missed."""
        truth = true_demand(self._board, situation.wanted, stall_aware=True)
        described = describe(self._board, truth, mappings)
        activity = np.array([app.profile.activity for app in situation.wanted])
        heats_c = self._heats_c(mappings, described, activity)
        steps = np.round(described.shortfall / SHORTFALL_STEP)
        return heats_c + MISS_K * SHORTFALL_STEP * steps


def rated_list(
    board: Board,
    judge: Judge,
    situation: Situation,
    options: JointOptions,
    rng: np.random.Generator,
) -> RatedList | None:
    """A situation's list: of the mappings near the oracle's choice and the present one, some.

    Half of them are the coolest, the others any. Only mappings that meet the targets best, as far
    as the governor can tell: among these alone the network chooses. None where there is nothing to
    choose between.
    """
    cores = [app.cores[0] for app in situation.wanted]
    best = [cores_of_app[0] for cores_of_app in judge.optimum(situation)]
    mappings = _candidates(board, situation, cores, best, options)
    described = describe(board, situation.demand, mappings)
    steps = np.round(described.shortfall / SHORTFALL_STEP)
    eligible = np.flatnonzero(steps == steps.min())
    heats = judge.heats_k(situation, mappings.rows(eligible))
    met = heats < heats.min() + MISS_K * SHORTFALL_STEP
    if met.sum() < 2:
        return None
    heats, features = heats[met], described.features[eligible[met]]
    order = np.argsort(heats, kind="stable")
    half = options.list_length // 2
    others = rng.permutation(order[half:])[: options.list_length - half]
    chosen = np.concatenate([order[:half], others])
    return RatedList(features[chosen], heats[chosen] - heats.min(), float(heats.min()))


def _candidates(
    board: Board,
    situation: Situation,
    cores: list[int],
    best: list[int],
    options: JointOptions,
) -> Mappings:
    """All that the governor might look at, once; the oracle's is among them where it may be."""
    demand, owner = situation.demand, board.cluster_of_core
    if options.question == "one":
        parts = [groups_of_cores(board, cores), single_moves(board, cores)]
    else:
        around = [
            neighbours([owner[core] for core in at], len(board.clusters)) for at in (cores, best)
        ]
        parts = [groups_of_cores(board, at) for at in (cores, best)]
        parts += [pack(board, demand, assignments) for assignments in (*around, divisions(demand))]
    return _distinct(
        Mappings(
            np.concatenate([part.cluster for part in parts]),
            np.concatenate([part.group for part in parts]),
        )
    )


def _distinct(mappings: Mappings) -> Mappings:
    """Each mapping once, in the order in which they first come, whatever its groups are called."""
    cluster, group = mappings.cluster, mappings.group
    together = (cluster[:, :, None] == cluster[:, None, :]) & (
        group[:, :, None] == group[:, None, :]
    )
    unnamed = np.concatenate([cluster, together.argmax(axis=2)], axis=1)
    first = np.sort(np.unique(unnamed, axis=0, return_index=True)[1])
    return mappings.rows(first)
