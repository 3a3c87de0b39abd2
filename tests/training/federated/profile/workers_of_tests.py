"""Steps for the profile's tests: one that holds memory, one that fails."""

from collections.abc import Callable

import torch


def squares(batch: int) -> Callable[[], None]:
    """Multiplies matrices of 32 KB times the batch, and forgets the result."""
    rows = torch.ones(32 * batch, 256)

    def step() -> None:
        (rows @ rows.T).sum()

    return step


def fails(batch: int) -> Callable[[], None]:
    """Cannot be made."""
    raise RuntimeError(f"no batch of {batch}")
