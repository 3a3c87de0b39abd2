"""What the runs of a scenario that nobody made would have shown, by a model of those that were.

Per cluster the time per instruction is ``cpi / f + stall`` and a part that grows with any cluster's
clock (who shares the memory waits longer); what of it no formula tells is carried over from the
clocks that were measured. The temperature is linear in few features: per cluster
``f V^2``, as dynamic power goes, the same once more weighted with the clock, the busy share of the
program's cycles, and products of these, since leakage grows with heat; ridge regression keeps what
the runs do not tell small, and its strength is the one that predicts left-out runs best.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from platforms.board import Board

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

FEWEST_CLOCKS = 2
"""So many clocks of its own cluster a program must have run at to tell cycles from stalls."""

_CLOCKS_FOR_CROWDING = 3
"""And so many to tell also what grows with that clock."""

_STRENGTHS = np.logspace(-7, 0, 15)
"""Of the ridge, relative to the features' scale of 1."""

_MINOR = 5.0
"""A feature of the second order is held back so many times as much as one of the first."""


@dataclass(frozen=True)
class Runs:
    """Measured runs of one scenario: `core` (N,), `opps` (N, clusters), what was seen (N,)."""

    core: Index
    opps: Index
    rate_ips: Vector
    temp_c: Vector

    def where(self, keep: NDArray[np.bool_]) -> "Runs":
        """A part of the runs."""
        return Runs(self.core[keep], self.opps[keep], self.rate_ips[keep], self.temp_c[keep])


@dataclass(frozen=True)
class Predicted:
    """What the model says of runs, (N,) each; NaN in both where their cluster was not measured."""

    rate_ips: Vector
    temp_c: Vector


@dataclass(frozen=True)
class Doubt:
    """How far the model misses runs that are left out of its fit: RMS, relative and in kelvin."""

    rate_rms: float
    temp_rms_k: float


