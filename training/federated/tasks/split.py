"""Who has which examples: labels differ from device to device as a Dirichlet draw says."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.dice import dice
from training.federated.tasks.task import Examples

LEAST = 16
"""Examples that every device has at least: a batch."""


def split(examples: Examples, *, devices: int, alpha: float, seed: int) -> tuple[Examples, ...]:
    """A part for each device: each label's examples are shared out by Dirichlet(alpha).

    Small `alpha` gives devices few labels, a large one all alike. Where a device would have fewer
    than `LEAST` examples, it takes from those that have most. InvalidInput where there are too few.
    """
    if alpha <= 0:
        raise InvalidInput(f"alpha must be above 0 (got {alpha:g})")
    if len(examples.y) < devices * LEAST:
        raise InvalidInput(
            f"devices must be at most {len(examples.y) // LEAST} for this task's {len(examples.y)}"
            f" examples, {LEAST} each (got {devices})"
        )
    rng = dice(seed, "split")
    shares: list[list[int]] = [[] for _ in range(devices)]
    for label in np.unique(examples.y):
        rows = rng.permutation(np.flatnonzero(examples.y == label))
        cuts = (np.cumsum(rng.dirichlet([alpha] * devices))[:-1] * len(rows)).astype(int)
        for share, part in zip(shares, np.split(rows, cuts), strict=True):
            share.extend(part.tolist())
    _fill(shares, rng)
    return tuple(_rows(examples, np.sort(np.array(share, np.int64))) for share in shares)


def _fill(shares: list[list[int]], rng: np.random.Generator) -> None:
    for share in shares:
        while len(share) < LEAST:
            richest = max(shares, key=len)
            share.append(richest.pop(int(rng.integers(len(richest)))))


def _rows(examples: Examples, rows: NDArray[Any]) -> Examples:
    return Examples(x=examples.x[rows], y=examples.y[rows])
