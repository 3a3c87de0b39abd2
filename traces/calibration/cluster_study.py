"""All that measurements tell of one cluster: its programs' speeds, its power, their activities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from platforms.board import Board
from traces.calibration.activity import ActivityFit, ProgramEnergy, fit_activity, level_j
from traces.calibration.cluster_values import ClusterPower, energy_per_cycle
from traces.calibration.leakage_growth import study_growth
from traces.calibration.power import LEAKAGE_REF_C, PowerFit, PowerSamples, fit_power, resampled
from traces.calibration.power_study import PowerStudy, power_samples, study_power
from traces.calibration.speed import SpeedFit
from traces.calibration.speed_study import SpeedStudy, program_speeds, study_speeds
from traces.measurements import list_array, matrix

Vector = NDArray[np.float64]

_ONE_CORE = 1.1
_FEWEST_ROWS = 12
"""Fewer rows with power than this are not fitted."""


@dataclass(frozen=True)
class ClusterStudy:
    """One cluster's fits; `power` is None where its rail was not measured beside busy programs.

    `why_no_power` then says why. `board_errors` (N,) are relative errors of the power as a board
    file computes it: each program's activity from its counters at one clock alone, floor, energies,
    clock tree and leakage from all other programs; NaN where a row cannot be computed so. `busy`
    is how many cores were busy in the median, by program and instances.
    """

    index: int
    name: str
    speeds: SpeedStudy
    power: ClusterPower | None
    why_no_power: str
    board_errors: Vector
    busy: Mapping[tuple[str, int], float]


def study_cluster(
    table: pa.Table,
    index: int,
    board: Board,
    sensors: Sequence[int],
    *,
    data: str,
    slowest_hz: float = 0.0,
    rng: np.random.Generator,
) -> ClusterStudy:
    """Study cluster `index` in run means; `sensors` are the columns of ``temp_c`` that are its own.

    `board` gives the leakage curve and the floor that are kept where the data do not tell them,
    `data` names the measurements in sources.
    """
    name = board.clusters[index].name
    table = _with_cycles(table, index)
    speeds = study_speeds(program_speeds(table, index, slowest_hz=slowest_hz), index)
    busy = _busy(table, index)
    why = _why_no_power(table, index, sensors)
    if why:
        return ClusterStudy(index, name, speeds, None, why, np.array([]), busy)
    samples, _, _ = power_samples(table, index, sensors)
    growth = study_growth(samples, board.leakage, rng=rng)
    study = _told_apart(study_power(table, index, sensors, rng=rng, growth_per_k=growth.used_per_k))
    single = {p.program.application: p.fit for p in speeds.programs if p.program.instances == 1}
    energies = program_energies(study, study.fit, single)
    if not energies:
        why = "no program ran as one instance at three clocks"
        return ClusterStudy(index, name, speeds, None, why, np.array([]), busy)
    usual = board.clusters[index].activity_floor
    activity = fit_activity(energies, usual_floor=usual, rng=rng)
    power = ClusterPower(
        study, growth, activity, _reference_interval(study, activity, single, rng), data
    )
    errors = _board_errors(study, speeds, activity.floor, speeds.reference_hz)
    return ClusterStudy(index, name, speeds, power, "", errors, busy)


def program_energies(
    study: PowerStudy, fit: PowerFit, speeds: dict[str, SpeedFit]
) -> dict[str, ProgramEnergy]:
    """Energy per cycle and busy share of every program's single instances, by clock."""
    samples = study.samples
    energy_j = _core_energy_j(fit, samples)
    found = {}
    for name, speed in speeds.items():
        rows = (samples.group == name) & (study.instances <= 1) & (energy_j > 0)
        if rows.any():
            share = np.array([1.0 - speed.stall_share(hz) for hz in samples.freq_hz[rows]])
            found[name] = ProgramEnergy(energy_j[rows], share)
    return found


def _core_energy_j(fit: PowerFit, samples: PowerSamples) -> Vector:
    """What a busy cycle takes at one volt (J) in every row, by what was counted.

    Cycles alone tell no program from another: then it is what the rail draws beyond the rest.
    """
    if fit.events != ("cycles_per_s",):
        return energy_per_cycle(fit, samples.events_per_s)
    idle = replace(samples, events_per_s=np.zeros_like(samples.events_per_s))
    core_w = samples.power_w - fit.power_w(idle)
    cycles = np.maximum(samples.events_per_s[:, 0], 1.0)
    return np.asarray(core_w / (samples.volt_v**2 * cycles), float)


def _told_apart(study: PowerStudy) -> PowerStudy:
    """The study; where one core at most was ever busy, its clock tree is the core's."""
    fit = study.fit
    if fit.events != ("cycles_per_s",) or study.samples.busy_cores.max() > _ONE_CORE:
        return study
    alone = replace(fit, energy_j=fit.energy_j + fit.busy_f, busy_f=0.0)
    return replace(study, fit=alone)


def _why_no_power(table: pa.Table, index: int, sensors: Sequence[int]) -> str:
    """Why a cluster's power cannot be fitted; nothing where it can."""
    if not (table["cluster"].to_numpy() == index).any():
        return "no program ran on it alone"
    if not np.isfinite(matrix(table, "power_w")[:, index]).any():
        return "nobody measured its rail"
    if not sensors:
        return "no sensor is named as its own"
    try:
        samples, events, _ = power_samples(table, index, sensors)
    except ValueError:
        return "no row has its power, voltage, temperature and load"
    if len(samples.power_w) < _FEWEST_ROWS or len(np.unique(samples.freq_hz)) < 2:
        return f"its rail is known in {len(samples.power_w)} rows, at too few clocks"
    return "" if "cycles_per_s" in events else "nobody counted its cycles, or its load is unknown"


