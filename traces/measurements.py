"""Measurements of a machine: one table between importers, recorders and calibration.

A file of kind ``measurements`` holds runs of programs on one machine. One row is one interval of
one run; rows of a run stand together, in the order of time. Unknown floats are NaN, also inside
lists; no other float is infinite. Every list has one entry per cluster, core or sensor in every
row, in the order of the metadata's `clusters`, `cores` (laid end to end) and `sensors`.

==================  =============  ================================================================
column              type           meaning
==================  =============  ================================================================
run                 string         the run, unique in the file
application         string         the program; "idle" where the source calls it so
repeat              int32          which of equal runs (same program, clock, instances), from 0
time_s              float64        the interval's start from the run's start; 0 for whole-run means
window_s            float64        the interval's length; 0 for one reading of an instant
instances           int16          programs or threads running; 0: idle; -1: unknown
cluster             int8           the cluster the program runs on; -1: several, or unknown
freq_hz             list<int64>    per cluster; 0: unknown
volt_v              list<float64>  per cluster
power_w             list<float64>  per cluster, of what the metadata's `power_of` says
busy_cores          list<float64>  per cluster: the sum of its cores' utilisations
core_utilisation    list<float64>  per core, 0 to 1
temp_c              list<float64>  per sensor
cycles_per_s        float64        cycles of the whole program: the sum over the cluster's cores
instructions_per_s  float64        the same of its instructions
l2d_per_s           float64        the same of its accesses to the L2 data cache
work_per_s          float64        progress in the program's own unit, where it reports one
==================  =============  ================================================================

Three families of float64 columns may follow; which ones is up to the source:
``counter.NAME_per_s`` (events of the whole program, or of one cluster where NAME begins with the
cluster's and a point; clocks that the source counts as events are in seconds per second),
``rail.NAME_w`` (power of a rail that is no cluster's) and ``load.NAME`` (what the system says of
its load: ``cpu_share`` 0 to 1 of all CPUs, ``average_1min`` of runnable threads).

A temperature is the mean over the interval, or a reading at its end: the notes say which.

`power_of` is ``cluster rails`` (a sensor on each cluster's supply), ``device above idle`` (the
whole device with its idle power taken off: an upper bound of what the cluster added), ``floorplan
blocks`` (a simulator's blocks, which then are the clusters and have no cores) or ``nothing``.

`traces.schema.MeasurementMetadata` describes the metadata: among them where the rows come from,
what was dropped by which rule, and notes that a reader has to know.

Read with `read_measurements`, and lists with `matrix`; write a table of a few rows with
`traces.store.write_table`, one that does not fit into memory with `MeasurementWriter`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from msgspec import Struct

from platforms.atomic_file import replacing
from traces.schema import KINDS, SCHEMA_VERSION, Column, MeasurementMetadata
from traces.store import METADATA_KEY, arrow_schema, problems, read_table

KIND = "measurements"
COUNTER_COLUMN = "counter.{}_per_s"
RAIL_COLUMN = "rail.{}_w"


class Layout(Struct, frozen=True):
    """What the lists of a row run over; see `MeasurementMetadata`."""

    clusters: tuple[str, ...]
    cores: tuple[tuple[int, ...], ...]
    sensors: tuple[str, ...] = ()

    def length(self, column: str) -> int:
        """How many entries a list column has in every row.

        >>> Layout(("little", "big"), ((0, 1), (2,)), ("soc",)).length("core_utilisation")
        3
        """
        if column == "temp_c":
            return len(self.sensors)
        if column == "core_utilisation":
            return sum(map(len, self.cores))
        return len(self.clusters)


def read_measurements(path: Path) -> tuple[pa.Table, MeasurementMetadata]:
    """The rows and what is known of them; raises InvalidInput where `path` holds none."""
    table, document = read_table(path, kind=KIND)
    return table, msgspec.convert(document, MeasurementMetadata)


def matrix(table: pa.Table, column: str) -> np.ndarray:
    """A list column as an array of rows by entries (clusters, cores or sensors)."""
    data = table[column].combine_chunks()
    values: np.ndarray = pc.list_flatten(data).to_numpy(zero_copy_only=False)
    return values.reshape(len(data), -1) if len(data) else values.reshape(0, 0)


def list_array(values: np.ndarray) -> pa.Array:
    """An array of rows by entries as a list column.

    >>> list_array(np.array([[1.0, 2.0], [3.0, 4.0]])).to_pylist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    rows, entries = values.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(entries)
    return pa.ListArray.from_arrays(offsets, pa.array(np.ascontiguousarray(values).reshape(-1)))


