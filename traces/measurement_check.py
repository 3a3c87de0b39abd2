"""Look into a file of measurements: is it sound, and what is in it? Row group by row group."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import Struct

from platforms.board import Board
from platforms.errors import InvalidInput
from traces.check import HIGHEST_TEMP_C, LOWEST_TEMP_C
from traces.measurements import KIND, Layout, batches, matrix
from traces.schema import KINDS, SCHEMA_VERSION, Dropped, MeasurementMetadata
from traces.store import METADATA_KEY, problems

_SAME_CLOCK = 0.01
_LIMITS = {
    "volt_v": (0.0, 2.0),
    "power_w": (-1.0, 200.0),
    "busy_cores": (0.0, 4096.0),
    "core_utilisation": (0.0, 1.0 + 1e-9),
    "temp_c": (LOWEST_TEMP_C, HIGHEST_TEMP_C),
}


class ClusterSummary(Struct, frozen=True):
    """What is known of a cluster: its frequencies, and the share of rows with power and so on."""

    name: str
    cores: int
    freqs_mhz: tuple[float, ...]
    known: dict[str, float]


class MeasurementsReport(Struct, frozen=True):
    """What `check_measurements` found; the figures are None where the file could not be read."""

    file: str
    problems: tuple[str, ...]
    board: str | None = None
    formats: tuple[str, ...] = ()
    rows: int | None = None
    runs: int | None = None
    applications: int | None = None
    duration_s: float | None = None
    lowest_temp_c: float | None = None
    highest_temp_c: float | None = None
    clusters: tuple[ClusterSummary, ...] = ()
    dropped: tuple[Dropped, ...] = ()


def holds_measurements(path: Path) -> bool:
    """Whether a file says that it is of this kind; False also where it cannot be read."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        document = msgspec.json.decode(metadata.get(METADATA_KEY, b"{}"))
    except (OSError, pa.ArrowException, msgspec.DecodeError):
        return False
    return isinstance(document, dict) and document.get("kind") == KIND


def check_measurements(path: Path, *, board: Board | None = None) -> MeasurementsReport:
    """Check a file of measurements, against `board` where one is given."""
    try:
        metadata = _metadata(path)
        summary = _Summary(metadata)
        for batch in batches(path):
            summary.add(batch)
    except (InvalidInput, OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0].removeprefix(f"{path}: ")
        return MeasurementsReport(str(path), (reason,))
    found = [*summary.problems, *_board_problems(metadata, summary, board)]
    return summary.report(path, found)


def _metadata(path: Path) -> MeasurementMetadata:
    document = msgspec.json.decode(pq.read_metadata(path).metadata[METADATA_KEY])
    schema = pq.read_schema(path)
    if document.get("schema") != SCHEMA_VERSION:
        raise InvalidInput(f"schema must be {SCHEMA_VERSION} (got {document.get('schema')})")
    for problem in problems(schema.empty_table(), document, KINDS[KIND], may_be_empty=True):
        raise InvalidInput(problem)
    return msgspec.convert(document, MeasurementMetadata)


