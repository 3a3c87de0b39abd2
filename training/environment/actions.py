"""What an agent does: it maps applications onto cores and, if it likes, chooses the clocks."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from msgspec import Struct

from platforms.board import Board
from platforms.decision_check import placement_problems
from platforms.errors import InvalidInput
from platforms.platform import ApplicationReading, Migration
from training.environment.slots import Slotted

Moves = Literal["all", "one"]
"""`all`: a choice for every slot. `one`: one choice for all of them, at most one move a step."""

Dvfs = Literal["qos", "agent"]
"""`qos`: TOP-IL's DVFS loop (`rm.dvfs`) chooses the clocks. `agent`: the agent does."""


class Choice(Struct, frozen=True):
    """One of the whole numbers that an action consists of: from 0 to below `count`."""

    name: str
    count: int
    meaning: str


class ActionCodec:
    """An action space and what its actions mean.

    Raises InvalidInput for `moves` and `dvfs` that there are not.
    """

    def __init__(self, board: Board, *, slots: int, moves: Moves, dvfs: Dvfs) -> None:
        _check("moves", moves, ("all", "one"))
        _check("dvfs", dvfs, ("qos", "agent"))
        self._board = board
        self._one = moves == "one"
        self._mapping = _one_choice(board, slots) if self._one else _choices(board, slots)
        clocks = _clock_choices(board) if dvfs == "agent" else []
        self.choices = (*self._mapping, *clocks)
        self.space = _space([choice.count for choice in self.choices])

    def numbers(self, action: Any) -> list[int]:
        """The action's choices; InvalidInput where it is not one of the space's."""
        if not self.space.contains(action):
            raise InvalidInput(f"action must be one of {self.space} (got {action!r})")
        return [int(number) for number in np.atleast_1d(action)]

    def migrations(self, numbers: Sequence[int], slotted: Slotted) -> tuple[Migration, ...]:
        """The moves that an action asks for; none for empty slots and for who is there already."""
        found = []
        for slot, core in self._targets(numbers):
            app = slotted[slot]
            cores = None if app is None else self._cores(app, core)
            if app is not None and cores is not None and cores != app.cores:
                found.append(Migration(app.id, cores))
        return tuple(found)

    def opps(self, numbers: Sequence[int]) -> tuple[int, ...] | None:
        """The operating points that an action asks for, None where it leaves them to the loop."""
        return tuple(numbers[len(self._mapping) :]) or None

    def _targets(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """Slots and the cores that their applications shall go to."""
        count = self._board.core_count
        if self._one:
            return [divmod(numbers[0] - 1, count)] if numbers[0] else []
        mapping = numbers[: len(self._mapping)]
        return [(slot, number - 1) for slot, number in enumerate(mapping) if number]

    def _cores(self, app: ApplicationReading, core: int) -> tuple[int, ...] | None:
        """The core for one thread, its whole cluster for several; None where they cannot go."""
        cluster = self._board.clusters[self._board.cluster_of_core[core]]
        cores = (core,) if app.threads == 1 else cluster.cores
        return None if any(placement_problems(self._board, app.threads, cores)) else cores


def _choices(board: Board, slots: int) -> list[Choice]:
    meaning = f"0: stay; k: go to core k - 1 (1 to {board.core_count})"
    return [Choice(f"slot {slot}", board.core_count + 1, meaning) for slot in range(slots)]


def _one_choice(board: Board, slots: int) -> list[Choice]:
    count = board.core_count
    meaning = f"0: none; 1 + {count} s + c: the application in slot s goes to core c"
    return [Choice("move", 1 + slots * count, meaning)]


def _clock_choices(board: Board) -> list[Choice]:
    return [
        Choice(f"clock of {cluster.name}", len(cluster.opps), "operating point, 0 is the lowest")
        for cluster in board.clusters
    ]


def _space(counts: list[int]) -> spaces.Space[Any]:
    """A bare number where there is one choice only: some algorithms know nothing else."""
    return spaces.Discrete(counts[0]) if len(counts) == 1 else spaces.MultiDiscrete(counts)


def _check(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InvalidInput(f"{key} must be one of {', '.join(known)} (got {value!r})")
