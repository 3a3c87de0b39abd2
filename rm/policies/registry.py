"""Find policies by name: ours and those that other packages register as ``ilgov.policies``.

An entry point names a factory ``make(context: PolicyContext) -> Policy``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import Platform
from rm.policy import Policy

GROUP = "ilgov.policies"


@dataclass(frozen=True)
class PolicyContext:
    """What a policy may be made from.

    `platform` is the one that it will steer; a policy that needs more than the `Platform` protocol
    (the oracle needs a simulated board) checks for it and refuses. `policy_file` is the network of
    those that have one.
    """

    board: Board
    platform: Platform
    policy_file: Path | None = None


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
