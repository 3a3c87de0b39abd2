"""The recorder's traces as calibration takes them: how fast programs ran, and where.

A trace has no power. It tells speeds, which become rows of measurements here, and temperatures,
which the thermal fit takes with the power that the board's model says (`thermal_traces`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from platforms.board import Board
from platforms.errors import InvalidInput
from traces.measurements import Layout, list_array, measurement_schema
from traces.schema import MeasurementMetadata, Source, TraceMetadata, board_digest
from traces.store import read_table

KIND = "traces"


def read_recorded(path: Path) -> tuple[pa.Table, TraceMetadata]:
    """The rows of a file of traces; raises InvalidInput where `path` holds none."""
    table, document = read_table(path, kind=KIND)
    return table, msgspec.convert(document, TraceMetadata)


def as_measurements(
    path: Path, table: pa.Table, metadata: TraceMetadata, board: Board
) -> tuple[pa.Table, MeasurementMetadata]:
    """Speeds as rows of measurements, one a program and run that was not throttled.

    A program that ran in the background only counts there. Raises InvalidInput for traces of a
    board with other clusters, and for none that count.
    """
    names = tuple(cluster.name for cluster in board.clusters)
    cores = tuple(tuple(cluster.cores) for cluster in board.clusters)
    rows = [row for row in table.to_pylist() if not row["throttled"]]
    if not rows:
        raise InvalidInput(f"{path}: must hold runs that were not throttled (got none)")
    if len(rows[0]["freq_hz"]) != len(names) or len(rows[0]["core_utilisation"]) != len(
        board.cluster_of_core
    ):
        raise InvalidInput(
            f"{path}: must be traces of {board.name}'s {len(names)} clusters and "
            f"{board.core_count} cores (got {len(rows[0]['freq_hz'])} and "
            f"{len(rows[0]['core_utilisation'])}); is it the right --board?"
        )
    known = {row["application"] for row in rows}
    entries = [entry for row in rows for entry in _programs(row, known, board)]
    layout = Layout(names, cores, (metadata.sensor,))
    described = MeasurementMetadata(
        board=metadata.board,
        clusters=names,
        cores=cores,
        sensors=layout.sensors,
        source=(Source(format="traces", file=path.name, sha256=""),),
        averaged=True,
        power_of="nothing",
        cooling=metadata.cooling,
        simulated=metadata.board_sha256 == board_digest(board),
    )
    return _table(entries, layout), described


def _programs(row: dict[str, Any], known: set[str], board: Board) -> Iterator[dict[str, Any]]:
    """What ran in a run: the application of interest, and others that never are one."""
    yield _entry(row, row["application"], row["application_core"], row["rate_ips"], board) | {
        "l2d_per_s": row["l2d_per_s"]
    }
    others = zip(
        row["background"], row["background_cores"], row["background_rate_ips"], strict=True
    )
    for name, core, rate_ips in others:
        if name not in known:
            yield _entry(row, name, core, rate_ips, board)


def _entry(
    row: dict[str, Any], name: str, core: int, rate_ips: float, board: Board
) -> dict[str, Any]:
    cluster = board.cluster_of_core[core]
    return {
        "application": name,
        "window_s": row["window_s"],
        "cluster": cluster,
        "freq_hz": row["freq_hz"],
        "core_utilisation": row["core_utilisation"],
        "temp_c": [row["temp_c"]],
        "cycles_per_s": row["freq_hz"][cluster] * row["core_utilisation"][core],
        "instructions_per_s": rate_ips,
        "l2d_per_s": float("nan"),
    }


def _table(entries: list[dict[str, Any]], layout: Layout) -> pa.Table:
    count = len(entries)
    schema = measurement_schema()
    unknown = np.full((count, len(layout.clusters)), np.nan)
    columns: dict[str, Any] = {
        "run": [str(number) for number in range(count)],
        "repeat": [0] * count,
        "time_s": [0.0] * count,
        "instances": [1] * count,
        "work_per_s": [float("nan")] * count,
    }
    for name in ("volt_v", "power_w", "busy_cores"):
        columns[name] = list_array(unknown)
    for name in ("freq_hz", "core_utilisation", "temp_c"):
        columns[name] = list_array(np.array([entry[name] for entry in entries]))
    for name in schema.names:
        columns.setdefault(name, [entry[name] for entry in entries if name in entry])
    arrays = [
        columns[field.name].cast(field.type)
        if isinstance(columns[field.name], pa.Array)
        else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)