class _Summary:
    """What is seen of the rows so far."""

    def __init__(self, metadata: MeasurementMetadata) -> None:
        self.metadata = metadata
        self.layout = Layout(metadata.clusters, metadata.cores, metadata.sensors)
        self.problems: list[str] = []
        self.freqs_hz: list[set[int]] = [set() for _ in metadata.clusters]
        self.known = {name: np.zeros(len(metadata.clusters)) for name in _PER_CLUSTER}
        self.rows, self.duration_s = 0, 0.0
        self.runs: set[str] = set()
        self.applications: set[str] = set()
        self.low_c, self.high_c = np.inf, -np.inf
        self._last: tuple[str, float] = ("", 0.0)

    def add(self, batch: pa.Table) -> None:
        """Look at some more rows; the first wrong value of each kind becomes a problem."""
        for column in KINDS[KIND].columns:
            if column.shape == "list":
                self._look_at_list(batch, column.name)
        if not self.problems:
            self._look_at_runs(batch)
        self.rows += batch.num_rows

    def _look_at_list(self, batch: pa.Table, column: str) -> None:
        lengths = pc.min_max(pc.list_value_length(batch[column])).as_py()
        expected = self.layout.length(column)
        if (lengths["min"], lengths["max"]) != (expected, expected):
            self.problems.append(f"{column} must have {expected} entries in every row")
            return
        values = matrix(batch, column)
        if column == "freq_hz":
            for own, distinct in zip(self.freqs_hz, map(np.unique, values.T), strict=True):
                own.update(int(hz) for hz in distinct if hz > 0)
            return
        low, high = _LIMITS[column]
        good = np.isnan(values) | ((values >= low) & (values <= high))
        if not good.all():
            row, entry = np.argwhere(~good)[0]
            self.problems.append(
                f"{column} must lie in {low:g} ... {high:g} (got {values[row, entry]:g} in row "
                f"{self.rows + row})"
            )
        if column in self.known:
            self.known[column] += (~np.isnan(values)).sum(axis=0)
        if column == "temp_c" and values.size and not np.isnan(values).all():
            self.low_c = min(self.low_c, float(np.nanmin(values)))
            self.high_c = max(self.high_c, float(np.nanmax(values)))

    def _look_at_runs(self, batch: pa.Table) -> None:
        runs = batch["run"].combine_chunks().dictionary_encode()
        index, names = runs.indices.to_numpy(), runs.dictionary.to_pylist()
        time_s, window_s = batch["time_s"].to_numpy(), batch["window_s"].to_numpy()
        starts = [0, *(np.flatnonzero(np.diff(index)) + 1).tolist()]
        for low in starts:
            name = names[index[low]]
            if name in self.runs and name != self._last[0]:
                self.problems.append(f"rows of run {name!r} must stand together")
            self.runs.add(name)
            self._last = (name, 0.0)
        falls = (np.diff(time_s) < 0) & (np.diff(index) == 0)
        if falls.any():
            row = self.rows + int(np.argmax(falls)) + 1
            self.problems.append(f"time_s must not fall within a run (got a fall in row {row})")
        if (window_s < 0).any():
            row = self.rows + int(np.argmax(window_s < 0))
            self.problems.append(f"window_s must not be negative (got one in row {row})")
        self.duration_s += float(window_s.sum())
        self.applications.update(pc.unique(batch["application"]).to_pylist())

    def report(self, path: Path, found: list[str]) -> MeasurementsReport:
        """All that was seen."""
        has_temp = self.high_c >= self.low_c
        return MeasurementsReport(
            file=str(path),
            problems=tuple(dict.fromkeys(found)),
            board=self.metadata.board,
            formats=tuple(dict.fromkeys(one.format for one in self.metadata.source)),
            rows=self.rows,
            runs=len(self.runs),
            applications=len(self.applications),
            duration_s=self.duration_s,
            lowest_temp_c=self.low_c if has_temp else None,
            highest_temp_c=self.high_c if has_temp else None,
            clusters=tuple(self._clusters()),
            dropped=self.metadata.dropped,
        )

    def _clusters(self) -> Iterator[ClusterSummary]:
        for number, name in enumerate(self.metadata.clusters):
            shares = {column: float(self.known[column][number]) for column in _PER_CLUSTER}
            yield ClusterSummary(
                name=name,
                cores=len(self.metadata.cores[number]),
                freqs_mhz=tuple(hz / 1e6 for hz in sorted(self.freqs_hz[number])),
                known={c: round(count / max(self.rows, 1), 4) for c, count in shares.items()},
            )


_PER_CLUSTER = ("power_w", "volt_v", "busy_cores")


def _board_problems(
    metadata: MeasurementMetadata, summary: _Summary, board: Board | None
) -> Iterator[str]:
    if board is None:
        return
    if metadata.board != board.name:
        yield f"board must be {board.name!r} (got {metadata.board!r})"
    if len(metadata.clusters) != len(board.clusters):
        yield f"clusters must be {len(board.clusters)} (got {', '.join(metadata.clusters)})"
        return
    for cluster, found in zip(board.clusters, summary.freqs_hz, strict=True):
        known = np.array(cluster.freqs_hz, float)
        for hz in sorted(found):
            if np.min(np.abs(known / hz - 1)) > _SAME_CLOCK:
                yield f"freq_hz of {cluster.name} must be the board's (got {hz / 1e6:g} MHz)"
                break
