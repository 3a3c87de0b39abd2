"""Fit a thermal network's parameters to runs, by maximum likelihood with a wide prior.

The steps are those of Fisher scoring with Levenberg's damping: Gauss-Newton where readings are
exact, and right for readings that are rounded (`thermal_likelihood`). Every run that does not say
how warm it started has that as an unknown of its own. Parameters that the data do not tell
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
from traces.calibration.thermal_likelihood import best_noise, reading_terms
from traces.calibration.thermal_network import ThermalPlan
from traces.calibration.thermal_response import respond

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

START_SD_K = 20.0
"""The prior of a run's start temperature around its first reading (assumed)."""

_ROUNDS = 60
_ENOUGH = 1e-5
_STEP = 1e-4
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
        base = np.array([_first_guess(run), _first_guess(run) + 1.0])
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
    problem = _Problem(plan, data.runs, shape)
    state = problem.optimise(problem.first_state(), everything)
    widened = _inflations(data.runs, problem.terms(state).standard_scores)
    if max(widened.values()) > _HARDLY:
        problem = _Problem(plan, data.runs, shape, widened)
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
    problem: "_Problem", state: "_State", terms: "_Terms", known: Sequence[Estimate]
) -> tuple[NDArray[np.bool_], "_State"]:
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


@dataclass(frozen=True)
class _State:
    theta: Vector
    starts_c: Vector
    noise_k: Vector
    converged: bool = False


@dataclass(frozen=True)
class _Terms:
    """The posterior around a state; `information` counts parameters, then unknown starts."""

    value: float
    log_likelihood: float
    gradient: Vector
    information: Matrix
    standard_scores: tuple[Matrix, ...]
    readings: int


