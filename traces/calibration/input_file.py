"""A file of measurements as calibration takes it: its rows, and what its rows do not say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from platforms.board import Board
from platforms.errors import InvalidInput
from traces.calibration.recorded_runs import KIND as TRACES
from traces.calibration.recorded_runs import as_measurements, read_recorded
from traces.measurements import matrix, read_measurements
from traces.schema import MeasurementMetadata, TraceMetadata
from traces.store import METADATA_KEY


@dataclass(frozen=True)
class InputFile:
    """Measurements with the cooling setup they were taken under.

    `busy_cores` are those that programs ran on where rows do not say (none: all of the cluster's).
    `places` says of sensors that the board does not have which of its sensors sits there too.
    `recorded` are the recorder's own rows where the file holds traces; `table` then has the speeds.
    """

    path: Path
    table: pa.Table
    metadata: MeasurementMetadata
    cooling: str
    busy_cores: tuple[int, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    recorded: tuple[pa.Table, TraceMetadata] | None = None

    @property
    def power_w(self) -> NDArray[np.float64]:
        """Rows by clusters."""
        return matrix(self.table, "power_w")

    @property
    def origin(self) -> tuple[str, ...]:
        """What the rows come from: files with their formats, or the recording."""
        found = tuple(f"{one.file} ({one.format})" for one in self.metadata.source)
        return found or (self.path.name,)

    def sensors_on(self, board: Board) -> list[str]:
        """The file's sensors that are the board's, or sit where one of the board's does."""
        known = {sensor.name for sensor in board.sensors}
        return [name for name in self.metadata.sensors if self.places.get(name, name) in known]


def read_input(text: str, board: Board, *, places: Mapping[str, str] | None = None) -> InputFile:
    """The file that ``PATH[:cooling=NAME][:cores=4+5]`` names, which must be of the board's kind.

    Raises InvalidInput for a wrong text, for a file of other clusters, cores or clocks.
    """
    path, options = _parsed(text)
    recorded = None
    if kind_of(path) == TRACES:
        recorded = read_recorded(path)
        table, metadata = as_measurements(path, *recorded, board)
    else:
        table, metadata = read_measurements(path)
    check_fits(path, table, metadata, board)
    cooling = options.get("cooling") or metadata.cooling or board.cooling[0].name
    cores = _cores(text, options, board)
    return InputFile(path, table, metadata, cooling, cores, places or {}, recorded)


def kind_of(path: Path) -> str | None:
    """The kind that a Parquet file says it is of; None where it cannot be read or says none."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        document = msgspec.json.decode(metadata.get(METADATA_KEY, b"{}"))
    except (OSError, pa.ArrowException, msgspec.DecodeError):
        return None
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def _parsed(text: str) -> tuple[Path, dict[str, str]]:
    name, *parts = text.split(":")
    options = {}
    for part in parts:
        key, _, value = part.partition("=")
        if key not in ("cooling", "cores") or not value:
            raise InvalidInput(
                f"MEASUREMENTS must be like runs.parquet:cooling=fan:cores=4+5 (got {text!r})"
            )
        options[key] = value
    return Path(name), options


def _cores(text: str, options: Mapping[str, str], board: Board) -> tuple[int, ...]:
    given = options.get("cores", "")
    cores = [part for part in given.split("+") if part]
    if not all(part.isdecimal() and int(part) < board.core_count for part in cores):
        raise InvalidInput(
            f"cores must be of the board's 0 to {board.core_count - 1}, like 4+5 (got {text!r})"
        )
    return tuple(map(int, cores))


def check_fits(path: Path, table: pa.Table, metadata: MeasurementMetadata, board: Board) -> None:
    """Raise InvalidInput where the measurements are of another board than `board`."""
    names = tuple(cluster.name for cluster in board.clusters)
    cores = tuple(tuple(cluster.cores) for cluster in board.clusters)
    if metadata.clusters != names or metadata.cores != cores:
        raise InvalidInput(
            f"{path}: must be measurements of {board.name}'s clusters {_listed(names, cores)} (got "
            f"{_listed(metadata.clusters, metadata.cores)}); import them with --board or --clusters"
        )
    clocks_hz = matrix(table, "freq_hz")
    for index, cluster in enumerate(board.clusters):
        known = np.array(cluster.freqs_hz, float)
        seen = np.unique(clocks_hz[:, index])
        for clock_hz in seen[seen > 0]:
            if np.abs(known / clock_hz - 1.0).min() > 0.01:
                raise InvalidInput(
                    f"{path}: freq_hz of {cluster.name} must be one of {board.name}'s "
                    f"{len(known)} frequencies, {known[0] / 1e6:g} to {known[-1] / 1e6:g} MHz (got "
                    f"{clock_hz / 1e6:g} MHz); is it the right --board?"
                )


def _listed(names: Sequence[str], cores: Sequence[Sequence[int]]) -> str:
    pairs = zip(names, cores, strict=True)
    return ", ".join(
        f"{name} ({' '.join(map(str, own)) or 'cores unknown'})" for name, own in pairs
    )
