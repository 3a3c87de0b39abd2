"""How well the thermal fit predicts an Odroid-XU3's temperatures on runs that it has not seen.

    nice python benchmarks/thermal_odroid_xu3.py ../shared/data/odroid-xu3

Three data sets, one network: PowMon's means of 30 s (four sensors, 45 workloads; a fan that goes
on by itself, so two cooling setups), PARSEC on one core (samples of 0.5 s, 34 sound runs), PARSEC
on two cores (one log of 150 s). Every workload's error is of a fit to the other workloads; that of
PARSEC's second runs also of a fit to the first ones. A run's start comes from its first three
samples (1.5 s). The log of two cores is predicted by a fit that never saw it.

Where the sensors of PARSEC's files sit nobody recorded. What the files call CPU(4) is tried in core
4 and in the die; the errors on the held-out programs and on the first third of the log choose. The
rest of the log is the test.
"""

import argparse
import itertools
import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from platforms.board import CoolingSetup, Sensor
from traces.calibration.thermal_data import ThermalData, ThermalRun
from traces.calibration.thermal_fan import FanFit, fit_with_fan
from traces.calibration.thermal_fit import ThermalFit, fit_thermal
from traces.calibration.thermal_measurements import measured_data, merged
from traces.calibration.thermal_network import SensorModel, ThermalPlan, plan_of, with_levels
from traces.calibration.thermal_section import notes
from traces.calibration.thermal_structure import chain_thermal
from traces.importers.importer import Request
from traces.importing import import_files
from traces.measurements import read_measurements

CLUSTERS = (("A7", (0, 1, 2, 3)), ("A15", (4, 5, 6, 7)))
FIRST_STEPS = 3
_A15 = ("C4", "C5", "C6", "C7")
_CANDIDATES = (
    (("board",), "core4"),
    (("die", "board"), "core4"),
    (("die", "board"), "die"),
    (("die", "package", "board"), "die"),
)
"""The lumps behind the cores, and the place of the sensor CPU(4)."""
_OFF, _ON = "fan-off", "fan"
_FOLDS = 5
_BINS_W = (0, 0.5, 1, 2, 3, 4, 5, 8)


@dataclass(frozen=True)
class Xu3:
    """The three sets. `rows` are PowMon's, in order, with the program of each."""

    rows: ThermalRun
    programs: np.ndarray
    one_core: ThermalData
    two_cores: ThermalData


def read(folder: Path) -> Xu3:
    """Import the shared files and take them as the fit does."""
    with tempfile.TemporaryDirectory() as scratch:

        def table(name: str) -> tuple:  # type: ignore[type-arg]
            out = Path(scratch) / "measurements.parquet"
            import_files(
                [folder / name], out, format_name="auto", board="odroid-xu3", asked=Request()
            )
            return read_measurements(out)

        powmon, about = table("powmon_a15.tsv.gz")
        rows = measured_data(powmon, about, cooling=_ON, as_one=True)
        one_core = measured_data(
            *table("parsec_1core_a15.tsv.gz"), cooling="parsec", busy_cores=(4,)
        )
        log = table("sensors_parsec_2core_1800mhz.tsv")
        two = measured_data(*log, cooling="parsec", busy_cores=(4, 5))
    both = merged([rows, one_core])
    programs = np.array(powmon["application"].to_pylist())
    return Xu3(both.runs[0], programs, replace(both, runs=both.runs[1:]), two)


def plan(shared: tuple[str, ...], place: str) -> ThermalPlan:
    """Cores, some shared lumps, the TMU's sensor in each A15 core; levels of three of them free.

    `place` is where the sensor CPU(4) sits.
    """
    sensors = [_sensor(name, f"core{name[1]}", 0.01) for name in _A15]
    sensors.append(_sensor("CPU(4)", place, 1.0))
    thermal = chain_thermal(CLUSTERS, shared)
    cooling = [_cooling(_OFF, 40.0), _cooling(_ON, 40.0), _cooling("parsec", 28.0)]
    return with_levels(plan_of(thermal, CLUSTERS, cooling, sensors), _A15[1:])


def _sensor(name: str, node: str, step_k: float) -> Sensor:
    return Sensor(
        name=name,
        weights={node: 1.0},
        step_k=step_k,
        offset_c=0.0,
        period_s=0.5,
        noise_k=0.5,
        sources={},
    )


