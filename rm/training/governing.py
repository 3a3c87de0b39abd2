"""`ilgov` with training jobs: applications first, training with what they leave, within the limits.

For now it only governs the applications; no job is granted anything yet.
"""

from platforms.platform import Migration, Observation, TrainingGrant
from rm.policies.ilgov import make as make_ordinary
from rm.policy import Policy
from rm.training.registry import TrainingContext


class GoverningTraining:
    """The policy."""

    name = "ilgov"

    def __init__(self, inner: Policy) -> None:
        self._inner = inner

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """As the ordinary policy."""
        return self._inner.migrate(observation)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """As the ordinary policy."""
        return self._inner.scale(observation)

    def train(self, observation: Observation) -> tuple[TrainingGrant, ...]:
        """No grant changes."""
        return ()


def make(context: TrainingContext) -> GoverningTraining:
    """The policy, with the ordinary one of the context inside."""
    return GoverningTraining(make_ordinary(context.ordinary))
