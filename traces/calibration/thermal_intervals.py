"""Which parameters the data tell, and how well: 95 % intervals.

The covariance is the inverse of the information at the optimum, prior included, so that what is
not known of one parameter widens the intervals of the others. Residuals that hang together in
time, or over the sensors, carry less than their number says: the readings under each cooling setup
count less by the long-run variance of their standardised scores (Bartlett's window), never more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from traces.calibration.thermal_network import Parameter, ThermalPlan

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

Z95 = 1.959964

WIDEST_FACTOR = 2.0
"""A conductance, a capacity or a time whose interval reaches further than this factor is not told
by the data."""

WIDEST_K = 5.0
"""An air temperature whose interval reaches further than this is not told by the data."""

WIDEST_LINEAR = 1.0
"""The same for levels (K) and shifts (s)."""

KEEPING_MAY_COST = 2.0
"""How much log likelihood it may cost to keep what is not told at the
prior."""


@dataclass(frozen=True)
class Estimate:
    """A parameter with its 95 % interval.

    `low` ... `high` holds this parameter with 95 %; `all_low` ... `all_high` are wider, so that
    those of all identified parameters hold together with 95 % (Sidak). Where not `identified`,
    `value` is assumed: the prior's, or (not `kept`) what the data and the prior make of it together
    where it matters in combination with others. The intervals say what is left open.
    """

    name: str
    value: float
    low: float
    high: float
    all_low: float
    all_high: float
    identified: bool
    prior: float
    kept: bool = False


def estimates(plan: ThermalPlan, theta: Vector, information: Matrix) -> tuple[Estimate, ...]:
    """All parameters with their intervals, of the information on them (and on the starts)."""
    covariance = np.linalg.inv(information)
    sd = np.sqrt(np.diag(covariance))
    sd = np.minimum(sd[: len(theta)], [p.sd for p in plan.parameters])
    told = [bool(Z95 * s < _widest(p)) for s, p in zip(sd, plan.parameters, strict=True)]
    z_all = float(norm.ppf(0.5 + 0.5 * 0.95 ** (1 / max(sum(told), 1))))
    return tuple(
        _estimate(p, float(t), float(s), z_all, identified=known)
        for p, t, s, known in zip(plan.parameters, theta, sd, told, strict=True)
    )


def _estimate(
    parameter: Parameter, theta: float, sd: float, z_all: float, *, identified: bool
) -> Estimate:
    low, high, all_low, all_high = (
        parameter.value(theta + z * sd) for z in (-Z95, Z95, -z_all, z_all)
    )
    return Estimate(
        parameter.name,
        parameter.value(theta),
        low,
        high,
        all_low,
        all_high,
        identified,
        parameter.value(parameter.mean),
    )


def _widest(parameter: Parameter) -> float:
    """How far an interval may reach, as the fit counts the parameter."""
    if parameter.log:
        return float(np.log(WIDEST_FACTOR))
    return WIDEST_K if parameter.name.startswith("air.") else WIDEST_LINEAR


def can_be_kept(
    plan: ThermalPlan, theta: Vector, information: Matrix, told: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which of the parameters that are not `told` can be put back to their prior.

    Parameters that the data do not tell one by one may be well told in combination. As many are
    put back, those nearest to their prior first, as cost a log likelihood of `KEEPING_MAY_COST`
    in all, by the quadratic form of the covariance.
    """
    covariance = np.linalg.inv(information)[: len(theta), : len(theta)]
    off = theta - plan.prior
    order = np.argsort(np.abs(off) / np.sqrt(np.diag(covariance)))
    kept: list[int] = []
    for candidate in (int(i) for i in order if not told[i]):
        trial = [*kept, candidate]
        cost = off[trial] @ np.linalg.solve(covariance[np.ix_(trial, trial)], off[trial]) / 2
        if cost < KEEPING_MAY_COST:
            kept = trial
    return np.isin(np.arange(len(theta)), kept)


def inflation(scores: Sequence[Matrix]) -> float:
    """By how much the readings count less: the largest long-run variance of the scores, at least 1.

    `scores` are standardised, one array of steps x sensors per run. Looked at are every sensor on
    its own and the sum over the sensors.
    """
    together = [
        np.nansum(run, axis=1, keepdims=True)
        / np.sqrt(np.maximum(np.isfinite(run).sum(axis=1, keepdims=True), 1))
        for run in scores
    ]
    factors = [1.0, _long_run_variance([run[:, 0] for run in together])]
    for sensor in range(scores[0].shape[1]):
        series = [run[np.isfinite(run[:, sensor]), sensor] for run in scores]
        factors.append(_long_run_variance(series))
    return max(factors)


def _long_run_variance(series: Sequence[Vector]) -> float:
    """Variance plus twice the weighted autocovariances, up to where they drown in the noise."""
    series = [x for x in series if len(x)]
    total = sum(len(x) for x in series)
    if total < 8:
        return 1.0
    longest = min(max(len(x) for x in series) - 1, total // 8)
    covariance = [sum(float(x @ x) for x in series) / total]
    for lag in range(1, longest + 1):
        found = sum(float(x[lag:] @ x[:-lag]) for x in series if len(x) > lag) / total
        if found < 2 * covariance[0] / np.sqrt(total):
            break
        covariance.append(found)
    window = 1.0 - np.arange(1, len(covariance)) / len(covariance)
    return covariance[0] + 2.0 * float(window @ np.array(covariance[1:]))
