"""A run between SuperLink and SuperNodes."""

from collections.abc import Callable
from pathlib import Path

from platforms.errors import InvalidInput
from training.federated.engine.progress import Event
from training.federated.running import Plan


def deploy(
    plan: Plan,
    progress: Path,
    tell: Callable[[Event], None],
    *,
    keys: Path | None,
    superlink: str | None,
) -> None:
    """Not yet there."""
    raise InvalidInput(f"engine deployment is not there yet ({plan}, {progress}, {tell})")
