"""A board's thermal network from measurements: which runs, which sensors, held out by workload."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from platforms.application import ApplicationProfile
from platforms.board import Board, CoolingSetup, Sensor
from platforms.errors import InvalidInput
from platforms.simulated.power import LeakageShape
from traces.calibration.input_file import InputFile
from traces.calibration.thermal_data import ThermalData, ThermalRun
from traces.calibration.thermal_fit import ThermalFit, fit_thermal
from traces.calibration.thermal_measurements import measured_data, merged
from traces.calibration.thermal_network import plan_of, with_levels
from traces.calibration.thermal_structure import held_out_residuals
from traces.calibration.thermal_traces import recorded_data

Matrix = NDArray[np.float64]

FIRST_STEPS = 3
"""How many samples of a run that was held out tell how warm it began."""

FOLDS = 5
"""Workloads are held out in so many groups."""

_FINEST_K = 0.01


@dataclass(frozen=True)
class HeatStudy:
    """The fit to all runs, and what was left over (read minus predicted, K) where held out.

    `left` has an array of steps x sensors per run, by a fit that saw no run of its workload. The
    first `FIRST_STEPS` samples of a transient, which tell its start, are no test: they are NaN.
    """

    fit: ThermalFit
    data: ThermalData
    left: dict[str, Matrix]

    def rms_k(self, *, settled: bool, application: str | None = None) -> float:
        """The root mean square of what was left over, of steady states or of transients."""
        parts = [
            self.left[run.name].ravel()
            for run in self.runs(settled=settled)
            if application in (None, run.application)
        ]
        return root_mean_square(np.concatenate(parts or [np.array([])]))

    def without_model_k(self, *, settled: bool) -> float:
        """What `rms_k` would be of no model at all.

        Steady states: each sensor's mean under that cooling setup. Transients: all stays as the
        samples that tell the start.
        """
        runs = self.runs(settled=settled)
        if not settled:
            parts = [
                run.temp_c[FIRST_STEPS:] - run.temp_c[:FIRST_STEPS].mean(axis=0) for run in runs
            ]
        else:
            parts = []
            for cooling in {run.cooling for run in runs}:
                read = np.concatenate([run.temp_c for run in runs if run.cooling == cooling])
                known = np.isfinite(read).any(axis=0)
                parts.append(read[:, known] - np.nanmean(read[:, known], axis=0))
        return root_mean_square(np.concatenate([part.ravel() for part in parts] or [np.array([])]))

    def runs(self, *, settled: bool) -> list[ThermalRun]:
        """The steady states, or the transients."""
        return [run for run in self.data.runs if run.settled is settled]


def root_mean_square(values: NDArray[np.float64]) -> float:
    """Of what is known; NaN for nothing.

    >>> root_mean_square(np.array([3.0, np.nan, -3.0]))
    3.0
    """
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else float("nan")


def study_heat(
    files: Sequence[InputFile],
    board: Board,
    *,
    profiles: Mapping[str, ApplicationProfile] | None = None,
    ambient_known: bool = False,
) -> HeatStudy | None:
    """Fit the network of `board` to all files that tell power and temperature; None for none.

    Traces tell no power: they count with what the model of `board` says of these `profiles`.

    With `ambient_known` the air's temperature is the cooling setups', else it is fitted. Sensors
    are the board's own, and those that a file says to sit where one of the board's does. Where
    several sensors are read, all but the first may read too high or too low by a constant.
    """
    useful = [file for file in files if _tells_heat(file, board)]
    if not useful:
        return None
    data = merged([_data(file, board, profiles or {}) for file in useful])
    names = [run.name for run in data.runs]
    if len(set(names)) < len(names):
        raise InvalidInput("measurements must have each run once (got one that is in two files)")
    sensors = [_sensor(board, name, data, useful) for name in data.sensors]
    used = {run.cooling for run in data.runs}
    cooling = [setup for setup in board.cooling if setup.name in used]
    if not ambient_known:
        cooling = [replace(setup, ambient_c=_coolest_c(data, setup.name)) for setup in cooling]
    clusters = [(cluster.name, cluster.cores) for cluster in board.clusters]
    own = [name for name in data.sensors if name in {s.name for s in board.sensors}]
    plan = plan_of(board.thermal, clusters, cooling, sensors, ambient_known=ambient_known)
    plan = with_levels(plan, own[1:])
    workloads = sorted({run.application for run in data.runs})
    fold_of = {name: number % FOLDS for number, name in enumerate(workloads)}
    shape = LeakageShape.build(board.leakage)
    left = held_out_residuals(plan, data, fold_of.__getitem__, first_steps=FIRST_STEPS, shape=shape)
    for run in data.runs:
        if not run.start_known:
            left[run.name][:FIRST_STEPS] = np.nan
    return HeatStudy(fit_thermal(plan, data, shape=shape), data, left)


def _data(file: InputFile, board: Board, profiles: Mapping[str, ApplicationProfile]) -> ThermalData:
    """The runs of a file under its cooling setup."""
    if file.recorded is None:
        return measured_data(
            file.table,
            file.metadata,
            cooling=file.cooling,
            busy_cores=file.busy_cores,
            sensors={name: name for name in file.sensors_on(board)},
        )
    table, metadata = file.recorded
    return recorded_data(table, replace(metadata, cooling=file.cooling), board, profiles)


def _coolest_c(data: ThermalData, cooling: str) -> float:
    """The coolest that was read under a setup: air and constant heat together are at most that.

    The fit begins there, since from far off it may end in a worse place.
    """
    read = [run.temp_c[np.isfinite(run.temp_c)] for run in data.runs if run.cooling == cooling]
    return float(np.concatenate(read).min())


def _tells_heat(file: InputFile, board: Board) -> bool:
    power = file.power_w
    if file.recorded is not None:
        return bool(file.sensors_on(board))
    return (
        file.metadata.power_of == "cluster rails"
        and bool(file.sensors_on(board))
        and bool(np.isfinite(power).any())
    )


def _sensor(board: Board, name: str, data: ThermalData, files: Sequence[InputFile]) -> Sensor:
    """The board's sensor, or one that sits where it does, with the steps that it was read in."""
    place = next((f.places[name] for f in files if name in f.places), name)
    own = next(sensor for sensor in board.sensors if sensor.name == place)
    column = data.sensors.index(name)
    read = np.concatenate([run.temp_c[:, column] for run in data.runs])
    return replace(own, name=name, step_k=step_of(read), offset_c=0.0)


def step_of(read_c: NDArray[np.float64]) -> float:
    """The step (K) of a sensor, from the smallest difference between its readings.

    >>> step_of(np.array([40.0, 41.0, np.nan, 43.0]))
    1.0
    """
    values = np.unique(np.round(read_c[np.isfinite(read_c)], 3))
    gaps = np.diff(values)
    return float(max(gaps.min(), _FINEST_K)) if len(gaps) else _FINEST_K


def with_coolings(board: Board, names: Sequence[str], ambient_c: float | None) -> Board:
    """The board with a setup for each of `names`; new ones begin as its first setup is."""
    known = {setup.name for setup in board.cooling}
    first = board.cooling[0]
    added = tuple(_like(first, name) for name in dict.fromkeys(names) if name not in known)
    setups = (*board.cooling, *added)
    if ambient_c is not None:
        setups = tuple(
            replace(
                setup,
                ambient_c=ambient_c,
                sources=setup.sources | {"ambient_c": "measured: given with --ambient-c"},
            )
            if setup.name in names
            else setup
            for setup in setups
        )
    return replace(board, cooling=setups)


def _like(setup: CoolingSetup, name: str) -> CoolingSetup:
    return replace(setup, name=name, then=None)
