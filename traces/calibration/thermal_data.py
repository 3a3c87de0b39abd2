"""What the thermal fit takes: where the heat went, and what the sensors said."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class ThermalRun:
    """One run, step by step; step i lasts `step_s[i]` seconds at constant power.

    `core_w` (steps x cores) is what every core took in the step, `shared_w` (steps) what the
    clusters' shared parts took, both W and means over the step. `temp_c` (steps x sensors) is what
    the sensors said at the step's end, degC, or the mean over the step where `averaged`; NaN where
    nothing was read. Runs of the same `cooling` share the air's temperature and the way to it.

    `leakage_w` (steps x cores, W at the leakage's reference temperature) is for power that is
    modelled, not measured: `core_w` then leaves leakage out. `start_c` is the temperature of the
    whole board at the start where that is known (a board cold for hours); without it the fit
    estimates the slowest node's, the others being settled on it under the first step's power.
    Where `settled`, every step is a steady state of its own, and how long it lasts says nothing.
    """

    name: str
    application: str
    cooling: str
    step_s: Vector
    core_w: Matrix
    shared_w: Vector
    temp_c: Matrix
    leakage_w: Matrix | None = None
    averaged: bool = False
    start_c: float | None = None
    settled: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for shapes that do not fit, steps that do not last, power missing."""
        steps = len(self.step_s)
        for name in ("core_w", "shared_w", "temp_c", "leakage_w"):
            value = getattr(self, name)
            if value is not None and len(value) != steps:
                raise ValueError(
                    f"{self.name}: {name} must have one row per step, {steps} (got {len(value)})"
                )
        if steps == 0 or not (self.step_s > 0).all():
            raise ValueError(f"{self.name}: step_s must hold positive times (got {self.step_s})")
        for name in ("core_w", "shared_w"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"{self.name}: {name} must be finite in every step (got NaN)")

    @property
    def start_known(self) -> bool:
        """Nothing about how the run began has to be estimated."""
        return self.settled or self.start_c is not None

    @property
    def time_s(self) -> Vector:
        """The end of every step, s from the start."""
        return np.cumsum(self.step_s)

    def first(self, steps: int) -> "ThermalRun":
        """The run up to its step `steps`, not included."""
        leakage = None if self.leakage_w is None else self.leakage_w[:steps]
        return replace(
            self,
            step_s=self.step_s[:steps],
            core_w=self.core_w[:steps],
            shared_w=self.shared_w[:steps],
            temp_c=self.temp_c[:steps],
            leakage_w=leakage,
        )


@dataclass(frozen=True)
class ThermalData:
    """Runs on one board. `sensors` names the columns of every run's `temp_c`."""

    sensors: tuple[str, ...]
    runs: tuple[ThermalRun, ...]

    def __post_init__(self) -> None:
        """Raise ValueError where a run has other sensors."""
        for run in self.runs:
            if run.temp_c.shape[1] != len(self.sensors):
                raise ValueError(
                    f"{run.name}: temp_c must have a column per sensor, {len(self.sensors)} "
                    f"(got {run.temp_c.shape[1]})"
                )

    def only(self, keep: Sequence[bool]) -> "ThermalData":
        """The runs that `keep` marks."""
        chosen = tuple(run for run, kept in zip(self.runs, keep, strict=True) if kept)
        return replace(self, runs=chosen)

    @property
    def coolings(self) -> tuple[str, ...]:
        """The cooling setups of the runs, by name."""
        return tuple(sorted({run.cooling for run in self.runs}))


def split_rails(
    power_w: Matrix,
    utilisation: Matrix,
    clusters: Sequence[Sequence[int]],
    *,
    shared_w: Matrix | None = None,
    shared_ratio: float = 0.0,
) -> tuple[Matrix, Vector]:
    """Rail power (steps x clusters, W) given to busy cores and to the clusters' shared parts.

    `utilisation` (steps x cores, 0 to 1) says which cores were busy: a cluster's cores get its
    power in its proportion. `shared_w` (steps x clusters) is the shared part where it is known;
    else the shared part is `shared_ratio` of what a busy core takes. An idle cluster's power is
    all shared. Returns what the cores took (steps x cores) and what all shared parts took (steps).

    >>> split_rails(np.array([[1.2]]), np.array([[1.0, 0.0]]), [(0, 1)], shared_ratio=0.2)
    (array([[1., 0.]]), array([0.2]))
    """
    core_w = np.zeros_like(utilisation)
    shared = np.zeros(len(power_w))
    for i, cores in enumerate(clusters):
        busy = utilisation[:, cores]
        total = busy.sum(axis=1)
        if shared_w is None:
            part = np.minimum(total, 1.0) * shared_ratio / np.maximum(total, 1e-9)
            own = np.where(total > 1e-3, power_w[:, i] * part / (1.0 + part), power_w[:, i])
        else:
            own = np.where(total > 1e-3, np.minimum(shared_w[:, i], power_w[:, i]), power_w[:, i])
        shared += own
        core_w[:, cores] = busy * ((power_w[:, i] - own) / np.maximum(total, 1e-9))[:, None]
    return core_w, shared
