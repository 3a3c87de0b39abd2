"""Fill the cores of two clusters with the applications that a division gives them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

NOBODY = 1000
"""With so many would share a core who is not on the cluster: he comes last, and fills it."""


def filled(there: NDArray[np.bool_], bears: Sequence[Ints], cores: int) -> Ints:
    """The groups (R, K) of applications that share a core, in R divisions.

    `there` (R, K) says who is on the second cluster. `bears` are for both clusters (R, K): with how
    many each can share a core, 1 or more. So many `cores` are enough on either. They are filled
    one after another, and take as many as the most demanding one on them bears.
    """
    rows, count = there.shape
    most = np.concatenate(bears)
    np.copyto(most, NOBODY, where=np.concatenate([there, ~there]))
    order = most.argsort(axis=1, kind="stable") + np.arange(2 * rows)[:, None] * count
    sharers = np.ones((2 * rows, count + 1), dtype=np.int64)
    sharers[:, :count] = most.take(order)
    sharers = sharers.ravel()
    begins = np.zeros_like(sharers)
    end = np.arange(2 * rows) * (count + 1) + count
    at = end - count
    for _ in range(cores):
        begins[at] = 1
        at = np.minimum(at + sharers.take(at), end)
    core = begins.reshape(2 * rows, count + 1).cumsum(axis=1)[:, :count] - 1
    group = np.empty(2 * rows * count, dtype=np.int64)
    group[order] = core
    here, other = group.reshape(2, rows, count)
    return np.where(there, other, here)
