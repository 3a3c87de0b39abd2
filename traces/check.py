"""Look into a user's traces: are they whole, possible, and of the board that is meant?"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from platforms.board import Board
from platforms.errors import InvalidInput
from traces.schema import TraceMetadata, board_digest
from traces.store import read_table

LOWEST_TEMP_C = -40.0
"""No sensor on a running board shows less ..."""
HIGHEST_TEMP_C = 150.0
"""... or more."""

_ROUNDING = 1e-9


class TracesReport(Struct, frozen=True):
    """What `check_traces` found in a file; the figures are None where it could not be read.

    `problems` say ``what requirement (got value)``. `throttled` counts the runs that are no
    measurement; `lowest_temp_c` and `highest_temp_c` are over the others.
    """

    file: str
    problems: tuple[str, ...]
    board: str | None = None
    cooling: str | None = None
    runs: int | None = None
    throttled: int | None = None
    applications: int | None = None
    lowest_temp_c: float | None = None
    highest_temp_c: float | None = None


def check_traces(path: Path, *, board: Board | None = None) -> TracesReport:
    """Check a file of traces, against `board` where one is given."""
    try:
        table, document = read_table(path, kind="traces")
    except InvalidInput as error:
        return TracesReport(str(path), (str(error).removeprefix(f"{path}: "),))
    metadata = msgspec.convert(document, TraceMetadata)
    return _report(path, table, metadata, problems(table, document, board=board))


def problems(
    table: pa.Table, document: Mapping[str, Any], *, board: Board | None = None
) -> list[str]:
    """What is wrong with traces that were read, against `board` where one is given."""
    metadata = msgspec.convert(document, TraceMetadata)
    found = [*_board_problems(metadata, board), *_length_problems(table, metadata, board)]
    if not found:
        found += _number_problems(table, metadata)
    return [*found, *_measurement_problems(table)]


def _report(path: Path, table: pa.Table, metadata: TraceMetadata, found: list[str]) -> TracesReport:
    measured = table.filter(pc.invert(table["throttled"]))
    temps = pc.min_max(measured["temp_c"]).as_py()
    return TracesReport(
        file=str(path),
        problems=tuple(found),
        board=metadata.board,
        cooling=metadata.cooling,
        runs=table.num_rows,
        throttled=table.num_rows - measured.num_rows,
        applications=pc.count_distinct(table["application"]).as_py(),
        lowest_temp_c=temps["min"],
        highest_temp_c=temps["max"],
    )


def _board_problems(metadata: TraceMetadata, board: Board | None) -> Iterator[str]:
    if board is None:
        return
    if metadata.board != board.name:
        yield f"board must be {board.name!r} (got {metadata.board!r})"
    elif metadata.board_sha256 != board_digest(board):
        yield (
            f"board_sha256 must be that of {board.name!r} as it is described now "
            f"(got {metadata.board_sha256[:12]!r}); record again, or give the board file used then"
        )


def _length_problems(
    table: pa.Table, metadata: TraceMetadata, board: Board | None
) -> Iterator[str]:
    """Lists that are shorter or longer than what they run over."""
    clusters = len(metadata.opps_hz)
    cores = board.core_count if board else len(table["core_utilisation"][0])
    background = _lengths(table, "background")
    for column, each, expected in (
        ("opp_index", "cluster", clusters),
        ("freq_hz", "cluster", clusters),
        ("core_utilisation", "core", cores),
        ("background_cores", "background application", background),
        ("background_rate_ips", "background application", background),
    ):
        lengths = _lengths(table, column)
        requirement = f"have one entry per {each}"
        yield from _wrong(column, requirement, np.asarray(lengths == expected), table[column])


def _number_problems(table: pa.Table, metadata: TraceMetadata) -> Iterator[str]:
    """Cores and operating points that the board does not have."""
    cores = len(table["core_utilisation"][0])
    for column in ("application_core", "background_cores"):
        values, rows = _entries(table, column)
        is_core = (values >= 0) & (values < cores)
        yield from _wrong(column, f"be a core, 0 to {cores - 1}", is_core, values, rows)
    counts = np.array([len(opps) for opps in metadata.opps_hz])
    index = _matrix(table, "opp_index", len(counts))
    is_opp: np.ndarray = np.all((index >= 0) & (index < counts), axis=1)
    requirement = f"be operating points of the clusters, which have {counts.tolist()}"
    yield from _wrong("opp_index", requirement, is_opp, index)
    if is_opp.all():
        freq_hz = _matrix(table, "freq_hz", len(counts))
        expected_hz = [np.array(opps)[index[:, i]] for i, opps in enumerate(metadata.opps_hz)]
        fits: np.ndarray = np.all(freq_hz == np.stack(expected_hz, axis=1), axis=1)
        yield from _wrong("freq_hz", "be the frequencies of opp_index", fits, freq_hz)


_Test = Callable[[np.ndarray], np.ndarray]

_POSSIBLE: tuple[tuple[str, str, _Test], ...] = (
    ("rate_ips", "be positive", lambda v: v > 0),
    ("l2d_per_s", "not be negative", lambda v: v >= 0),
    ("background_rate_ips", "be positive", lambda v: v > 0),
    (
        "core_utilisation",
        "lie in 0 ... 1",
        lambda v: (v >= -_ROUNDING) & (v <= 1 + _ROUNDING),
    ),
    (
        "temp_c",
        f"lie in {LOWEST_TEMP_C:g} ... {HIGHEST_TEMP_C:g} °C",
        lambda v: (v >= LOWEST_TEMP_C) & (v <= HIGHEST_TEMP_C),
    ),
    ("temp_samples", "be at least 1", lambda v: v >= 1),
    ("window_s", "be positive", lambda v: v > 0),
)


def _measurement_problems(table: pa.Table) -> Iterator[str]:
    """Readings that cannot be; a throttled run is no measurement and may hold anything."""
    throttled = table["throttled"].to_numpy()
    if throttled.all():
        yield "throttled must be false for at least one run (got true in every row)"
    for column, requirement, test in _POSSIBLE:
        values, rows = _entries(table, column)
        yield from _wrong(column, requirement, test(values) | throttled[rows], values, rows)


def _wrong(
    column: str, requirement: str, good: np.ndarray, values: Any, rows: np.ndarray | None = None
) -> Iterator[str]:
    """One problem for all that is not `good`, with the first value and its row."""
    found = np.flatnonzero(~good)
    if found.size:
        first = int(found[0])
        got = _shown(values[first])
        row = first if rows is None else rows[first]
        more = f", {found.size} times in all" if found.size > 1 else ""
        yield f"{column} must {requirement} (got {got} in row {row}{more})"


def _shown(value: Any) -> Any:
    if isinstance(value, pa.Scalar):
        return value.as_py()
    return value.tolist() if isinstance(value, np.ndarray) else value


def _lengths(table: pa.Table, column: str) -> np.ndarray:
    lengths: np.ndarray = pc.list_value_length(table[column]).to_numpy()
    return lengths


def _entries(table: pa.Table, column: str) -> tuple[np.ndarray, np.ndarray]:
    """All values of a column, lists laid end to end, and the row of each."""
    data = table[column].combine_chunks()
    if not pa.types.is_list(data.type):
        return data.to_numpy(), np.arange(len(data))
    return pc.list_flatten(data).to_numpy(), pc.list_parent_indices(data).to_numpy()


def _matrix(table: pa.Table, column: str, width: int) -> np.ndarray:
    return _entries(table, column)[0].reshape(-1, width)
