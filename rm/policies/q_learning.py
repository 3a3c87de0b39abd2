"""Tabular Q-learning (Watkins 1989) with epsilon-greedy exploration, over actions that are allowed.

Q(s, a) += learning_rate * (reward + discount * max_b Q(s', b) - Q(s, a))
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from platforms.errors import InvalidInput

RANGES = {
    "learning_rate": (0.0, 1.0),
    "discount": (0.0, 0.999),
    "exploration": (0.0, 1.0),
    "reference_temp_c": (-100.0, 200.0),
    "missed_reward": (-1e6, 1e6),
    "met_from": (0.0, 1.0),
}
"""Lowest and highest value allowed of each of the `LearningParameters`."""


class LearningParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Constants of TOP-RL; all but the last are recalled of the paper, not read in it.

    The reward is `reference_temp_c` minus the temperature (in kelvin) where the application meets
    its target, else `missed_reward`. That a target is met from `met_from` of it on is assumed: an
    application counts as missed below that share in this project's comparisons.
    """

    learning_rate: float = 0.05
    discount: float = 0.8
    exploration: float = 0.1
    reference_temp_c: float = 80.0
    missed_reward: float = -200.0
    met_from: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what does not learn."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InvalidInput(f"{name} must lie in {low} ... {high} (got {value})")


class QLearner:
    """A table that all agents share: `values` (states, actions), changed in place."""

    def __init__(
        self,
        values: NDArray[np.float64],
        parameters: LearningParameters,
        rng: np.random.Generator,
    ) -> None:
        """`rng` draws the exploration."""
        self.values = values
        self.parameters = parameters
        self._rng = rng

    def choose(self, state: int, allowed: Sequence[int], stay: int) -> int:
        """An action out of `allowed`: mostly the best, `stay` among equals; at times any."""
        if self._rng.random() < self.parameters.exploration:
            return allowed[int(self._rng.integers(len(allowed)))]
        row = self.values[state]
        return max(allowed, key=lambda action: (row[action], action == stay, -action))

    def learn(
        self, state: int, action: int, reward: float, next_state: int, allowed: Sequence[int]
    ) -> None:
        """What `action` in `state` led to; `allowed` are the actions in `next_state`."""
        following = self.values[next_state]
        worth = reward + self.parameters.discount * max(following[other] for other in allowed)
        self.values[state, action] += self.rate(state, action) * (
            worth - self.values[state, action]
        )

    def rate(self, state: int, action: int) -> float:
        """The learning rate of this update."""
        return self.parameters.learning_rate
