"""`none`: the foreground under `ilgov`, without any training: what training must not disturb."""

from platforms.platform import Migration, Observation, TrainingGrant
from rm.policies.registry import policy_factory
from rm.policy import Policy
from rm.training.registry import TrainingContext


class Untrained:
    """An ordinary policy under which no job ever trains."""

    name = "none"

    def __init__(self, foreground: Policy) -> None:
        """`foreground` decides about applications and frequencies."""
        self._foreground = foreground

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """As the foreground's policy."""
        return self._foreground.migrate(observation)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """As the foreground's policy."""
        return self._foreground.scale(observation)

    def train(self, observation: Observation) -> tuple[TrainingGrant, ...]:
        """Nothing."""
        return ()


def make(context: TrainingContext) -> Untrained:
    """Above `ilgov`."""
    return Untrained(policy_factory("ilgov")(context.ordinary))
