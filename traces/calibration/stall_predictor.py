"""How much of a program's time is stall, told from its counters at one clock alone.

A program that was measured at one clock only cannot be fitted. What its counters show per cycle is
compared with programs whose stalls are known (kernel ridge regression on the logarithms of events
per cycle); what comes out is the share of time that a faster clock does not shorten.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_RIDGE = 0.1
"""How little a single program's share is trusted (chosen before; half or double change little)."""

_LENGTH = 1.5
"""How far programs are alike, in standard deviations of the logarithms (chosen likewise)."""

_LEAST = 1e-6
"""Events per cycle below this are none."""

_LARGEST = 0.95
"""No program is all stall."""


@dataclass(frozen=True)
class StallPredictor:
    """Programs whose stall share is known, ready to be compared with others."""

    _known: Matrix
    _mean: Vector
    _spread: Vector
    _weights: Vector
    _usual: float

    @classmethod
    def fit(cls, events_per_cycle: Matrix, stall_share: Vector) -> "StallPredictor":
        """Learn from N programs: their E events per cycle (N, E), their stall shares (N,).

        Both at the same clock, at which later programs have to be seen as well. Raises ValueError
        for fewer than two programs.
        """
        if len(events_per_cycle) < 2:
            raise ValueError(f"programs must be two or more (got {len(events_per_cycle)})")
        raw = np.log(events_per_cycle + _LEAST)
        mean, spread = raw.mean(axis=0), raw.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        known = (raw - mean) / spread
        usual = float(stall_share.mean())
        kernel = _kernel(known, known) + _RIDGE * np.eye(len(known))
        weights = np.asarray(np.linalg.solve(kernel, stall_share - usual), float)
        return cls(known, mean, spread, weights, usual)

    def stall_share(self, events_per_cycle: Matrix) -> Vector:
        """The share for each of M programs, seen at the clock of the known ones (M, E)."""
        unknown = (np.log(events_per_cycle + _LEAST) - self._mean) / self._spread
        raw = self._usual + _kernel(unknown, self._known) @ self._weights
        return np.clip(raw, 0.0, _LARGEST)


def relative_time(stall_share: Vector, freq_hz: Vector, reference_hz: float) -> Matrix:
    """Time per instruction at F clocks relative to that at `reference_hz`: (M, F).

    >>> relative_time(np.array([0.0, 0.5]), np.array([2e9]), 1e9).tolist()
    [[0.5], [0.75]]
    """
    shortened = reference_hz / freq_hz
    return stall_share[:, None] + (1.0 - stall_share)[:, None] * shortened[None, :]


def _kernel(one: Matrix, other: Matrix) -> Matrix:
    distance = ((one[:, None, :] - other[None, :, :]) ** 2).sum(axis=2)
    return np.asarray(np.exp(-0.5 * distance / _LENGTH**2))
