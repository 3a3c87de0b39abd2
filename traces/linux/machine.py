"""This machine as a recorder needs it: put together, taken, and given back whatever happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.linux.applications.application_reader import ApplicationReader
from platforms.linux.clocks.frequency_domain import find_domains
from platforms.linux.clocks.steered_clusters import SteeredClusters, actuators_for
from platforms.linux.core_time import CoreTime
from platforms.linux.counters.counters import open_counters
from platforms.linux.knobs.journal import Journal
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.system_calls import calls_for
from platforms.linux.linux_board import LinuxBoard, Machine
from platforms.linux.managed import ManagedProcess
from platforms.linux.online_cores import OnlineCores
from platforms.linux.processes.processes import ProcessTable
from platforms.linux.processes.seating import Seating
from platforms.linux.thermal_zones import ThermalZones
from platforms.platform import Clock


@dataclass(frozen=True)
class Steered:
    """The board, and those of its parts that a recorder uses itself.

    `managed` are the programs of the scenario that is recorded now.
    """

    board: LinuxBoard
    clusters: SteeredClusters
    seating: Seating
    table: ProcessTable
    managed: list[ManagedProcess] = field(default_factory=list)


@contextmanager
def opened(
    board: Board, *, root: Path, journal: Journal, clock: Clock, actuator: str
) -> Iterator[Steered]:
    """The machine at `root` with its clocks taken; every knob is given back when the block ends.

    Raises InvalidInput where the machine is not this board, or lacks what a recording needs:
    counters, and the board's first sensor.
    """
    calls = calls_for(root)
    writer = KnobWriter(root, journal, calls)
    clusters = SteeredClusters(board, actuators_for(board, find_domains(root), actuator), writer)
    counters = open_counters(root)
    if counters.reason is not None:
        raise InvalidInput(
            f"counters must be there: a recording measures instructions (got: {counters.reason})"
        )
    zones = ThermalZones(root, {sensor.name: sensor.name for sensor in board.sensors})
    zones.read(clock.now_s())
    first = board.sensors[0].name
    if first in zones.missing():
        raise InvalidInput(
            f"sensor {first} of board {board.name} must be a thermal zone of this machine "
            "(got none of that type); see 'ilgov board probe'"
        )
    table = ProcessTable(root)
    cores = tuple(cluster.cores for cluster in board.clusters)
    reader = ApplicationReader(root, counters, clock, clusters=cores, table=table, calls=calls)
    seating = Seating(board, writer, calls, reader.threads_of)
    machine = Machine(
        clusters=clusters,
        seating=seating,
        zones=zones,
        online=OnlineCores(root),
        core_time=CoreTime(root, cores=board.core_count),
        reader=reader,
        writer=writer,
    )
    managed: list[ManagedProcess] = []
    platform = LinuxBoard(board, machine, clock, applications=lambda: managed)
    try:
        platform.take()
        yield Steered(platform, clusters, seating, table, managed)
    finally:
        platform.release()
        reader.close()
        writer.close()
        zones.close()