def measurement_schema(extra: tuple[str, ...] = ()) -> pa.Schema:
    """The Arrow schema of measurements, with `extra` counter and rail columns behind."""
    schema = arrow_schema(KIND)
    for name in extra:
        schema = schema.append(pa.field(name, pa.float64()))
    return schema


class MeasurementWriter:
    """Writes batches of rows as they come; the metadata may be known only at the end."""

    def __init__(self, where: Path, layout: Layout, extra: tuple[str, ...] = ()) -> None:
        """To the file `where`, which `writing_measurements` puts into place when it is whole."""
        self._layout = layout
        self._kind = KINDS[KIND]
        self.schema = measurement_schema(extra)
        self.rows = 0
        self._writer = pq.ParquetWriter(
            where,
            self.schema,
            compression="snappy",  # zstd takes 1.4 times as long to write a tenth fewer bytes
            use_dictionary=_strings(self.schema),
            write_statistics=False,  # nobody asks for them, and they take a twentieth of the time
            write_page_checksum=True,
        )

    def write(self, batch: pa.Table) -> None:
        """Add rows, in the columns of the `schema`.

        Raises ValueError where they are not what the module's table says.
        """
        for column in self._kind.columns:
            if column.shape == "list":
                self._check_lengths(batch, column)
        self._writer.write_table(batch.select(self.schema.names), row_group_size=batch.num_rows)
        self.rows += batch.num_rows

    def _check_lengths(self, batch: pa.Table, column: Column) -> None:
        expected = self._layout.length(column.name)
        found = pc.min_max(pc.list_value_length(batch[column.name])).as_py()
        if found["min"] is not None and (found["min"], found["max"]) != (expected, expected):
            raise ValueError(f"{column.name} must have {expected} entries a row (got {found})")

    def finish(self, metadata: MeasurementMetadata) -> None:
        """Add what is known of all rows and close the file."""
        document = {**msgspec.to_builtins(metadata), "kind": KIND, "schema": SCHEMA_VERSION}
        encoded = msgspec.json.encode(document, order="sorted")
        empty = self.schema.empty_table()
        for problem in problems(empty, document, self._kind, may_be_empty=True):
            raise ValueError(problem)
        self._writer.add_key_value_metadata({METADATA_KEY.decode(): encoded.decode()})
        self._writer.close()

    def abandon(self) -> None:
        """Close the file as it is; nothing can read it."""
        self._writer.close()


def _strings(schema: pa.Schema) -> list[str]:
    """The columns whose values are long and recur: a dictionary of them is smaller."""
    return [field.name for field in schema if pa.types.is_string(field.type)]


@contextmanager
def writing_measurements(
    path: Path, layout: Layout, extra: tuple[str, ...] = ()
) -> Iterator[MeasurementWriter]:
    """A writer whose file appears at `path` when the block ends well, and else not at all.

    The block has to call `MeasurementWriter.finish`.
    """
    with replacing(path) as temporary:
        writer = MeasurementWriter(temporary, layout, extra)
        try:
            yield writer
        finally:
            writer.abandon()


def batches(path: Path, *, rows: int = 65536) -> Iterator[pa.Table]:
    """The rows of a file piece by piece, for one that does not fit into memory."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(batch_size=rows):
            yield pa.Table.from_batches([batch])


def metadata_dict(metadata: MeasurementMetadata) -> dict[str, Any]:
    """The metadata as `traces.store.write_table` takes them."""
    values: dict[str, Any] = msgspec.to_builtins(metadata)
    return values