def _cooling(name: str, ambient_c: float) -> CoolingSetup:
    return CoolingSetup(name=name, conductance_w_per_k=0.35, ambient_c=ambient_c, sources={})


@dataclass(frozen=True)
class HeldOut:
    """Read minus predicted (K) by fits that did not see the program."""

    rows: np.ndarray
    runs: dict[str, np.ndarray]

    @property
    def rms_k(self) -> float:
        """Over the rows and the runs, each with half the weight."""
        return float(np.sqrt((np.mean(self.rows**2) + self.rms_of_runs_k**2) / 2))

    @property
    def rms_of_runs_k(self) -> float:
        """Over all readings of the runs."""
        return _rms(np.concatenate(list(self.runs.values())))


def held_out(board: Xu3, structure: ThermalPlan) -> HeldOut:
    """Five folds of PowMon's programs and of PARSEC's."""
    names = sorted({*board.programs, *(run.application for run in board.one_core.runs)})
    fold = {name: i % _FOLDS for i, name in enumerate(names)}
    of_rows = np.array([fold[name] for name in board.programs])
    rows, runs = np.full((len(of_rows), len(_A15)), np.nan), {}
    for number in range(_FOLDS):
        seen = board.one_core.only([fold[r.application] != number for r in board.one_core.runs])
        own = of_rows == number
        found = fit_with_fan(structure, board.rows, ~own, seen, off=_OFF, on=_ON)
        rows[own] = (board.rows.temp_c - found.predict(board.rows))[own, : len(_A15)]
        for run in board.one_core.runs:
            if fold[run.application] == number:
                error = found.fit.residuals(run, first_steps=FIRST_STEPS)
                runs[run.name] = error[:, len(_A15)]
    return HeldOut(rows, runs)


