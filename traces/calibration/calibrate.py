"""From files of measurements and a skeleton to a calibrated board, with all that it rests on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from platforms.application import ApplicationProfile
from platforms.application_file import shipped_applications
from platforms.board import Board, CoolingSetup, Thermal
from platforms.errors import InvalidInput
from traces.calibration.cluster_study import ClusterStudy, run_means, study_cluster
from traces.calibration.cluster_values import board_leakage, calibrated_cluster
from traces.calibration.heat_study import HeatStudy, study_heat, with_coolings
from traces.calibration.input_file import InputFile
from traces.calibration.profiles import AssumedSpeed, profiles
from traces.calibration.steady_fit import SteadyFit, fit_steady
from traces.calibration.steady_plan import steady_plan
from traces.calibration.steady_rows import steady_rows
from traces.calibration.steady_values import fitted_board, with_activities
from traces.calibration.steady_values import notes as steady_notes
from traces.calibration.thermal_section import suggest_thermal_section
from traces.schema import MeasurementMetadata

STEPS = ("clusters", "heat", "board")
"""What `calibrate` does, in order; heat takes longest."""


@dataclass(frozen=True)
class Calibration:
    """A calibrated board with the fits behind it.

    `left_out` says which programs have no profile and why, `notes` what a reader of the board has
    to know. `steady` is there where power was fitted to temperatures; `heat` is not, then.
    """

    board: Board
    skeleton: Board
    applications: tuple[ApplicationProfile, ...]
    left_out: tuple[str, ...]
    clusters: tuple[ClusterStudy, ...]
    heat: HeatStudy | None
    notes: tuple[str, ...]
    steady: SteadyFit | None = None


def calibrate(
    files: Sequence[InputFile],
    skeleton: Board,
    *,
    data: str,
    cluster_sensors: Mapping[str, Sequence[str]] | None = None,
    assumed: Sequence[AssumedSpeed] = (),
    ambient_c: float | None = None,
    suite: str = "measured",
    seed: int = 0,
    power_from_heat: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> Calibration:
    """Fit what `files` tell, and keep the skeleton's values for the rest.

    Speed and power come from the files of run means, where there are any, else from the runs'
    means; heat from all. `data` names the measurements in sources. `cluster_sensors` names the
    sensors of a cluster, by default those of the board that sit in its cores. `on_step` hears each
    of `STEPS` as it begins. With `power_from_heat` powers are fitted to the temperatures of traces,
    together with the network. Raises InvalidInput where the files tell nothing at all.
    """
    rng = np.random.default_rng(seed)
    table, metadata = _means(files)
    on_step("clusters")
    studies = tuple(
        study_cluster(
            table,
            index,
            skeleton,
            _columns(metadata, own_sensors(skeleton, index, files, cluster_sensors)),
            data=data,
            rng=rng,
        )
        for index in range(len(skeleton.clusters))
    )
    board = with_coolings(skeleton, [file.cooling for file in files], ambient_c)
    board, notes = _with_power(board, studies, data)
    shipped = shipped_applications()
    made, left_out = profiles(
        studies, board, suite=suite, data=data, assumed=assumed, known=shipped
    )
    on_step("heat")
    if power_from_heat:
        steady = study_steady(
            files, board, _completed(made, shipped), ambient_known=ambient_c is not None, rng=rng
        )
        on_step("board")
        made = with_activities(made, steady, data=data)
        board = fitted_board(steady, board, data=data)
        told = steady_notes(steady)
        return Calibration(board, skeleton, made, left_out, studies, None, told, steady)
    heat = study_heat(
        files, board, profiles=_completed(made, shipped), ambient_known=ambient_c is not None
    )
    if heat is None and not any(study.power or study.speeds.programs for study in studies):
        raise InvalidInput(
            "MEASUREMENTS must tell speed at three clocks, power or temperature (got none of them)"
        )
    on_step("board")
    board, more = _with_heat(board, heat, data)
    return Calibration(board, skeleton, made, left_out, studies, heat, (*notes, *more))


def study_steady(
    files: Sequence[InputFile],
    board: Board,
    profiles: Mapping[str, ApplicationProfile],
    *,
    ambient_known: bool,
    rng: np.random.Generator,
) -> SteadyFit:
    """Fit powers and network to the steady temperatures of traces, which must be all there is.

    Raises InvalidInput for other measurements.
    """
    recorded = [
        (file.recorded[0], replace(file.recorded[1], cooling=file.cooling))
        for file in files
        if file.recorded
    ]
    if len(recorded) < len(files):
        other = next(file.path for file in files if not file.recorded)
        raise InvalidInput(
            f"--power heat needs traces of 'ilgov trace record' (got {other}, which are "
            "measurements); leave it out"
        )
    rows = steady_rows(recorded, board, profiles)
    return fit_steady(steady_plan(board, rows, ambient_known=ambient_known), rows, rng)


def _completed(
    made: Sequence[ApplicationProfile], shipped: Mapping[str, ApplicationProfile]
) -> dict[str, ApplicationProfile]:
    """The fitted profiles; core types and programs that were not fitted as they are shipped."""
    found = dict(shipped)
    for one in made:
        usual = shipped[one.name].core_profiles if one.name in shipped else {}
        found[one.name] = replace(one, core_profiles=usual | one.core_profiles)
    return found


def _with_power(
    board: Board, studies: Sequence[ClusterStudy], data: str
) -> tuple[Board, list[str]]:
    fitted = [study.power for study in studies if study.power]
    board = replace(board, leakage=board_leakage(board.leakage, [p.growth for p in fitted], data))
    clusters = tuple(
        calibrated_cluster(cluster, board, study.power) if study.power else cluster
        for cluster, study in zip(board.clusters, studies, strict=True)
    )
    notes = [
        f"cluster {study.name}: power is the skeleton's, because {study.why_no_power}"
        for study in studies
        if not study.power
    ]
    return replace(board, clusters=clusters), notes


def _with_heat(board: Board, heat: HeatStudy | None, data: str) -> tuple[Board, list[str]]:
    notes: list[str] = []
    if heat is None:
        notes.append("heat is the skeleton's: no file tells power and temperature together")
        return board, notes
    section = suggest_thermal_section(heat.fit, board, data=data)
    board = replace(
        board,
        thermal=_rounded_thermal(section.thermal),
        cooling=(*map(_rounded_cooling, section.cooling), *_kept(board, section.cooling, notes)),
    )
    return board, [*notes, *section.notes]


def _kept(
    board: Board, fitted: Sequence[CoolingSetup], notes: list[str]
) -> tuple[CoolingSetup, ...]:
    """The skeleton's cooling setups that nobody measured; what follows another one is dropped."""
    names = {setup.name for setup in fitted}
    kept = tuple(setup for setup in board.cooling if setup.name not in names and not setup.then)
    if kept:
        listed = ", ".join(setup.name for setup in kept)
        notes.append(f"cooling {listed}: as the skeleton has it, nobody measured under it")
    return kept


