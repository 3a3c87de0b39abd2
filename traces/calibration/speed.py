"""How long a program's instruction takes on one core type, against the clock.

``t(f) = cpi / f + stall + crowding * f``: cycles that the clock shortens, time in memory that it
does not, and for programs that fill the memory's bandwidth what waits longer the faster the core
asks (the third term that board data show memory-bound programs to need). All three are positive or
zero. The same form fits any work: "instruction" may be an iteration of a benchmark.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Vector = NDArray[np.float64]

CONFIDENCE = 0.95

_WORTH_A_TERM = 0.9
"""The third term is taken where it leaves at most this share of the error at held-out clocks."""

_POINTS_FOR_THREE = 5
"""Fewer clocks do not tell a third term from noise."""


@dataclass(frozen=True)
class Speeds:
    """What was measured of one program on one core type.

    `freq_hz` (N,) are clocks, `s_per_instruction` (N,) the time per instruction while a core runs
    it: the inverse of the rate per busy core. Raises ValueError for none, for lengths that differ,
    and for values that are not positive.
    """

    freq_hz: Vector
    s_per_instruction: Vector

    def __post_init__(self) -> None:
        sizes = len(self.freq_hz), len(self.s_per_instruction)
        if sizes[0] != sizes[1] or not sizes[0]:
            raise ValueError(f"freq_hz and s_per_instruction must be pairs (got {sizes})")
        for name in ("freq_hz", "s_per_instruction"):
            values = getattr(self, name)
            if not (np.isfinite(values).all() and (values > 0).all()):
                raise ValueError(f"{name} must be positive and finite (got {values.min():g})")

    @cached_property
    def clocks(self) -> int:
        """How many different clocks there are."""
        return len(np.unique(self.freq_hz))

    def where(self, keep: NDArray[np.bool_]) -> "Speeds":
        """A part of the measurements."""
        return Speeds(self.freq_hz[keep], self.s_per_instruction[keep])


@dataclass(frozen=True)
class Estimate:
    """A fitted value with its 95 % interval; `identified` says that the data tell it.

    It is not where the interval is unbounded (as many values as measurements).
    """

    value: float
    low: float
    high: float

    @property
    def identified(self) -> bool:
        """Whether the interval is bounded."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


@dataclass(frozen=True)
class SpeedFit:
    """The model with its values; `residual_rms` is relative to the time per instruction.

    `cpi` is in cycles, `stall_s` in seconds, `crowding_s_per_hz` in seconds per hertz, all per
    instruction.
    """

    cpi: Estimate
    stall_s: Estimate
    crowding_s_per_hz: Estimate
    residual_rms: float

    def s_per_instruction(self, freq_hz: Vector) -> Vector:
        """The time that an instruction takes at these clocks."""
        return (
            self.cpi.value / freq_hz + self.stall_s.value + self.crowding_s_per_hz.value * freq_hz
        )

    def stall_share(self, freq_hz: float) -> float:
        """The share of time at a clock that a faster clock would not shorten."""
        at = np.array([freq_hz], float)
        return float(1.0 - self.cpi.value / freq_hz / self.s_per_instruction(at)[0])


def fit_speed(speeds: Speeds, *, terms: int | None = None) -> SpeedFit:
    """Fit by relative least squares; `terms` (1 to 3) of the model, None leaves that to the data.

    The third term is taken where it predicts clocks that were left out clearly better than two
    terms do. Where there are fewer clocks than terms the later terms are zero.
    """
    chosen = _terms_for(speeds) if terms is None else min(terms, speeds.clocks)
    design = _design(speeds.freq_hz) / speeds.s_per_instruction[:, None]
    values = _solved(design, chosen)
    residuals = design @ values - 1.0
    low, high = _interval(design[:, :chosen], values[:chosen], residuals)
    bottoms, tops = np.zeros(3), np.zeros(3)
    bottoms[:chosen], tops[:chosen] = low, high
    cpi, stall_s, crowding = (
        Estimate(float(value), float(bottom), float(top))
        for value, bottom, top in zip(values, bottoms, tops, strict=True)
    )
    return SpeedFit(cpi, stall_s, crowding, residual_rms=float(np.sqrt(np.mean(residuals**2))))


def errors_at_held_out_clocks(speeds: Speeds, *, terms: int | None = None) -> Vector:
    """Relative errors (N,) of predicting each clock by a fit to all others; needs three clocks.

    `terms` as in `fit_speed`; None chooses anew for each fit, without seeing what is left out.
    """
    if speeds.clocks < 3:
        raise ValueError(f"speeds must be at three clocks or more (got {speeds.clocks})")
    errors = np.empty(len(speeds.freq_hz))
    for clock in np.unique(speeds.freq_hz):
        out = speeds.freq_hz == clock
        others = speeds.where(~out)
        chosen = _terms_for(others) if terms is None else min(terms, others.clocks)
        relative = _design(speeds.freq_hz) / speeds.s_per_instruction[:, None]
        errors[out] = relative[out] @ _solved(relative[~out], chosen) - 1.0
    return errors


def errors_from_two_clocks(speeds: Speeds) -> Vector:
    """Relative errors at all other clocks of a fit to two, a quarter from either end.

    What a new program costs to measure, and what that is worth. Needs four clocks.
    """
    if speeds.clocks < 4:
        raise ValueError(f"speeds must be at four clocks or more (got {speeds.clocks})")
    clocks = np.unique(speeds.freq_hz)
    quarter = len(clocks) // 4
    seen = np.isin(speeds.freq_hz, clocks[[quarter, -1 - quarter]])
    fit = fit_speed(speeds.where(seen), terms=2)
    rest = speeds.where(~seen)
    return fit.s_per_instruction(rest.freq_hz) / rest.s_per_instruction - 1.0


def _solved(design: Vector, chosen: int) -> Vector:
    """The three values, of which the first `chosen` are free, that bring `design` nearest to 1."""
    values = np.zeros(3)
    scale = np.linalg.norm(design[:, :chosen], axis=0)
    solved, _ = optimize.nnls(design[:, :chosen] / scale, np.ones(len(design)))
    values[:chosen] = solved / scale
    return values


def _design(freq_hz: Vector) -> Vector:
    return np.stack([1.0 / freq_hz, np.ones_like(freq_hz), freq_hz], axis=1)


def _terms_for(speeds: Speeds) -> int:
    if speeds.clocks < _POINTS_FOR_THREE:
        return min(2, speeds.clocks)
    two, three = (
        float(np.sqrt(np.mean(errors_at_held_out_clocks(speeds, terms=terms) ** 2)))
        for terms in (2, 3)
    )
    return 3 if three <= _WORTH_A_TERM * two else 2


def _interval(design: Vector, values: Vector, residuals: Vector) -> tuple[Vector, Vector]:
    """The 95 % interval of each value, cut at zero; unbounded where nothing is left to judge by.

    A value that lies on its bound at zero keeps its place in the covariance, so its interval says
    how large it could be.
    """
    freedom = len(design) - len(values)
    if freedom < 1:
        return np.zeros_like(values), np.full_like(values, np.inf)
    scale = np.linalg.norm(design, axis=0)
    covariance = np.linalg.pinv((design / scale).T @ (design / scale)) / np.outer(scale, scale)
    variance = float(residuals @ residuals) / freedom
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, freedom) * np.sqrt(variance * np.diag(covariance))
    return np.maximum(values - half, 0.0), values + half
