"""Which cooling is in force, and how warm every node is, at next to no cost while nobody asks.

The filters (`rm.training.heat_filters`) cost a fraction of a round's budget in every round. While
there is no training job nobody asks what they know, so rounds are only remembered then. They are
worked off once there is a job: a few in every round, and all of them as soon as somebody asks. What
is older than the filters' own memory is forgotten: they find the level, the cooling and the
activity anew from what is remembered.
"""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board, CoolingSetup
from platforms.platform import Observation
from rm.training.heat_filters import HeatFilters

REMEMBERED_S = 120.0
"""Rounds before that are forgotten. From so many seconds the cores' temperatures and the cooling
come out as well as from all that was ever seen (measured on the simulated board, see
`test_heat_observer`; from 30 s the cooling does not)."""

AT_ONCE = 16
"""Remembered rounds that are worked off in one while nobody asks: two minutes of migration periods
in less than a second of rounds, none of which costs more than a search for a mapping."""

Floats = NDArray[np.float64]


class _Round(NamedTuple):
    """What `HeatObserver.update` takes in."""

    observation: Observation
    training: Mapping[int, float] | None = None
    node_w: Mapping[str, float] | None = None


class HeatObserver:
    """Listens to every observation; says what the filters make of them."""

    def __init__(self, board: Board) -> None:
        """Nothing was seen yet: all setups are equally likely."""
        self._board = board
        self._filters = HeatFilters(board)
        self._remembered: deque[_Round] = deque()
        self._has_forgotten = False

    # --- what it makes of it --------------------------------------------------------------------

    @property
    def setups(self) -> tuple[CoolingSetup, ...]:
        """The board's setups as they are while they last, those that cool alike once."""
        return self._filters.setups

    @property
    def shares(self) -> Floats:
        """How likely every one of `setups` is."""
        return self._up_to_date().shares

    @property
    def cooling(self) -> CoolingSetup:
        """The setup most likely in force."""
        return self._up_to_date().cooling

    @property
    def share(self) -> float:
        """How likely that is."""
        return self._up_to_date().share

    @property
    def bias_k(self) -> float:
        """What the sensors read above what this setup foresaw a second before."""
        return self._up_to_date().bias_k

    @property
    def activity(self) -> float:
        """What the applications' busy cores switch, relative to the board's busy power."""
        return self._up_to_date().activity

    @property
    def temperatures_c(self) -> Floats | None:
        """The temperature of every node, degC; None before the first reading."""
        return self._up_to_date().temperatures_c

    # --- what it sees ---------------------------------------------------------------------------

    def remember(self, observation: Observation) -> None:
        """Take in a round in which nothing trains, later."""
        rounds = self._remembered
        kept = Observation(
            observation.time_s,
            observation.window_s,
            (),  # not needed, and most of what an observation holds
            observation.opp_index,
            observation.opp_cap,
            observation.core_utilisation,
            observation.temperatures,
        )
        rounds.append(_Round(kept))
        oldest_s = observation.time_s - REMEMBERED_S
        while rounds[0].observation.time_s < oldest_s:
            rounds.popleft()
            self._has_forgotten = True

    def update(
        self,
        observation: Observation,
        training: Mapping[int, float] | None = None,
        *,
        node_w: Mapping[str, float] | None = None,
    ) -> None:
        """Take in a round, and work off some of those that are remembered.

        `training` is what training switches, by core that it is granted; `node_w` is what is known
        to heat a node beside the cores, an accelerator's.
        """
        self._remembered.append(_Round(observation, training, node_w))
        self._work_off(AT_ONCE)

    # --- inside ---------------------------------------------------------------------------------

    def _up_to_date(self) -> HeatFilters:
        """The filters, once they have seen all that is remembered."""
        self._work_off(len(self._remembered))
        return self._filters

    def _work_off(self, most: int) -> None:
        """Let the filters see so many of the remembered rounds, the oldest first."""
        if self._has_forgotten:
            self._filters = HeatFilters(self._board)
            self._has_forgotten = False
        for _ in range(min(most, len(self._remembered))):
            seen, training, node_w = self._remembered.popleft()
            self._filters.update(seen, training, node_w=node_w)