def _rounded_thermal(thermal: Thermal) -> Thermal:
    nodes = tuple(
        replace(node, capacity_j_per_k=_rounded(node.capacity_j_per_k)) for node in thermal.nodes
    )
    links = tuple(
        replace(link, conductance_w_per_k=_rounded(link.conductance_w_per_k))
        for link in thermal.links
    )
    return replace(thermal, nodes=nodes, links=links)


def _rounded_cooling(setup: CoolingSetup) -> CoolingSetup:
    way = _rounded(setup.conductance_w_per_k)
    return replace(setup, conductance_w_per_k=way, ambient_c=_rounded(setup.ambient_c))


def _rounded(value: float) -> float:
    """To four digits: more would only look exact."""
    return float(f"{value:.4g}")


def own_sensors(
    board: Board,
    index: int,
    files: Sequence[InputFile],
    named: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """The sensors of a cluster: those that are named for it, or that sit in its cores only.

    Raises InvalidInput for a named one that no file has.
    """
    cluster = board.clusters[index]
    given = (named or {}).get(cluster.name)
    if given is not None:
        known = {name for file in files for name in file.metadata.sensors}
        for name in given:
            if name not in known:
                raise InvalidInput(
                    f"--cluster-sensor must name sensors of the measurements, "
                    f"{', '.join(sorted(known))} (got {name!r})"
                )
        return list(given)
    nodes = {node.name for node in board.thermal.nodes if node.core in cluster.cores}
    return [sensor.name for sensor in board.sensors if set(sensor.weights) <= nodes]


def _columns(metadata: MeasurementMetadata, names: Sequence[str]) -> list[int]:
    return [metadata.sensors.index(name) for name in names if name in metadata.sensors]


def _means(files: Sequence[InputFile]) -> tuple[pa.Table, MeasurementMetadata]:
    """The run means of the files that have them, else those of the first file of samples."""
    averaged = [file for file in files if file.metadata.averaged]
    if not averaged:
        return run_means(files[0].table), files[0].metadata
    first = averaged[0]
    same = [f for f in averaged if f.metadata.sensors == first.metadata.sensors]
    if len(same) < len(averaged) or len({tuple(f.table.column_names) for f in same}) > 1:
        raise InvalidInput(
            f"{averaged[-1].path}: must have the sensors and counters of {first.path}, because "
            "both are run means (calibrate each by itself, or import them together)"
        )
    return pa.concat_tables([file.table for file in same]), first.metadata
