"""Steady states under a fan that goes on and off by itself: two cooling setups, and which holds.

A board with an automatic fan has not one thermal resistance but two, and on a plain fit of
temperature against power they blur into one that is wrong at both ends. Here the rows of a table
(in the order in which they were taken) are told apart by a rule: the fan goes on where the hottest
sensor passes `on_c`, and off below that by `hysteresis_k`; where neither state can hold, it swings
between the two, and the hottest sensor is in their middle in the mean. The rule sees predicted
temperatures only, so it holds for rows that were never read.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from traces.calibration.thermal_data import ThermalData, ThermalRun
from traces.calibration.thermal_fit import ThermalFit, fit_thermal
from traces.calibration.thermal_network import ThermalPlan

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

ON_C = tuple(np.arange(46.0, 60.1, 0.5))
HYSTERESIS_K = (0.0, 2.5, 5.0, 7.5, 10.0)
"""What is tried for the rule."""

_ROUNDS = 4


@dataclass(frozen=True)
class FanRule:
    """When the fan goes on, and how much cooler it has to be to go off."""

    on_c: float
    hysteresis_k: float


@dataclass(frozen=True)
class FanFit:
    """A fit under both states of a fan. `off` and `on` name the cooling setups."""

    fit: ThermalFit
    rule: FanRule
    off: str
    on: str

    def shares(self, rows: ThermalRun) -> Vector:
        """The share of time that the fan ran, row by row."""
        return fan_shares(*self._both(rows), self.rule)

    def predict(self, rows: ThermalRun) -> Matrix:
        """What the sensors show in steady rows that follow each other (rows x sensors, degC)."""
        off_c, on_c = self._both(rows)
        share = fan_shares(off_c, on_c, self.rule)[:, None]
        return (1 - share) * off_c + share * on_c

    def _both(self, rows: ThermalRun) -> tuple[Matrix, Matrix]:
        return _both(self.fit, rows, self.off, self.on)


def fan_shares(off_c: Matrix, on_c: Matrix, rule: FanRule) -> Vector:
    """The share of time that a fan runs in steady rows that follow each other.

    `off_c` and `on_c` (rows x sensors) are the steady temperatures without and with it.

    >>> rule = FanRule(50.0, 5.0)
    >>> off_c = np.array([[48.0], [56.0], [52.0], [49.0]])
    >>> fan_shares(off_c, off_c - np.array([[6.0], [8.0], [6.0], [6.0]]), rule).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    low_c, middle_c = rule.on_c - rule.hysteresis_k, rule.on_c - rule.hysteresis_k / 2
    runs, shares = False, []
    for without, cooled in zip(off_c.max(axis=1), on_c.max(axis=1), strict=True):
        can_rest, can_run = without <= rule.on_c, cooled >= low_c
        if can_run and (runs or not can_rest):
            runs, share = True, 1.0
        elif can_rest:
            runs, share = False, 0.0
        else:
            runs, share = True, (without - middle_c) / max(without - cooled, 1e-9)
        shares.append(min(max(share, 0.0), 1.0))
    return np.array(shares)


def fit_with_fan(
    plan: ThermalPlan,
    rows: ThermalRun,
    known: NDArray[np.bool_],
    others: ThermalData,
    *,
    off: str,
    on: str,
) -> FanFit:
    """Fit `plan`, which has the cooling setups `off` and `on`, to steady `rows` and to `others`.

    `known` marks the rows whose temperatures may be used; the power of all of them is. Rows in
    which the fan swings are left out of the fit and count for the rule only. A state that no row is
    in keeps its prior.
    """
    power_w = rows.core_w.sum(axis=1) + rows.shared_w
    low, high = np.quantile(power_w, (0.25, 0.9))
    share = np.where(power_w < low, 0.0, np.where(power_w > high, 1.0, 0.5))
    for _ in range(_ROUNDS):
        off_c, on_c = _both(_fitted(plan, rows, known, share, others, off, on), rows, off, on)
        before = share
        share = fan_shares(off_c, on_c, _best_rule(off_c, on_c, rows.temp_c, known))
        if (before == share).all():
            break
    fit = _fitted(plan, rows, known, share, others, off, on, pin_unidentified=True)
    rule = _best_rule(*_both(fit, rows, off, on), rows.temp_c, known)
    return FanFit(fit, rule, off, on)


def _fitted(
    plan: ThermalPlan,
    rows: ThermalRun,
    known: NDArray[np.bool_],
    share: Vector,
    others: ThermalData,
    off: str,
    on: str,
    *,
    pin_unidentified: bool = False,
) -> ThermalFit:
    """A fit to the known rows that are wholly in one of the fan's two states."""
    picks = [(known & (share == state), name) for state, name in ((0, off), (1, on))]
    runs = [_picked(rows, keep, name) for keep, name in picks if keep.any()]
    data = replace(others, runs=(*runs, *others.runs))
    return fit_thermal(plan, data, pin_unidentified=pin_unidentified)


def _both(fit: ThermalFit, rows: ThermalRun, off: str, on: str) -> tuple[Matrix, Matrix]:
    return fit.predict(replace(rows, cooling=off)), fit.predict(replace(rows, cooling=on))


def _picked(rows: ThermalRun, keep: NDArray[np.bool_], cooling: str) -> ThermalRun:
    return replace(
        rows,
        name=f"{rows.name} ({cooling})",
        cooling=cooling,
        step_s=rows.step_s[keep],
        core_w=rows.core_w[keep],
        shared_w=rows.shared_w[keep],
        temp_c=rows.temp_c[keep],
    )


def _best_rule(off_c: Matrix, on_c: Matrix, read_c: Matrix, known: NDArray[np.bool_]) -> FanRule:
    """The rule with the least squared error on the known rows."""
    here = np.isfinite(read_c).any(axis=0)
    off_c, on_c, read_c = off_c[:, here], on_c[:, here], read_c[:, here]

    def error(rule: FanRule) -> float:
        share = fan_shares(off_c, on_c, rule)[:, None]
        return float(np.nansum((((1 - share) * off_c + share * on_c - read_c)[known]) ** 2))

    rules = [FanRule(float(on), hysteresis) for on in ON_C for hysteresis in HYSTERESIS_K]
    return min(rules, key=error)
