"""Fit powers and heat to steady temperatures, with intervals from resampled scenarios."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from traces.calibration.steady_plan import SteadyPlan
from traces.calibration.steady_rows import SteadyRows

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

FOLDS = 5
"""Scenarios are held out in so many groups."""

RESAMPLES = 400
"""Draws of scenarios for the intervals."""

TOLD = 0.5
"""A parameter is told by the data where they narrow its prior to this share or less."""

_FIRST_NOISE_K, _LEAST_NOISE_K = 0.5, 0.05
_ROUNDS = 60
_ENOUGH, _ROUGHLY = 1e-8, 1e-5
"""The last step gains less than this share; for the fits that are only there to hold rows out, less
than the second."""


@dataclass(frozen=True)
class Factor:
    """A parameter with its 95 % interval, and whether the data tell it."""

    value: float
    low: float
    high: float
    told: bool


@dataclass(frozen=True)
class SteadyFit:
    """The most likely parameters of `plan` given `rows`, and how wrong predictions are.

    `factors` has all parameters by name; `rms_k` is over the rows that were fitted, `held_out_k`
    (N,) read minus predicted by a fit that did not see the row's scenario.
    """

    plan: SteadyPlan
    rows: SteadyRows
    theta: Vector
    factors: dict[str, Factor]
    rms_k: float
    held_out_k: Vector

    @property
    def held_out_rms_k(self) -> float:
        """The root mean square of what was left over where held out."""
        return float(np.sqrt(np.mean(self.held_out_k**2)))


def fit_steady(plan: SteadyPlan, rows: SteadyRows, rng: np.random.Generator) -> SteadyFit:
    """Fit `plan` to `rows`; `rng` draws the resamples."""
    theta, noise_k = plan.prior, _FIRST_NOISE_K
    for _ in range(2):
        theta = _optimum(plan, rows, theta, noise_k)
        rms_k = float(np.sqrt(np.mean((rows.temp_c - plan.predict(theta, rows)) ** 2)))
        noise_k = max(rms_k, _LEAST_NOISE_K)
    left_k = _held_out(plan, rows, theta, noise_k)
    factors = _factors(plan, rows, theta, noise_k, rng)
    return SteadyFit(plan, rows, theta, factors, rms_k, left_k)


def _optimum(
    plan: SteadyPlan,
    rows: SteadyRows,
    start: Vector,
    noise_k: float,
    enough: float = _ENOUGH,
) -> Vector:
    """The most likely parameters from `start` on."""
    free = plan.free
    mean, sd = plan.prior[free], plan.sd

    def whole(part: Vector) -> Vector:
        theta = plan.prior.copy()
        theta[free] = part
        return theta

    def residuals(part: Vector) -> Vector:
        off_k = plan.predict(whole(part), rows) - rows.temp_c
        return np.concatenate([off_k / noise_k, (part - mean) / sd[free]])

    found = least_squares(
        residuals, start[free], x_scale=sd[free], ftol=enough, xtol=enough, max_nfev=_ROUNDS
    )
    return whole(found.x)


def _held_out(plan: SteadyPlan, rows: SteadyRows, theta: Vector, noise_k: float) -> Vector:
    left_k = np.empty(len(rows))
    for fold in range(FOLDS):
        out = rows.scenario % FOLDS == fold
        if out.all() or not out.any():
            left_k[out] = np.nan
            continue
        other = _optimum(plan, rows.where(~out), theta, noise_k, _ROUGHLY)
        left_k[out] = rows.temp_c[out] - plan.predict(other, rows.where(out))
    return left_k


def _factors(
    plan: SteadyPlan, rows: SteadyRows, theta: Vector, noise_k: float, rng: np.random.Generator
) -> dict[str, Factor]:
    """Intervals of fits to resampled scenarios, linear around the optimum.

    The prior is drawn anew with each sample of scenarios, so that what the data do not tell keeps
    the prior's width.
    """
    free, sd = plan.free, plan.sd
    slopes = _slopes(plan, rows, theta)[:, free] / noise_k
    off = (rows.temp_c - plan.predict(theta, rows)) / noise_k
    count = int(rows.scenario.max()) + 1
    of_scenario = [np.flatnonzero(rows.scenario == s) for s in range(count)]
    infos = np.array([slopes[own].T @ slopes[own] for own in of_scenario])
    pulls = np.array([slopes[own].T @ off[own] for own in of_scenario])
    drawn = np.empty((RESAMPLES, int(free.sum())))
    prior = np.diag(1.0 / sd[free] ** 2)
    home = (plan.prior[free] - theta[free]) / sd[free] ** 2
    for number in range(RESAMPLES):
        times = rng.multinomial(count, np.full(count, 1.0 / count))
        information = np.tensordot(times, infos, 1) + prior
        pull = times @ pulls + home + rng.standard_normal(len(home)) / sd[free]
        drawn[number] = np.linalg.solve(information, pull)
    spread = drawn.std(axis=0)
    low, high = np.quantile(drawn - drawn.mean(axis=0), [0.025, 0.975], axis=0)
    found, at = {}, 0
    for i, parameter in enumerate(plan.parameters):
        value = parameter.value(float(theta[i]))
        if not free[i]:
            found[parameter.name] = Factor(value, value, value, told=False)
            continue
        ends = [parameter.value(float(theta[i] + end[at])) for end in (low, high)]
        told = bool(spread[at] <= TOLD * sd[i])
        found[parameter.name] = Factor(value, ends[0], ends[1], told)
        at += 1
    return found


def _slopes(plan: SteadyPlan, rows: SteadyRows, theta: Vector) -> Matrix:
    """Derivatives of the predictions (N, parameters), by central differences."""
    step = 1e-4
    slopes = np.zeros((len(rows), len(theta)))
    for i in np.flatnonzero(plan.free):
        ahead, behind = theta.copy(), theta.copy()
        ahead[i] += step
        behind[i] -= step
        slopes[:, i] = (plan.predict(ahead, rows) - plan.predict(behind, rows)) / (2 * step)
    return slopes