def main() -> None:
    """Choose the structure, then print errors and parameters."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    board = read(parser.parse_args().folder)
    everything = np.ones(len(board.programs), dtype=bool)
    tried = []
    for shared, place in _CANDIDATES:
        structure = plan(shared, place)
        found = held_out(board, structure)
        final = fit_with_fan(structure, board.rows, everything, board.one_core, off=_OFF, on=_ON)
        error = _log_error(board, final.fit, "CPU(4)", place)
        first = _rms(error[: len(error) // 3])
        score = np.sqrt((found.rms_k**2 * 2 + first**2) / 3)
        tried.append((score, structure, place, found, final))
        print(
            f"cores, {', '.join(shared):21} CPU(4) in {place:6} {score:.2f} K: PowMon "
            f"{_rms(found.rows):.2f}, one core {found.rms_of_runs_k:.2f}, "
            f"log's first third {first:.2f}"
        )
    _, structure, place, found, final = min(tried, key=lambda one: one[0])
    print(f"chosen: {', '.join(structure.nodes[8:])}, CPU(4) in {place}\n")
    _steady(board, found.rows, final)
    _one_state(board, structure)
    _transients(board, found.runs, structure)
    _two_cores(board, final.fit, place)
    _parameters(final.fit)


def _steady(board: Xu3, error: np.ndarray, final: FanFit) -> None:
    print("steady (PowMon, 30 s means), held out by workload: RMS (mean error) per sensor, K")
    power = board.rows.core_w.sum(axis=1) + board.rows.shared_w
    for program in dict.fromkeys(board.programs.tolist()):
        own = board.programs == program
        rms, mean = np.sqrt((error[own] ** 2).mean(axis=0)), error[own].mean(axis=0)
        told = " ".join(f"{a:4.1f} ({b:+4.1f})" for a, b in zip(rms, mean, strict=True))
        print(f"  {program:20} {told}   {power[own].min():.1f} to {power[own].max():.1f} W")
    sensors = ", ".join(f"{value:.2f}" for value in np.sqrt((error**2).mean(axis=0)))
    print(f"  all: {np.sqrt((error**2).mean()):.2f} K (per sensor {sensors})")
    fan = final.shares(board.rows)
    print(f"  the fan goes on at {final.rule.on_c} degC, off {final.rule.hysteresis_k} K below")
    for low, high in itertools.pairwise(_BINS_W):
        here = (power >= low) & (power < high)
        rms = np.sqrt((error[here] ** 2).mean())
        print(
            f"    {low} to {high} W: {here.sum():4} rows, mean error {error[here].mean():+.1f} K, "
            f"RMS {rms:.1f} K, fan on {fan[here].mean():.0%}"
        )
    print()


def _one_state(board: Xu3, structure: ThermalPlan) -> None:
    """The same rows with one way to the air for all."""
    names = sorted(set(board.programs))
    of_rows = np.array([names.index(name) % _FOLDS for name in board.programs])
    error = np.full((len(of_rows), len(_A15)), np.nan)
    for number in range(_FOLDS):
        own = of_rows == number
        seen = replace(board.rows, temp_c=np.where(own[:, None], np.nan, board.rows.temp_c))
        fit = fit_thermal(structure, replace(board.one_core, runs=(seen, *board.one_core.runs)))
        error[own] = fit.residuals(board.rows)[own, : len(_A15)]
    hot = board.rows.core_w.sum(axis=1) + board.rows.shared_w > _BINS_W[-2]
    print(
        f"  with one state of the fan: {_rms(error):.2f} K, above {_BINS_W[-2]} W mean error "
        f"{error[hot].mean():+.1f} K\n"
    )


def _transients(board: Xu3, left: dict[str, np.ndarray], structure: ThermalPlan) -> None:
    second = [run.name.endswith("#2") for run in board.one_core.runs]
    first = board.one_core.only([not repeat for repeat in second])
    everything = np.ones(len(board.programs), dtype=bool)
    fit = fit_with_fan(structure, board.rows, everything, first, off=_OFF, on=_ON).fit
    print("PARSEC on one core, start from the first 1.5 s: RMS, K, held out by program; by run")
    programs, repeats = defaultdict(list), []
    for run, is_second in zip(board.one_core.runs, second, strict=True):
        error = fit.residuals(run, first_steps=FIRST_STEPS)[:, len(_A15)]
        programs[run.application].append(left[run.name])
        repeats += [error] if is_second else []
        told = f"{_rms(error):5.2f}" if is_second else "    -"
        print(f"  {run.name:36} {_rms(left[run.name]):5.2f} {told}")
    for name, errors in programs.items():
        print(f"  {name:36} {_rms(np.concatenate(errors)):5.2f}")
    whole = np.concatenate([error for errors in programs.values() for error in errors])
    print(f"  all: by program {_rms(whole):.2f} K, by run {_rms(np.concatenate(repeats)):.2f} K\n")


def _rms(error: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(error**2)))


def _two_cores(board: Xu3, fit: ThermalFit, place: str) -> None:
    print("PARSEC on two cores (never seen by the fit): RMS, K, on the last two thirds")
    for sensor in board.two_cores.sensors:
        places = [place] if sensor == "CPU(4)" else list(fit.plan.nodes[4:])
        found = []
        for node in places:
            error = _log_error(board, fit, sensor, node)
            third = len(error) // 3
            found.append((_rms(error[:third]), _rms(error[third:]), node))
        first, rest, node = min(found)
        print(f"  {sensor:7} in {node}: {rest:.2f} (first third {first:.2f})")
    print()


def _log_error(board: Xu3, fit: ThermalFit, sensor: str, node: str) -> np.ndarray:
    """The error of one sensor of the log, were it in `node`, with cores 4 and 5 busy."""
    weights = np.array([float(name == node) for name in fit.plan.nodes])
    here = replace(fit.plan, sensors=(SensorModel("log", weights, 1.0, 0.0),), level={})
    run = board.two_cores.runs[0]
    column = board.two_cores.sensors.index(sensor)
    alone = replace(fit, plan=here, noise_k=np.array([0.3]))
    found = alone.residuals(replace(run, temp_c=run.temp_c[:, [column]]), first_steps=FIRST_STEPS)
    return np.asarray(found[:, 0])


def _parameters(fit: ThermalFit) -> None:
    print("parameters, fitted to everything but the log of two cores")
    for e in fit.estimates:
        how = "told by the data" if e.identified else "assumed (prior)" if e.kept else "assumed"
        print(f"  {e.name:28} {e.value:8.3f}   95 % {e.low:8.3f} to {e.high:8.3f}   {how}")
    print(f"  noise {fit.noise_k.round(2)} K; readings count less by {_shares(fit.inflation)}")
    print(f"  condition number {fit.condition:.2g}; converged: {fit.converged}")
    for line in notes(fit):
        print(f"  {line}")


def _shares(inflation: dict[str, float]) -> str:
    return ", ".join(f"{value:.1f} ({name})" for name, value in sorted(inflation.items()))


if __name__ == "__main__":
    main()