class FillModel:
    """The model of one scenario; `doubt` is its error at runs left out one by one."""

    def __init__(self, board: Board, runs: Runs) -> None:
        """Fit it. Clusters with less than `FEWEST_CLOCKS` clocks are left out (`clusters`).

        Where that is all of them nothing is told, and the doubt is NaN.
        """
        self._owner = np.array(board.cluster_of_core)
        self._clocks = _padded([np.array(c.freqs_hz, float) for c in board.clusters])
        self._power = _padded(
            [np.array([o.freq_hz * o.volt_v**2 for o in c.opps], float) for c in board.clusters]
        )
        self._times = {
            cluster: fit
            for cluster in range(len(board.clusters))
            if (fit := self._fit_time(runs, cluster)) is not None
        }
        known = np.isin(self._owner[runs.core], list(self._times))
        self._cores = np.unique(runs.core[known])
        self._remainder: dict[int, tuple[Vector, Vector]] = {}
        self.doubt = Doubt(np.nan, np.nan)
        if self._times:
            self._fit(runs.where(known))

    def _fit(self, runs: Runs) -> None:
        """All but the time's formula, of runs on clusters that have one."""
        self._ridge = _Ridge(self._heat_features(runs.core, runs.opps), runs.temp_c)
        factor = 1.0 / (self._time(runs.core, runs.opps) * runs.rate_ips)
        free = max(len(factor) - sum(np.count_nonzero(fit) for fit in self._times.values()), 1)
        rate_rms = float(np.sqrt(np.sum((factor - 1.0) ** 2) / free))
        self._remainder = self._fit_remainder(runs.core, runs.opps, factor)
        self.doubt = Doubt(rate_rms, self._ridge.left_out_rms)

    @property
    def clusters(self) -> frozenset[int]:
        """The clusters about whose cores the model can say something."""
        return frozenset(self._times)

    def predict(self, core: Index, opps: Index) -> Predicted:
        """The rate (instructions/s) and the sensor's temperature of runs."""
        rate, temp = np.full(len(core), np.nan), np.full(len(core), np.nan)
        known = np.isin(self._owner[core], list(self._times))
        if known.any():
            rate[known] = 1.0 / self._time(core[known], opps[known])
            temp[known] = self._ridge.predict(self._heat_features(core[known], opps[known]))
        return Predicted(rate, temp)

    # --- speed ----------------------------------------------------------------------------------

    def _fit_time(self, runs: Runs, cluster: int) -> Vector | None:
        """The time's coefficients on a cluster, none negative: a faster clock takes no longer."""
        here = self._owner[runs.core] == cluster
        if len(np.unique(runs.opps[here, cluster])) < FEWEST_CLOCKS:
            return None
        design = self._time_features(runs.opps[here], cluster) * runs.rate_ips[here, None]
        scale = np.linalg.norm(design, axis=0)
        if len(np.unique(runs.opps[here, cluster])) < _CLOCKS_FOR_CROWDING:
            scale[2 + cluster] = np.inf
        found, _ = optimize.nnls(design / scale, np.ones(len(design)))
        coefficients: Vector = found / scale
        return coefficients

    def _time_features(self, opps: Index, cluster: int) -> Vector:
        clocks = self._at(self._clocks, opps)
        shares = clocks / np.nanmax(self._clocks, axis=1)
        return np.column_stack([1.0 / clocks[:, cluster], np.ones(len(opps)), shares])

    def _time(self, core: Index, opps: Index) -> Vector:
        time = np.empty(len(core))
        for cluster, coefficients in self._times.items():
            here = self._owner[core] == cluster
            time[here] = self._time_features(opps[here], cluster) @ coefficients
            if cluster in self._remainder:
                clocks, factor = self._remainder[cluster]
                own_hz = self._clocks[cluster][opps[here, cluster]]
                time[here] *= np.interp(own_hz, clocks, factor)
        return time

    def _fit_remainder(
        self, core: Index, opps: Index, factor: Vector
    ) -> dict[int, tuple[Vector, Vector]]:
        """Per cluster: measured clocks, and by what factor the model's time is too short there.

        What no formula tells is then at least right where it was measured, and between.
        """
        found = {}
        for cluster in self._times:
            here = self._owner[core] == cluster
            points = opps[here, cluster]
            seen = np.unique(points)
            means = np.array([factor[here][points == point].mean() for point in seen])
            found[cluster] = self._clocks[cluster][seen], means
        return found

    # --- heat -----------------------------------------------------------------------------------

    def _heat_features(self, core: Index, opps: Index) -> Vector:
        """(N, features): see the module's description; divided by `_MINOR` where of minor weight.

        The core itself counts with a feature of its own: some sit nearer to the sensor.
        """
        power = self._at(self._power, opps) / np.nanmax(self._power, axis=1)
        clock = self._at(self._clocks, opps) / np.nanmax(self._clocks, axis=1)
        owner = self._owner[core]
        at = np.arange(len(core))
        own_power, own_clock = power[at, owner], clock[at, owner]
        busy = self._busy_share(core, opps)
        on = owner[:, None] == np.arange(power.shape[1])
        mine = on * (own_power * busy)[:, None]
        sits = (core[:, None] == self._cores) * own_power[:, None]
        first, second = np.triu_indices(power.shape[1])
        minor = [
            power * clock,
            on * own_power[:, None],
            mine * own_clock[:, None],
            mine * own_power[:, None],
            mine * power.sum(axis=1, keepdims=True),
            sits,
            power[:, first] * power[:, second],
        ]
        return np.hstack([power, mine, on.astype(float), *(part / _MINOR for part in minor)])

    def _busy_share(self, core: Index, opps: Index) -> Vector:
        """The share of its time that the program computes, as the fit of its speed has it."""
        computing = np.zeros(len(core))
        for cluster, coefficients in self._times.items():
            here = self._owner[core] == cluster
            features = self._time_features(opps[here], cluster)
            computing[here] = features[:, 0] * coefficients[0] / (features @ coefficients)
        return computing

    @staticmethod
    def _at(table: Vector, opps: Index) -> Vector:
        """(N, clusters): a cluster's entry in `table` at each run's operating point."""
        return np.stack([table[i][opps[:, i]] for i in range(len(table))], axis=1)


class _Ridge:
    """Least squares with an intercept, held back by the strength that predicts left-out best."""

    def __init__(self, features: Vector, values: Vector) -> None:
        self._middle, self._mean = features.mean(axis=0), float(values.mean())
        left, size, right = np.linalg.svd(features - self._middle, full_matrices=False)
        target = left.T @ (values - self._mean)
        self.left_out_rms = np.inf
        for strength in _STRENGTHS * len(values):
            shrink = size**2 / (size**2 + strength)
            leverage = (left**2 @ shrink) + 1.0 / len(values)
            missed = values - self._mean - left @ (shrink * target)
            rms = float(np.sqrt(np.mean((missed / np.maximum(1.0 - leverage, 1e-3)) ** 2)))
            if rms < self.left_out_rms:
                self.left_out_rms = rms
                self._slopes = right.T @ (shrink * target / np.maximum(size, 1e-12))

    def predict(self, features: Vector) -> Vector:
        found: Vector = self._mean + (features - self._middle) @ self._slopes
        return found


def _padded(rows: list[Vector]) -> Vector:
    """Rows of different lengths as one array, NaN behind."""
    padded = np.full((len(rows), max(map(len, rows))), np.nan)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return padded
