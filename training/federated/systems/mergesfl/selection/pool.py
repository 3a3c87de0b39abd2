"""Who can be chosen, and what a choice costs.

The merged batch has the labels of its workers in the shares of their batches,

    Phi = sum_i d_i V_i / sum_i d_i,

and its cost is KL(Phi || Phi0) against the labels of all workers together. The server's line bounds
the sum of what the chosen send. How divergence and an unused line are weighed against each other is
ours, the paper's fitness is not known (see docs/federated-mergesfl.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Members = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """Workers by index: label shares `mixes` (n, classes), `batches` (n,), what each `loads`.

    `loads` are in shares of the line: a choice must not add up to more than 1. `wanted` (classes,)
    are the labels of the whole. Worker `guest` is always in, and if it fills the line by itself, it
    is alone. Divergences up to `tolerance` count alike; a line that is unused costs `price`.
    """

    mixes: Numbers
    batches: Numbers
    loads: Numbers
    wanted: Numbers
    guest: int
    tolerance: float = 0.0
    price: float = 0.0

    def __len__(self) -> int:
        return len(self.batches)

    def fits(self, members: Members) -> Members:
        """Which rows of `members` (m, n) the line can take, with the guest among them."""
        alone = (members.sum(axis=1) == 1) & members[:, self.guest]
        return np.asarray(members[:, self.guest] & (alone | (members @ self.loads <= 1 + 1e-9)))

    def costs(self, members: Members) -> Numbers:
        """The cost of each row of `members` (m, n); infinite where it does not fit."""
        excess = np.maximum(self.divergences(members), self.tolerance)
        unused = np.maximum(1 - members @ self.loads, 0)
        return np.where(self.fits(members), excess + self.price * unused, np.inf)

    def divergences(self, members: Members) -> Numbers:
        """KL(Phi || Phi0) of each row in nats; infinite for a row without workers."""
        weights = members * self.batches
        sums = weights.sum(axis=1, keepdims=True)
        merged = weights @ self.mixes / np.maximum(sums, 1e-300)
        found = divergence(merged, self.wanted)
        return np.where(sums[:, 0] > 0, found, np.inf)


def divergence(shares: Numbers, wanted: Numbers) -> Numbers:
    """KL(shares || wanted) in nats, over the last axis.

    >>> float(divergence(np.array([0.5, 0.5]), np.array([0.5, 0.5])))
    0.0
    >>> round(float(divergence(np.array([1.0, 0.0]), np.array([0.5, 0.5]))), 4)
    0.6931
    """
    safe = np.where(shares > 0, shares, 1.0)
    terms = np.where(shares > 0, shares * np.log(safe / np.maximum(wanted, 1e-12)), 0.0)
    return np.asarray(np.maximum(terms.sum(axis=-1), 0.0))


def mixes_of(counts: Numbers) -> tuple[Numbers, Numbers]:
    """Label shares of each worker and of all together, from counts (n, classes).

    >>> mixes, whole = mixes_of(np.array([[2.0, 0.0], [1.0, 1.0]]))
    >>> mixes.tolist(), whole.tolist()
    ([[1.0, 0.0], [0.5, 0.5]], [0.75, 0.25])
    """
    return counts / counts.sum(axis=1, keepdims=True), counts.sum(axis=0) / counts.sum()
