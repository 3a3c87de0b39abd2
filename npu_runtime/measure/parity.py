"""How far a back end's scores are from those that are right, and what that changes."""

import numpy as np
from msgspec import Struct

from npu_runtime.backend import Backend, Rows, score_range
from npu_runtime.layers import layered_network
from npu_runtime.load import PARITY_TOLERANCE, run_in_batches
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.policy_file import PolicyFile
from npu_runtime.precision import coarser


class Parity(Struct, frozen=True, kw_only=True):
    """Differences over `rows` rows, in the unit of the scores.

    `score_range` is that of the right scores; `largest` counts as NaN where a score is. `argmax`
    is the share of rows whose best output is another, None where there is but one output.
    """

    rows: int
    largest: float
    mean: float
    score_range: float
    argmax: float | None

    @property
    def largest_share(self) -> float:
        """The largest difference as a share of the range."""
        return self.largest / self.score_range

    @property
    def mean_share(self) -> float:
        """The mean difference as a share of the range."""
        return self.mean / self.score_range


def compared(expected: Rows, found: Rows) -> Parity:
    """Scores (B, N) against the right ones.

    >>> right = np.array([[0.0, 1.0], [4.0, 2.0]], np.float32)
    >>> result = compared(right, right + np.array([[1.5, 0.0], [0.0, 0.0]], np.float32))
    >>> result.largest, result.mean, result.score_range, result.argmax
    (1.5, 0.375, 4.0, 0.5)
    """
    off = np.abs(found.astype(np.float64) - expected)
    several = expected.shape[1] > 1
    changed = expected.argmax(axis=1) != found.argmax(axis=1)
    return Parity(
        rows=len(expected),
        largest=float(off.max()),
        mean=float(off.mean()),
        score_range=score_range(expected),
        argmax=float(changed.mean()) if several else None,
    )


def right_scores(file: PolicyFile, rows: Rows) -> Rows:
    """The scores in float32, by the plainest code there is.

    ValueError or DamagedPolicyFile for a network that only onnxruntime can run.
    """
    try:
        network = layered_network(file)
    except ValueError:
        return run_in_batches(NumpyBackend(file), rows)
    return network.scores(network.normalised(rows))


def drawn_rows(file: PolicyFile, count: int, *, seed: int = 0) -> Rows:
    """Rows (count, F) from all over the features' ranges."""
    ends = np.array([(feature.low, feature.high) for feature in file.metadata.features])
    low, high = ends.T
    shares = np.random.default_rng(seed).random((count, len(ends)))
    rows: Rows = (low + (high - low) * shares).astype(np.float32)
    return rows


def tolerance(file: PolicyFile, backend: Backend) -> float:
    """The largest difference that is in order, as a share of the scores' range."""
    of_file = file.metadata.precision or "float32"
    return PARITY_TOLERANCE[coarser(of_file, backend.capabilities.precision)]
