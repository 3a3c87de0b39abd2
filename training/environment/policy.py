"""A trained agent as one of the governor's policies: the same vectors, the same decisions."""

from collections.abc import Callable
from typing import Any

from platforms.board import Board
from platforms.platform import Migration, Observation
from training.environment.observations import Vector
from training.environment.steering import Interface, Steering

Predict = Callable[[Vector], Any]
"""What an agent does about what it sees: ``lambda seen: model.predict(seen)[0]``."""


class AgentPolicy:
    """Asks an agent once a migration period. `interface` is what it was trained with."""

    def __init__(
        self, board: Board, predict: Predict, *, name: str, interface: Interface | None = None
    ) -> None:
        """`name` is the policy's name in results."""
        self.name = name
        self._predict = predict
        self._steering = Steering(board, interface or Interface())

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """The agent's moves."""
        return self._steering.act(self._predict(self._steering.see(observation)))

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The DVFS loop's operating points, or those that the agent last asked for."""
        return self._steering.scale(observation)
