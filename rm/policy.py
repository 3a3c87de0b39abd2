"""What a policy is: it sees observations and says who runs where, and how fast."""

from typing import Protocol

from platforms.platform import Migration, Observation


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
