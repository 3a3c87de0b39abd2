"""Put together the board that this machine is, as the configuration describes it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.linux.applications.application_reader import ApplicationReader
from platforms.linux.clocks.actuators import Actuator
from platforms.linux.clocks.frequency_domain import find_domains
from platforms.linux.clocks.steered_accelerators import SteeredAccelerators
from platforms.linux.clocks.steered_clusters import Interference, SteeredClusters, actuators_for
from platforms.linux.confinement.confinement import Confinement
from platforms.linux.core_time import CoreTime
from platforms.linux.counters.counters import open_counters
from platforms.linux.knobs.journal import Journal
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.system_calls import calls_for
from platforms.linux.linux_board import LinuxBoard, Machine
from platforms.linux.managed import ManagedProcess, TrainingProcess
from platforms.linux.online_cores import OnlineCores
from platforms.linux.processes.cpusets import Cpusets
from platforms.linux.processes.processes import ProcessTable
from platforms.linux.processes.seating import Seating, no_cpuset
from platforms.linux.thermal_zones import ThermalZones, find_zones, zone_for
from platforms.platform import Clock, TrainingReading
from rm.daemon.configuration.settings import Configuration

BELOW_CRITICAL_K = 5.0
"""The failsafe acts this far below the temperature at which the kernel switches the board off."""

ABOVE_PROTECTION_K = 5.0
"""Where the kernel names no critical temperature: so far above that at which it throttles, which
means that its own protection does not hold."""

USUAL_CRITICAL_C = 90.0
"""Where neither is known (assumed: most boards throttle at 85 degC)."""


@dataclass(frozen=True)
class OpenedBoard:
    """The board and what the daemon asks besides: its processes, its writer, its sensors' files."""

    platform: LinuxBoard
    clusters: SteeredClusters
    seating: Seating
    confinement: Confinement | None
    reader: ApplicationReader
    writer: KnobWriter
    features: tuple[str, ...]

    def close(self) -> None:
        """Close every file; nothing is restored."""
        self.reader.close()
        self.writer.close()


def open_board(
    board: Board,
    configuration: Configuration,
    *,
    root: Path,
    journal: Journal | None,
    clock: Clock,
    table: ProcessTable,
    applications: Callable[[], Sequence[ManagedProcess]],
    on_interference: Interference,
    training: Callable[[float], Sequence[TrainingReading]] = lambda _now_s: (),
    training_processes: Callable[[], Sequence[TrainingProcess]] = lambda: (),
) -> OpenedBoard:
    """The machine at `root`; without a `journal` it is only looked at (dry run).

    `training` is what the training jobs say at a time, `training_processes` who is held to their
    grants. Raises InvalidInput where it is not the board that the configuration names.
    """
    calls = calls_for(root)
    writer = KnobWriter(root, journal, calls, dry_run=journal is None)
    actuators = actuators_for(board, find_domains(root), configuration.actuator)
    clusters = SteeredClusters(board, actuators, writer, on_interference=on_interference)
    counters = open_counters(root)
    cores = tuple(cluster.cores for cluster in board.clusters)
    reader = ApplicationReader(root, counters, clock, clusters=cores, table=table, calls=calls)
    own_cpuset = Cpusets(root).own_knob if configuration.placement == "cpuset" else no_cpuset
    seating = Seating(board, writer, calls, reader.threads_of, own_cpuset=own_cpuset)
    machine = Machine(
        clusters=clusters,
        seating=seating,
        zones=ThermalZones(root, sensor_zones(board, configuration)),
        online=OnlineCores(root),
        core_time=CoreTime(root, cores=board.core_count),
        reader=reader,
        writer=writer,
        accelerators=SteeredAccelerators(
            root, board, writer, kind=configuration.actuator, on_interference=on_interference
        ),
    )
    confinement = None
    kind = configuration.training.enforcement
    if kind != "none" and journal is not None:
        confinement = Confinement(root, writer, calls, kind=kind, table=table)
    platform = LinuxBoard(
        board,
        machine,
        clock,
        applications=applications,
        training=training,
        training_processes=training_processes,
        confinement=confinement,
    )
    features = _features(counters.reason, actuators, configuration)
    return OpenedBoard(platform, clusters, seating, confinement, reader, writer, features)


def sensor_zones(board: Board, configuration: Configuration) -> dict[str, str]:
    """The thermal zone of every sensor of the board; InvalidInput for a sensor that it has not."""
    known = [sensor.name for sensor in board.sensors]
    for name in configuration.sensors:
        if name not in known:
            raise InvalidInput(
                f"sensors.{name} must be a sensor of board {board.name}, one of "
                f"{', '.join(known)} (got {name!r})"
            )
    return {name: configuration.sensors.get(name, name) for name in known}


def critical_c(board: Board, configuration: Configuration, root: Path) -> float:
    """Where the failsafe begins, degC: as configured, else below what the kernel calls critical."""
    if configuration.safety.critical_c is not None:
        return configuration.safety.critical_c
    zones = find_zones(root)
    named = (zone_for(zones, name) for name in sensor_zones(board, configuration).values())
    trips = [
        trip.temp_c
        for zone in named
        if zone is not None
        for trip in zone.trips
        if trip.kind in ("hot", "critical")
    ]
    if trips:
        return min(trips) - BELOW_CRITICAL_K
    if board.protection is not None:
        return board.protection.target_c + ABOVE_PROTECTION_K
    return USUAL_CRITICAL_C


def _features(
    without_counters: str | None, actuators: Sequence[Actuator], configuration: Configuration
) -> tuple[str, ...]:
    """What the governor has to work with here, in words, for status and log."""
    measured = "heartbeats" if without_counters else "counters"
    return (
        f"rates by {measured}",
        f"clocks by {configuration.actuator}",
        f"placement by {configuration.placement}",
        f"{len(actuators)} frequency domains",
    )
