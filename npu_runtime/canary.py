"""Rows whose scores are known: they ride along in every batch, to see whether the answer is true.

A back end that returns zeros, or what it returned before, passes every check for finiteness. Two
rows take turns, so that an old answer shows as well.
"""

from itertools import cycle

import numpy as np

from npu_runtime.backend import Rows
from npu_runtime.policy_file import PolicyFile

TOLERANCE = 0.05
"""How far a canary's scores may be off, as a share of the known scores' range (chosen): half
precision is within 0.1 %, 8-bit integers on a sound network within 3 %; zeros are off by 50 % or
more."""


class Canary:
    """The two parity rows whose scores are farthest from zero, and from each other."""

    def __init__(self, file: PolicyFile, *, tolerance: float = TOLERANCE) -> None:
        rows, scores = file.metadata.parity_rows()
        first = int(np.abs(scores).max(axis=1).argmax())
        off = np.abs(scores - scores[first]).max(axis=1)
        second = int(np.minimum(off, np.abs(scores).max(axis=1)).argmax())
        self._range = float(np.ptp(scores)) or float(np.abs(scores).max()) or 1.0
        self._tolerance = tolerance
        self._turns = cycle([(rows[i : i + 1], scores[i]) for i in (first, second)])
        self._expected = scores[first]

    def added_to(self, rows: Rows) -> Rows:
        """The rows, with a canary behind the last."""
        canary, self._expected = next(self._turns)
        return np.concatenate([rows, canary])

    def problem(self, scores: Rows) -> str | None:
        """What is wrong with the last of these scores, if anything; NaN is."""
        if scores.shape[1:] != self._expected.shape:
            return f"it must give {len(self._expected)} scores a row (got {scores.shape[1]})"
        with np.errstate(all="ignore"):
            off = float(np.abs(scores[-1] - self._expected).max()) / self._range
        if not off <= self._tolerance:
            return (
                f"its scores of a known row must be within {self._tolerance:.0%} of their range "
                f"(got {off:.3g})"
            )
        return None
