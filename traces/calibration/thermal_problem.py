"""The likelihood of runs under a thermal plan, its derivatives, and its optimum.

The steps are those of Fisher scoring with Levenberg's damping: Gauss-Newton where readings are
exact, and right for readings that are rounded (`thermal_likelihood`). Every run that does not say
how warm it started has that as an unknown of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from platforms.simulated.power import LeakageShape
from traces.calibration.thermal_data import ThermalRun
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


@dataclass(frozen=True)
class State:
    """Parameters, start temperatures by run, and noise by sensor, on the way to the optimum."""

    theta: Vector
    starts_c: Vector
    noise_k: Vector
    converged: bool = False


@dataclass(frozen=True)
class Terms:
    """The posterior around a state; `information` counts parameters, then unknown starts."""

    value: float
    log_likelihood: float
    gradient: Vector
    information: Matrix
    standard_scores: tuple[Matrix, ...]
    readings: int


class Problem:
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
        self._guess = np.array([first_guess(run) for run in runs])
        self._used = {c: self._concerned(c) for c in {run.cooling for run in runs}}

    def _concerned(self, cooling: str) -> list[int]:
        """The parameters that runs under one cooling setup depend on."""
        plan, others = self.plan, set()
        for table in (plan.ambient, plan.air, plan.shift):
            others |= {name for key, name in table.items() if key != cooling}
            others -= {name for key, name in table.items() if key == cooling}
        return [i for i, name in enumerate(plan.names) if name not in others]

    def first_state(self) -> State:
        """The prior, with starts at the first readings."""
        state = State(self._mean.copy(), self._guess.copy(), np.ones(len(self.plan.sensors)))
        return replace(state, noise_k=self._noise(state))

    def _noise(self, state: State) -> Vector:
        means = [self._shown(run, state, i) for i, run in enumerate(self.runs)]
        noise = []
        for s, sensor in enumerate(self.plan.sensors):
            pairs = [(r.temp_c[:, s], m[:, s]) for r, m in zip(self.runs, means, strict=True)]
            read = np.concatenate([a[np.isfinite(a)] for a, _ in pairs])
            mean = np.concatenate([m[np.isfinite(a)] for a, m in pairs])
            noise.append(best_noise(read, mean, sensor.step_k) if len(read) else 1.0)
        return np.array(noise)

    def _shown(self, run: ThermalRun, state: State, i: int) -> Matrix:
        start = state.starts_c[i : i + 1]
        return np.asarray(respond(self.plan, state.theta[None], run, start, self.shape)[0])

    def _prior_terms(self, state: State) -> tuple[float, Vector, Vector]:
        """Value, gradient and curvature of the log prior over parameters and unknown starts."""
        off = np.append(
            (state.theta - self._mean) / self._sd,
            (state.starts_c - self._guess)[self.unknown_starts] / START_SD_K,
        )
        sd = np.append(self._sd, np.full(len(self.unknown_starts), START_SD_K))
        return -0.5 * float(off @ off), -off / sd, 1.0 / sd**2

    def value(self, state: State) -> float:
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
        self, run: ThermalRun, shown: Matrix, state: State, s: int
    ) -> tuple[Vector, Vector, Vector]:
        read = np.isfinite(run.temp_c[:, s])
        step_k = 0.0 if run.averaged else self.plan.sensors[s].step_k
        out = [np.zeros(len(read)) for _ in range(3)]
        found = reading_terms(run.temp_c[read, s], shown[read, s], float(state.noise_k[s]), step_k)
        for target, values in zip(out, found, strict=True):
            target[read] = values
        return out[0], out[1], out[2]

    def terms(self, state: State) -> Terms:
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
        return Terms(prior + likelihood, likelihood, gradient, information, tuple(scores), readings)

    def _slopes(self, run: ThermalRun, state: State, i: int) -> tuple[Matrix, Matrix, list[int]]:
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

    def optimise(self, state: State, free: NDArray[np.bool_]) -> State:
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
    def _is_flat(terms: Terms, moving: NDArray[np.bool_]) -> bool:
        """Nothing would be gained by one more step: the gain it promises is below 0.01."""
        gradient = terms.gradient[moving]
        inner = terms.information[np.ix_(moving, moving)]
        return bool(gradient @ np.linalg.solve(inner, gradient) < 0.01)

    def _step(
        self, state: State, terms: Terms, moving: NDArray[np.bool_], damping: float
    ) -> tuple[State | None, float]:
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


def first_guess(run: ThermalRun) -> float:
    """The coolest of the first readings: what the slowest node had at the start, at most."""
    first = run.temp_c[:3]
    return float(np.nanmin(first)) if np.isfinite(first).any() else 40.0
