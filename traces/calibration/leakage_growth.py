"""Does the data tell how leakage grows with temperature? Else a published curve is kept.

Rails tell it badly: hot rows are the busy ones. It counts as told where resampling whole programs
keeps choosing values inside the grid of `power.GROWTHS_PER_K`, and near each other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import Leakage
from platforms.simulated.power import LeakageShape
from traces.calibration.power import GROWTHS_PER_K, PowerSamples, misfit

Vector = NDArray[np.float64]

_RESAMPLES = 60
_WIDEST_PER_K = 0.015
_RANGE_C = (20.0, 110.0)
_TYPICAL_C = (45.0, 80.0)


@dataclass(frozen=True)
class Growth:
    """The leakage's growth (1/K) that fits best, its 95 % interval, and the one that is used."""

    best_per_k: float
    low_per_k: float
    high_per_k: float
    identified: bool
    used_per_k: float


def study_growth(samples: PowerSamples, assumed: Leakage, *, rng: np.random.Generator) -> Growth:
    """Resample programs; where they do not tell the growth, use that of the curve `assumed`."""
    names = np.unique(samples.group)
    rows = {name: np.flatnonzero(samples.group == name) for name in names}
    best = _best(samples)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = rng.choice(names, size=len(names))
        drawn.append(_best(samples.where(np.concatenate([rows[name] for name in chosen]))))
    low, high = (float(value) for value in np.quantile(drawn, [0.025, 0.975]))
    inside = GROWTHS_PER_K[0] < low and high < GROWTHS_PER_K[-1]
    identified = inside and high - low <= _WIDEST_PER_K
    return Growth(best, low, high, identified, best if identified else growth_of(assumed))


def growth_of(leakage: Leakage) -> float:
    """The mean growth (1/K) of a curve between the temperatures of busy chips, 45 and 80 degC."""
    low, high = _TYPICAL_C
    at = LeakageShape.build(leakage).value(np.array([low, high]))
    return float(np.log(at[1] / at[0]) / (high - low))


def cubic(growth_per_k: float, ref_temp_c: float) -> tuple[tuple[float, ...], float]:
    """A cubic for ``exp(growth (T - ref))`` between 20 and 110 degC, and its largest deviation.

    The deviation is relative; relative errors are what is made small.
    """
    temp_c = np.linspace(*_RANGE_C, 91)
    true = np.exp(growth_per_k * (temp_c - ref_temp_c))
    powers = np.vander(temp_c, 4, increasing=True)
    found, *_ = np.linalg.lstsq(powers / true[:, None], np.ones_like(true), rcond=None)
    largest = float(np.abs(powers @ found / true - 1.0).max())
    return tuple(float(value) for value in found), largest


def _best(samples: PowerSamples) -> float:
    return min(GROWTHS_PER_K, key=lambda growth: misfit(samples, growth))