def _busy(table: pa.Table, index: int) -> dict[tuple[str, int], float]:
    """Median busy cores of the programs that ran on the cluster, where they are known."""
    own = np.flatnonzero(table["cluster"].to_numpy() == index)
    names = table["application"].to_pylist()
    instances = table["instances"].to_numpy()
    busy = matrix(table, "busy_cores")[:, index]
    found: dict[tuple[str, int], list[float]] = {}
    for row in own[np.isfinite(busy[own])].tolist():
        found.setdefault((names[row], max(int(instances[row]), 1)), []).append(float(busy[row]))
    return {key: float(np.median(values)) for key, values in found.items()}


def _with_cycles(table: pa.Table, index: int) -> pa.Table:
    """Busy cores times clock stands for cycles where none were counted."""
    if not np.isnan(table["cycles_per_s"].to_numpy()).all():
        return table
    busy, freq_hz = (matrix(table, name)[:, index] for name in ("busy_cores", "freq_hz"))
    own = table["cluster"].to_numpy() == index
    cycles = pa.array(np.where(own, busy * freq_hz, np.nan))
    return table.set_column(table.column_names.index("cycles_per_s"), "cycles_per_s", cycles)


def _reference_interval(
    study: PowerStudy, activity: ActivityFit, speeds: dict[str, SpeedFit], rng: np.random.Generator
) -> tuple[float, float]:
    """The 95 % interval of the reference program's energy, by resampling whole programs."""
    events = len(study.fit.events)
    only = {activity.reference: speeds[activity.reference]}
    levels = []
    for drawn in resampled(study.samples, study.fit, rng=rng):
        clock_f, busy_f, leakage_w = (float(value) for value in drawn[events:])
        fit = replace(
            study.fit,
            energy_j=drawn[:events],
            clock_f=clock_f,
            busy_f=busy_f,
            leakage_w=leakage_w,
        )
        fit = _told_apart(replace(study, fit=fit)).fit
        program = program_energies(study, fit, only).get(activity.reference)
        levels.append(level_j(program, activity.floor) if program else 0.0)
    low, high = np.quantile(levels, [0.025, 0.975])
    return float(low), float(high)


def _board_errors(
    study: PowerStudy, speeds: SpeedStudy, floor: float, reference_hz: float
) -> Vector:
    """As `ClusterStudy.board_errors` says; the floor is that of all programs."""
    samples = study.samples
    known = {p.program.application: p.fit for p in speeds.programs if p.program.instances == 1}
    errors = np.full(len(samples.power_w), np.nan)
    for name, speed in known.items():
        out = samples.group == name
        seen = out & (study.instances <= 1) & np.isclose(samples.freq_hz, reference_hz)
        if not seen.any():
            continue
        others = samples.where(~out)
        fit = fit_power(others, study.fit.events, growth_per_k=study.fit.growth_per_k)
        fit = _told_apart(replace(study, samples=others, fit=fit)).fit
        energy = _core_energy_j(fit, samples.where(seen))
        if not (energy > 0).all():
            continue
        share = 1.0 - speed.stall_share(reference_hz)
        level = level_j(ProgramEnergy(energy, np.full(len(energy), share)), floor)
        rows = samples.where(out)
        busy_share = np.array([1.0 - speed.stall_share(hz) for hz in rows.freq_hz])
        clock_w = rows.volt_v**2 * rows.freq_hz
        core_w = clock_w * level * (floor + (1 - floor) * busy_share) * rows.busy_cores
        shared_w = clock_w * (fit.clock_f + fit.busy_f * np.minimum(rows.busy_cores, 1.0))
        leak_w = fit.leakage_w * rows.volt_v**3
        leak_w = leak_w * np.exp(fit.growth_per_k * (rows.temp_c - LEAKAGE_REF_C))
        errors[out] = (core_w + shared_w + leak_w) / rows.power_w - 1.0
    return errors


def run_means(table: pa.Table) -> pa.Table:
    """One row a run: means over its rows, weighted by their windows; lists are means too."""
    keys = table["run"].combine_chunks().dictionary_encode()
    index = keys.indices.to_numpy()
    order = np.sort(np.unique(index, return_index=True)[1])
    window_s = np.maximum(table["window_s"].to_numpy(), 1e-9)
    total_s = np.asarray(np.bincount(index, window_s), float)
    columns = []
    for field in table.schema:
        column = table[field.name]
        if field.name == "window_s":
            columns.append(pa.array(total_s))
        elif pa.types.is_floating(field.type):
            mean = np.bincount(index, column.to_numpy() * window_s) / total_s
            columns.append(pa.array(mean))
        elif pa.types.is_list(field.type) and pa.types.is_floating(field.type.value_type):
            columns.append(_list_means(matrix(table, field.name), index, window_s, total_s))
        else:
            columns.append(column.take(pa.array(order)))
    return pa.table(columns, schema=table.schema)


def _list_means(
    values: NDArray[np.float64],
    index: NDArray[np.signedinteger[Any]],
    window_s: Vector,
    total_s: Vector,
) -> pa.Array:
    means = [np.bincount(index, entry * window_s) / total_s for entry in values.T]
    return list_array(np.stack(means, axis=1) if means else np.zeros((len(total_s), 0)))
