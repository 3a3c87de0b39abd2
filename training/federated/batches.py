"""Which examples a step sees."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.dice import dice


def batches(count: int, *, batch: int, steps: int, seed: int) -> Iterator[NDArray[Any]]:
    """Rows of `count` examples for each step: all once in an order drawn from `seed`, then again.

    A batch is never larger than there are examples.

    >>> [len(rows) for rows in batches(10, batch=4, steps=3, seed=0)]
    [4, 4, 4]
    """
    if count < 1 or batch < 1:
        raise InvalidInput(f"examples and batch must be at least 1 (got {count} and {batch})")
    rng = dice(seed, "batches")
    size = min(batch, count)
    waiting = np.empty(0, np.int64)
    for _ in range(steps):
        if len(waiting) < size:
            waiting = np.concatenate([waiting, rng.permutation(count)])
        yield waiting[:size]
        waiting = waiting[size:]
