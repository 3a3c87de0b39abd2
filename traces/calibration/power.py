"""What a cluster draws, from its supply, its clock and what its counters count.

``P = V^2 (sum of e_i n_i + c_busy f b + c_clock f) + s V^3 exp(k (T - 50 degC))``: energy per event
(at one volt) times events per second, the clock tree while anything runs (`b`: at most one) and
always, leakage. All coefficients are energies, capacities or leakages: positive or zero. `k` is
chosen on a grid, apart from the rest: rail data tell it badly, because hot rows are the busy ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

LEAKAGE_REF_C = 50.0

GROWTHS_PER_K = (0.0, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04)
"""What `k` may be: published leakage curves of such chips lie between 0.02 and 0.036 per kelvin."""

_RESAMPLES = 100


@dataclass(frozen=True)
class PowerSamples:
    """N means of one cluster: clock, supply, temperature, busy cores, events (N, E), power.

    `events_per_s` are sums over the cluster's cores; `group` (N,) names what belongs together (the
    program), for leaving out and for resampling.
    """

    group: NDArray[np.str_]
    freq_hz: Vector
    volt_v: Vector
    temp_c: Vector
    busy_cores: Vector
    events_per_s: Matrix
    power_w: Vector

    def __post_init__(self) -> None:
        sizes = {len(getattr(self, field.name)) for field in fields(self)}
        if len(sizes) != 1 or not sizes.pop():
            raise ValueError("all of a power sample's columns must have the same number of rows")
        for field in fields(self)[1:]:
            if not np.isfinite(getattr(self, field.name)).all():
                raise ValueError(f"{field.name} must be finite")
        if not (self.power_w > 0).all():
            raise ValueError(f"power_w must be positive (got {self.power_w.min():g})")

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "PowerSamples":
        """Some of the rows, chosen by a mask or by their numbers."""
        return PowerSamples(*(getattr(self, field.name)[keep] for field in fields(self)))


@dataclass(frozen=True)
class PowerFit:
    """The coefficients; `events` names the columns of `energy_j`, in joules at one volt.

    `clock_f` and `busy_f` are capacities (farads: watts per hertz and square volt), `leakage_w` the
    leakage at one volt and 50 degC, `growth_per_k` its growth with temperature.
    """

    events: tuple[str, ...]
    energy_j: Vector
    clock_f: float
    busy_f: float
    leakage_w: float
    growth_per_k: float

    def power_w(self, samples: PowerSamples) -> Vector:
        """What the cluster would draw (N,)."""
        return _design(samples, self.growth_per_k) @ self.coefficients

    @property
    def coefficients(self) -> Vector:
        """All that is linear, energies first."""
        return np.array([*self.energy_j, self.clock_f, self.busy_f, self.leakage_w])


def fit_power(
    samples: PowerSamples, events: Sequence[str], *, growth_per_k: float | None = None
) -> PowerFit:
    """Fit by relative least squares; `growth_per_k` None takes what fits best of the grid."""
    if len(events) != samples.events_per_s.shape[1]:
        raise ValueError(
            f"events must name {samples.events_per_s.shape[1]} columns (got {len(events)})"
        )
    growths = GROWTHS_PER_K if growth_per_k is None else (growth_per_k,)
    fits = [(*_solved(samples, growth), growth) for growth in growths]
    values, _, growth = min(fits, key=lambda fit: fit[1])
    *energy_j, clock_f, busy_f, leakage_w = values
    return PowerFit(tuple(events), np.array(energy_j), clock_f, busy_f, leakage_w, growth)


def errors_of_held_out_groups(
    samples: PowerSamples, events: Sequence[str], *, growth_per_k: float | None = None
) -> Vector:
    """Relative errors (N,) of each group's rows, by a fit to all other groups."""
    errors = np.empty(len(samples.power_w))
    for name in np.unique(samples.group):
        out = samples.group == name
        fit = fit_power(samples.where(~out), events, growth_per_k=growth_per_k)
        errors[out] = fit.power_w(samples.where(out)) / samples.power_w[out] - 1.0
    return errors


def misfit(samples: PowerSamples, growth_per_k: float) -> float:
    """How badly the best fit with this growth fits: the norm of its relative errors."""
    return _solved(samples, growth_per_k)[1]


def intervals(
    samples: PowerSamples, fit: PowerFit, *, rng: np.random.Generator
) -> tuple[Vector, Vector]:
    """The 95 % interval of every coefficient (in `PowerFit.coefficients`' order).

    By resampling whole groups: rows of one program err together. The growth is kept.
    """
    low, high = np.quantile(resampled(samples, fit, rng=rng), [0.025, 0.975], axis=0)
    return low, high


def resampled(samples: PowerSamples, fit: PowerFit, *, rng: np.random.Generator) -> Matrix:
    """The coefficients of fits to resampled groups (fits x coefficients); the growth is kept."""
    names = np.unique(samples.group)
    rows = {name: np.flatnonzero(samples.group == name) for name in names}
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = rng.choice(names, size=len(names))
        part = samples.where(np.concatenate([rows[name] for name in chosen]))
        drawn.append(_solved(part, fit.growth_per_k)[0])
    return np.array(drawn)


def _solved(samples: PowerSamples, growth_per_k: float) -> tuple[Vector, float]:
    relative = _design(samples, growth_per_k) / samples.power_w[:, None]
    scale = np.linalg.norm(relative, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    solved, residual = optimize.nnls(relative / scale, np.ones(len(relative)))
    return solved / scale, float(residual)


def _design(samples: PowerSamples, growth_per_k: float) -> Matrix:
    squared = samples.volt_v**2
    warm = np.exp(growth_per_k * (samples.temp_c - LEAKAGE_REF_C))
    clock = squared * samples.freq_hz
    return np.column_stack(
        [
            squared[:, None] * samples.events_per_s,
            clock,
            clock * np.minimum(samples.busy_cores, 1.0),
            samples.volt_v**3 * warm,
        ]
    )
