"""Find policies by name: ours and those that other packages register as ``ilgov.policies``.

An entry point names a factory ``make(context: PolicyContext) -> Policy``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from npu_runtime.isolation import DEADLINE_S
from npu_runtime.load import AUTO, LoadedPolicy, load_policy
from npu_runtime.policy_file import Feature
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import Platform
from rm.policy import Policy
from traces.schema import board_digest

GROUP = "ilgov.policies"


@dataclass(frozen=True)
class PolicyContext:
    """What a policy may be made from.

    `platform` is the one that it will steer; a policy that needs more than the `Platform` protocol
    (the oracle needs a simulated board) checks for it and refuses. `policy_file` is the network of
    those that have one. `backend` runs it (see `npu_runtime.load`), an isolated one within
    `deadline_s`; `networks` are those that were loaded.
    """

    board: Board
    platform: Platform
    policy_file: Path | None = None
    backend: str = AUTO
    deadline_s: float = DEADLINE_S
    networks: list[LoadedPolicy] = field(default_factory=list)

    def load(
        self, path: Path, *, features: Sequence[Feature], outputs: Sequence[str]
    ) -> LoadedPolicy:
        """The network at `path`, for this board as it is described; raises as `load_policy`."""
        loaded = load_policy(
            path,
            features=features,
            board=self.board.name,
            board_sha256=board_digest(self.board),
            outputs=outputs,
            backend=self.backend,
            deadline_s=self.deadline_s,
        )
        self.networks.append(loaded)
        return loaded


PolicyFactory = Callable[[PolicyContext], Policy]


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def policy_names() -> tuple[str, ...]:
    """The names of all installed policies."""
    return tuple(sorted(_found()))


def policy_entry(name: str) -> EntryPoint:
    """Where a policy comes from; InvalidInput names those that there are."""
    found = _found()
    if name not in found:
        raise InvalidInput(f"policy must be one of {', '.join(sorted(found))} (got {name!r})")
    return found[name]


def policy_factory(name: str) -> PolicyFactory:
    """The factory of a policy; InvalidInput names those that there are."""
    factory: PolicyFactory = policy_entry(name).load()
    return factory
