"""What a policy is: it sees observations and says who runs where, and how fast."""

from typing import Protocol

from platforms.platform import Migration, Observation, TrainingGrant


class Policy(Protocol):
    """Two answers at two periods; the governor turns them into one decision.

    A policy may keep state between calls, but only of what it has seen.
    """

    name: str

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """Which applications to move, asked once a migration period."""
        ...

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The operating point of every cluster, asked once a DVFS period."""
        ...


class TrainingPolicy(Policy, Protocol):
    """A policy that decides over training jobs as well.

    It may have ``accelerate(observation)`` beside: an operating point, or None, for each of the
    board's `compute_accelerators`.
    """

    def train(self, observation: Observation) -> tuple[TrainingGrant, ...]:
        """Grants for the jobs that change, asked once a DVFS period, after `scale`."""
        ...
