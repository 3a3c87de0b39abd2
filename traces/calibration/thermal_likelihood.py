"""How likely a sensor's reading is: normal noise, then rounding to the sensor's steps.

A reading r on a grid of step q says only that the noisy temperature lay in r - q/2 ... r + q/2.
Where the step is large against the noise, a sensor that rests tells no more than that however
often it is read; a likelihood of rounded values as if they were exact would claim more.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_ndtr

Vector = NDArray[np.float64]

FINE_STEP = 0.05
"""A step below this share of the noise is as good as none."""

_LOG_ROOT_2PI = 0.5 * np.log(2 * np.pi)


def reading_terms(
    reading_c: Vector, mean_c: Vector, noise_k: float, step_k: float
) -> tuple[Vector, Vector, Vector]:
    """Log likelihood, its slope by `mean_c` (1/K) and minus its curvature (1/K^2, never negative).

    >>> [float(x[0]) for x in reading_terms(np.array([21.0]), np.array([20.0]), 0.5, 0.0)[1:]]
    [4.0, 4.0]
    """
    off = (reading_c - mean_c) / noise_k
    if step_k < FINE_STEP * noise_k:
        one = np.ones_like(off)
        log_p = -0.5 * off**2 - np.log(noise_k) - _LOG_ROOT_2PI
        return log_p, off / noise_k, one / noise_k**2
    return _rounded_terms(off, noise_k, step_k)


def _rounded_terms(off: Vector, noise_k: float, step_k: float) -> tuple[Vector, Vector, Vector]:
    """The terms of a rounded reading; by symmetry worked out on the side where tails are exact."""
    sign = np.where(off > 0, -1.0, 1.0)
    half = step_k / noise_k / 2
    low, high = -np.abs(off) - half, -np.abs(off) + half
    log_high, log_low = log_ndtr(high), log_ndtr(low)
    log_p = log_high + np.log1p(-np.exp(log_low - log_high))
    at_low = np.exp(-0.5 * low**2 - _LOG_ROOT_2PI - log_p)
    at_high = np.exp(-0.5 * high**2 - _LOG_ROOT_2PI - log_p)
    slope = (at_low - at_high) / noise_k
    curvature = slope**2 - (low * at_low - high * at_high) / noise_k**2
    return log_p - np.log(step_k), sign * slope, np.maximum(curvature, 0.0)


def best_noise(reading_c: Vector, mean_c: Vector, step_k: float) -> float:
    """The noise (K, one standard deviation) that makes the readings likeliest.

    At least a twentieth of the step: below, rounded readings tell nothing more of it.
    """
    rms = float(np.sqrt(np.mean((reading_c - mean_c) ** 2)))
    if step_k <= 0 or rms > 4 * step_k:
        return max(rms, 1e-6)
    low, high = step_k / 20, max(2 * rms, step_k / 5)

    def unlikely(log_noise: float) -> float:
        return -float(reading_terms(reading_c, mean_c, np.exp(log_noise), step_k)[0].sum())

    found = minimize_scalar(unlikely, bounds=(np.log(low), np.log(high)), method="bounded")
    return float(np.exp(found.x))
