"""Which examples the next step sees, where the batch may change from step to step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.dice import dice


class RowStream:
    """Rows of `count` examples: all once in an order drawn from `seed`, then again.

    With one size throughout it gives what `batches` gives. `taken` is where it stands: a stream
    that begins there goes on as the first would have.

    >>> whole = RowStream(5, seed=1)
    >>> first = whole.take(3)
    >>> list(RowStream(5, seed=1, taken=3).take(4)) == list(whole.take(4))
    True
    """

    def __init__(self, count: int, *, seed: int, taken: int = 0) -> None:
        if count < 1 or taken < 0:
            raise InvalidInput(f"count must be 1, taken 0 or more (got {count} and {taken})")
        self.taken = taken
        self._count = count
        self._rng = dice(seed, "batches")
        for _ in range(taken // count):
            self._rng.permutation(count)
        left = taken % count
        self._waiting: NDArray[np.int64] = (
            self._rng.permutation(count)[left:] if left else np.empty(0, np.int64)
        )

    def take(self, size: int) -> NDArray[Any]:
        """The next rows, never more than there are examples."""
        size = min(size, self._count)
        if len(self._waiting) < size:
            self._waiting = np.concatenate([self._waiting, self._rng.permutation(self._count)])
        rows, self._waiting = self._waiting[:size], self._waiting[size:]
        self.taken += size
        return rows