class _Problem:
    """The likelihood of some runs under a plan, with all its derivatives."""

    def __init__(
        self,
        plan: ThermalPlan,
        runs: Sequence[ThermalRun],
        shape: LeakageShape | None,
        widened: dict[str, float] | None = None,
    ) -> None:
        """`widened` is by how much the readings under a cooling setup count less."""
        self.plan, self.runs, self.shape = plan, runs, shape
        self.unknown_starts = [i for i, run in enumerate(runs) if not run.start_known]
        self._share = [1.0 / (widened or {}).get(run.cooling, 1.0) for run in runs]
        self._mean, self._sd = plan.prior, np.array([p.sd for p in plan.parameters])
        self._guess = np.array([_first_guess(run) for run in runs])
        self._used = {c: self._concerned(c) for c in {run.cooling for run in runs}}

    def _concerned(self, cooling: str) -> list[int]:
        """The parameters that runs under one cooling setup depend on."""
        plan, others = self.plan, set()
        for table in (plan.ambient, plan.air, plan.shift):
            others |= {name for key, name in table.items() if key != cooling}
            others -= {name for key, name in table.items() if key == cooling}
        return [i for i, name in enumerate(plan.names) if name not in others]

    def first_state(self) -> _State:
        """The prior, with starts at the first readings."""
        state = _State(self._mean.copy(), self._guess.copy(), np.ones(len(self.plan.sensors)))
        return replace(state, noise_k=self._noise(state))

    def _noise(self, state: _State) -> Vector:
        means = [self._shown(run, state, i) for i, run in enumerate(self.runs)]
        noise = []
        for s, sensor in enumerate(self.plan.sensors):
            pairs = [(r.temp_c[:, s], m[:, s]) for r, m in zip(self.runs, means, strict=True)]
            read = np.concatenate([a[np.isfinite(a)] for a, _ in pairs])
            mean = np.concatenate([m[np.isfinite(a)] for a, m in pairs])
            noise.append(best_noise(read, mean, sensor.step_k) if len(read) else 1.0)
        return np.array(noise)

    def _shown(self, run: ThermalRun, state: _State, i: int) -> Matrix:
        start = state.starts_c[i : i + 1]
        return np.asarray(respond(self.plan, state.theta[None], run, start, self.shape)[0])

    def _prior_terms(self, state: _State) -> tuple[float, Vector, Vector]:
        """Value, gradient and curvature of the log prior over parameters and unknown starts."""
        off = np.append(
            (state.theta - self._mean) / self._sd,
            (state.starts_c - self._guess)[self.unknown_starts] / START_SD_K,
        )
        sd = np.append(self._sd, np.full(len(self.unknown_starts), START_SD_K))
        return -0.5 * float(off @ off), -off / sd, 1.0 / sd**2

    def value(self, state: _State) -> float:
        """The log posterior."""
        total = self._prior_terms(state)[0]
        for i, run in enumerate(self.runs):
            shown = self._shown(run, state, i)
            terms = [self._reading_terms(run, shown, state, s)[0].sum() for s in self._sensors]
            total += self._share[i] * sum(terms)
        return float(total)

    @property
    def _sensors(self) -> range:
        return range(len(self.plan.sensors))

    def _reading_terms(
        self, run: ThermalRun, shown: Matrix, state: _State, s: int
    ) -> tuple[Vector, Vector, Vector]:
        read = np.isfinite(run.temp_c[:, s])
        step_k = 0.0 if run.averaged else self.plan.sensors[s].step_k
        out = [np.zeros(len(read)) for _ in range(3)]
        found = reading_terms(run.temp_c[read, s], shown[read, s], float(state.noise_k[s]), step_k)
        for target, values in zip(out, found, strict=True):
            target[read] = values
        return out[0], out[1], out[2]

    def terms(self, state: _State) -> _Terms:
        """The log posterior with gradient and information."""
        prior, gradient, curvature = self._prior_terms(state)
        information = np.diag(curvature)
        likelihood, scores, readings = 0.0, [], 0
        for i, run in enumerate(self.runs):
            shown, slopes, columns = self._slopes(run, state, i)
            standard = np.full(shown.shape, np.nan)
            for s in self._sensors:
                log_p, slope, info = self._reading_terms(run, shown, state, s)
                J = slopes[:, :, s]
                share = self._share[i]
                gradient[columns] += share * (J @ slope)
                information[np.ix_(columns, columns)] += share * ((J * info) @ J.T)
                likelihood += share * float(log_p.sum())
                read = np.isfinite(run.temp_c[:, s])
                scale = np.sqrt(np.mean(info[read])) if read.any() else 1.0
                standard[read, s] = slope[read] / max(scale, 1e-12)
                readings += int(read.sum())
            scores.append(standard)
        return _Terms(
            prior + likelihood, likelihood, gradient, information, tuple(scores), readings
        )

    def _slopes(self, run: ThermalRun, state: _State, i: int) -> tuple[Matrix, Matrix, list[int]]:
        """What is shown, its derivatives (columns x steps x sensors), and the columns they are."""
        used = self._used[run.cooling]
        has_start = i in self.unknown_starts
        count = 1 + len(used) + has_start
        thetas, starts = np.stack([state.theta] * count), np.full(count, state.starts_c[i])
        thetas[np.arange(len(used)) + 1, used] += _STEP
        if has_start:
            starts[-1] += 1.0
        shown = respond(self.plan, thetas, run, starts, self.shape)
        slopes = shown[1:] - shown[0]
        slopes[: len(used)] /= _STEP
        columns = list(used)
        if has_start:
            columns.append(len(self._mean) + self.unknown_starts.index(i))
        return shown[0], slopes, columns

    def optimise(self, state: _State, free: NDArray[np.bool_]) -> _State:
        """The most likely state, the parameters that are not `free` held where they are."""
        moving = np.append(free, np.ones(len(self.unknown_starts), dtype=bool))
        damping = 1e-3
        terms = self.terms(state)
        for _ in range(_ROUNDS):
            better, damping = self._step(state, terms, moving, damping)
            if better is None:
                return replace(state, converged=True)
            state = replace(better, noise_k=self._noise(better))
            fresh = self.terms(state)
            settled = abs(fresh.value - terms.value) < _ENOUGH * (1 + abs(terms.value))
            terms = fresh
            if settled and self._is_flat(terms, moving):
                return replace(state, converged=True)
        return state

    @staticmethod
    def _is_flat(terms: _Terms, moving: NDArray[np.bool_]) -> bool:
        """Nothing would be gained by one more step: the gain it promises is below 0.01."""
        gradient = terms.gradient[moving]
        inner = terms.information[np.ix_(moving, moving)]
        return bool(gradient @ np.linalg.solve(inner, gradient) < 0.01)

    def _step(
        self, state: _State, terms: _Terms, moving: NDArray[np.bool_], damping: float
    ) -> tuple[_State | None, float]:
        inner = terms.information[np.ix_(moving, moving)]
        gradient = terms.gradient[moving]
        count = len(self._mean)
        for _ in range(12):
            damped = inner + damping * np.diag(np.diag(inner))
            move = np.zeros(len(moving))
            move[moving] = np.linalg.solve(damped, gradient)
            move[:count] = np.clip(move[:count], -1.0 * self._reach, self._reach)
            starts = state.starts_c.copy()
            starts[self.unknown_starts] += move[count:]
            tried = replace(state, theta=state.theta + move[:count], starts_c=starts)
            gain = self.value(tried) - terms.value
            if gain > 0:
                return tried, max(damping / 5, 1e-9)
            if gradient @ move[moving] < 1e-4:
                return None, damping
            damping *= 6
        return None, damping

    @property
    def _reach(self) -> Vector:
        """How far one step may go: a factor of 2, or 10 K."""
        return np.array([0.7 if p.log else 10.0 for p in self.plan.parameters])


def _first_guess(run: ThermalRun) -> float:
    """The coolest of the first readings: what the slowest node had at the start, at most."""
    first = run.temp_c[:3]
    return float(np.nanmin(first)) if np.isfinite(first).any() else 40.0
