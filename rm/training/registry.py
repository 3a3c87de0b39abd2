"""Find training policies by name: ours and those registered as ``ilgov.training_policies``.

An entry point names a factory ``make(context: TrainingContext) -> TrainingPolicy``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from npu_runtime.load import AUTO
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import Platform
from rm.planner.plans import Limits
from rm.policies.registry import PolicyContext
from rm.policy import TrainingPolicy
from rm.training.jobs import TrainingJobs

GROUP = "ilgov.training_policies"


@dataclass(frozen=True)
class TrainingContext:
    """What a training policy may be made from.

    `platform` is the one that it will steer, `jobs` are the training jobs that it decides about,
    within `limits`. `policy_file` is the network of the ordinary policy inside, where there is one,
    and `backend` runs it (see `npu_runtime.load`).
    """

    board: Board
    platform: Platform
    jobs: TrainingJobs
    limits: Limits
    policy_file: Path | None = None
    backend: str = AUTO

    @property
    def ordinary(self) -> PolicyContext:
        """What the ordinary policy inside is made from."""
        return PolicyContext(self.board, self.platform, self.policy_file, self.backend)


TrainingPolicyFactory = Callable[[TrainingContext], TrainingPolicy]


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def training_policy_names() -> tuple[str, ...]:
    """The names of all installed training policies."""
    return tuple(sorted(_found()))


def training_policy_entry(name: str) -> EntryPoint:
    """Where a training policy comes from; InvalidInput names those that there are."""
    found = _found()
    if name not in found:
        known = ", ".join(sorted(found))
        raise InvalidInput(f"training policy must be one of {known} (got {name!r})")
    return found[name]


def training_policy_factory(name: str) -> TrainingPolicyFactory:
    """The factory of a training policy; InvalidInput names those that there are."""
    factory: TrainingPolicyFactory = training_policy_entry(name).load()
    return factory
