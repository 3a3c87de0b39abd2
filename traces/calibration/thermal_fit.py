"""Fit a thermal network's parameters to runs, by maximum likelihood with a wide prior.

`thermal_problem` finds the optimum. Parameters that the data do not tell
(`thermal_intervals`) are put back to their prior where that costs nothing, and the others are
fitted again beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from platforms.simulated.power import LeakageShape
from traces.calibration.thermal_data import ThermalData, ThermalRun
from traces.calibration.thermal_intervals import (
    KEEPING_MAY_COST,
    Estimate,
    can_be_kept,
    estimates,
    inflation,
)
from traces.calibration.thermal_network import ThermalPlan
from traces.calibration.thermal_problem import Problem, State, Terms, first_guess
from traces.calibration.thermal_response import respond

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_HARDLY = 1.1


@dataclass(frozen=True)
class ThermalFit:
    """A fitted network.

    `theta` are the parameters as `plan.parameters` counts them, `starts_c` the runs' start
    temperatures by run name, `noise_k` the readings' noise per sensor. `estimates` are the
    parameters with their 95 % intervals. `inflation` is for every cooling setup by how much its
    readings count less because their residuals hang together; `condition` the condition number of
    the information on all parameters, scaled by their priors. `bic` compares structures on like
    data; it counts readings less as the fit does.
    """

    plan: ThermalPlan
    theta: Vector
    starts_c: dict[str, float]
    noise_k: Vector
    estimates: tuple[Estimate, ...]
    inflation: dict[str, float]
    condition: float
    bic: float
    converged: bool
    shape: LeakageShape | None = None

    def value(self, name: str) -> float:
        """The value of a parameter; raises ValueError for a name that the plan does not have."""
        index = self.plan.names.index(name)
        return self.plan.parameters[index].value(float(self.theta[index]))

    def predict(self, run: ThermalRun, *, first_steps: int | None = None) -> Matrix:
        """What the sensors will show over `run` (steps x sensors, degC).

        The start temperature is the fit's for runs that it saw; with `first_steps`, or for other
        runs, it comes from that many first readings (all of them where it is None).
        """
        if run.start_known or (first_steps is None and run.name in self.starts_c):
            start_c = self.starts_c.get(run.name, 0.0)
        else:
            start_c = self._start_of(run if first_steps is None else run.first(first_steps))
        shown = respond(self.plan, self.theta[None], run, np.array([start_c]), self.shape)
        return np.asarray(shown[0], dtype=np.float64)

    def _start_of(self, run: ThermalRun) -> float:
        base = np.array([first_guess(run), first_guess(run) + 1.0])
        shown = respond(self.plan, np.stack([self.theta] * 2), run, base, self.shape)
        weights = 1.0 / (
            self.noise_k**2 + np.array([s.step_k for s in self.plan.sensors]) ** 2 / 12
        )
        read = np.isfinite(run.temp_c)
        slope = np.where(read, shown[1] - shown[0], 0.0)
        rest = np.where(read, run.temp_c - shown[0], 0.0)
        top, below = (slope * rest * weights).sum(), (slope**2 * weights).sum()
        return float(base[0] + top / max(below, 1e-12))

    def residuals(self, run: ThermalRun, *, first_steps: int | None = None) -> Matrix:
        """Read minus predicted, K (steps x sensors, NaN where nothing was read)."""
        return run.temp_c - self.predict(run, first_steps=first_steps)


def fit_thermal(
    plan: ThermalPlan,
    data: ThermalData,
    *,
    shape: LeakageShape | None = None,
    pin_unidentified: bool = True,
) -> ThermalFit:
    """Fit `plan` to `data`; `shape` is how leakage follows temperature where power is modelled."""
    everything = np.ones(len(plan.parameters), dtype=bool)
    problem = Problem(plan, data.runs, shape)
    state = problem.optimise(problem.first_state(), everything)
    widened = _inflations(data.runs, problem.terms(state).standard_scores)
    if max(widened.values()) > _HARDLY:
        problem = Problem(plan, data.runs, shape, widened)
        state = problem.optimise(state, everything)
    terms = problem.terms(state)
    known = estimates(plan, state.theta, terms.information)
    kept = np.zeros(len(plan.parameters), dtype=bool)
    final = state
    if pin_unidentified:
        kept, final = _put_back(problem, state, terms, known)
    chosen = tuple(
        replace(e, value=p.value(float(t)), kept=bool(k))
        for e, p, t, k in zip(known, plan.parameters, final.theta, kept, strict=True)
    )
    free = int((~kept).sum()) + len(problem.unknown_starts)
    end = problem.terms(final)
    return ThermalFit(
        plan,
        final.theta,
        {run.name: float(c) for run, c in zip(data.runs, final.starts_c, strict=True)},
        final.noise_k,
        chosen,
        widened,
        _condition(terms.information, plan),
        -2 * end.log_likelihood + free * np.log(max(end.readings, 2.0)),
        final.converged,
        shape,
    )


def _inflations(runs: Sequence[ThermalRun], scores: Sequence[Matrix]) -> dict[str, float]:
    return {
        cooling: inflation(
            [x for run, x in zip(runs, scores, strict=True) if run.cooling == cooling]
        )
        for cooling in {run.cooling for run in runs}
    }


def _put_back(
    problem: Problem, state: State, terms: Terms, known: Sequence[Estimate]
) -> tuple[NDArray[np.bool_], State]:
    """What can be kept at the prior, and the others fitted beside it.

    Fewer are kept where that costs too much after all, or moves what the data tell out of its
    interval.
    """
    plan = problem.plan
    told = np.array([estimate.identified for estimate in known])
    kept = can_be_kept(plan, state.theta, terms.information, told)
    while kept.any():
        pinned = replace(state, theta=np.where(kept, plan.prior, state.theta))
        final = problem.optimise(pinned, ~kept)
        holds = all(
            e.low <= p.value(float(t)) <= e.high
            for e, p, t in zip(known, plan.parameters, final.theta, strict=True)
            if e.identified
        )
        if holds and problem.value(final) > terms.value - KEEPING_MAY_COST:
            return kept, final
        kept = _nearest_half(kept, plan, state.theta)
    return kept, state


def _nearest_half(kept: NDArray[np.bool_], plan: ThermalPlan, theta: Vector) -> NDArray[np.bool_]:
    off = np.where(kept, np.abs(theta - plan.prior), np.inf)
    return np.isin(np.arange(len(kept)), np.argsort(off)[: int(kept.sum()) // 2])


def _condition(information: Matrix, plan: ThermalPlan) -> float:
    count = len(plan.parameters)
    sd = np.array([p.sd for p in plan.parameters])
    scaled = information[:count, :count] * sd[:, None] * sd[None, :]
    eigen = np.linalg.eigvalsh(scaled)
    return float(eigen[-1] / max(eigen[0], 1e-300))
