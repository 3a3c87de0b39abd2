"""Write and read ilgov's Parquet files: checked, and the same bytes for the same content.

Each file carries one JSON document (sorted keys, no time stamps) under the schema metadata key
``ilgov``: its kind, the schema's version and what `traces.schema` asks of that kind.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from platforms.atomic_file import replacing
from platforms.errors import InvalidInput
from traces.schema import KINDS, SCHEMA_VERSION, Column, Kind

METADATA_KEY = b"ilgov"
"""Where in a Parquet file's key-value metadata the JSON document lies."""

_ROWS_PER_GROUP = 65536


def arrow_schema(kind: str, *, lengths: Mapping[str, int] | None = None) -> pa.Schema:
    """The Arrow schema of `kind`, for building its tables; `lengths` gives each vector's length.

    >>> arrow_schema("traces").field("freq_hz").type
    ListType(list<item: int64>)
    """
    columns = KINDS[kind].columns
    return pa.schema([(c.name, _arrow_type(c, (lengths or {}).get(c.name, -1))) for c in columns])


def _arrow_type(column: Column, length: int) -> pa.DataType:
    value = pa.bool_() if column.value == "bool" else getattr(pa, column.value)()
    if column.shape == "one":
        return value
    return pa.list_(value, length) if column.shape == "vector" else pa.list_(value)


def write_table(path: Path, table: pa.Table, *, kind: str, metadata: Mapping[str, Any]) -> None:
    """Write `table` to `path`, as a whole or not at all; equal content gives equal bytes.

    `metadata` is everything JSON can hold that belongs to the file; kind and schema are added.
    Raises ValueError where table or metadata are not what `traces.schema` says of `kind`.
    """
    documented = _documented(table, kind, metadata, may_be_empty=False, where=str(path))
    with replacing(path) as temporary:
        _write(documented, temporary)


def encode_table(table: pa.Table, *, kind: str, metadata: Mapping[str, Any]) -> bytes:
    """The bytes that `write_table` would write; for a part of a file, which may have no rows."""
    sink = pa.BufferOutputStream()
    _write(_documented(table, kind, metadata, may_be_empty=True, where="table"), sink)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _documented(
    table: pa.Table, kind: str, metadata: Mapping[str, Any], *, may_be_empty: bool, where: str
) -> pa.Table:
    """The table in one chunk per column, so that the way it was put together does not show."""
    document = {**metadata, "kind": kind, "schema": SCHEMA_VERSION}
    encoded = msgspec.json.encode(document, order="sorted")
    known = msgspec.json.decode(encoded)
    for problem in problems(table, known, KINDS[kind], may_be_empty=may_be_empty):
        raise ValueError(f"{where}: {problem}")
    fields = [pa.field(field.name, field.type) for field in table.schema]
    schema = pa.schema(fields, metadata={METADATA_KEY: encoded})
    columns = [pa.concat_arrays(column.chunks) for column in table.columns]
    return pa.Table.from_arrays(columns, schema=schema)


def _write(table: pa.Table, where: Any) -> None:
    pq.write_table(
        table,
        where,
        compression="zstd",
        row_group_size=_ROWS_PER_GROUP,
        write_page_checksum=True,
    )


def read_table(
    path: Path, *, kind: str, may_be_empty: bool = False
) -> tuple[pa.Table, dict[str, Any]]:
    """The table and the metadata of a file that holds `kind`.

    Raises InvalidInput where the file is missing, damaged, of another kind or schema, lacks a
    column, holds a value that is not finite where it must be, or has no rows (parts of a file may).
    """
    table = _read(path)
    document = _document(path, table)
    expected = {"kind": kind, "schema": SCHEMA_VERSION}
    for key, value in expected.items():
        if document.get(key) != value:
            raise InvalidInput(
                f"{path}: {key} must be {value!r} (got {document.get(key)!r}){_way_out(key)}"
            )
    for problem in problems(table, document, KINDS[kind], may_be_empty=may_be_empty):
        raise InvalidInput(f"{path}: {problem}")
    return table.replace_schema_metadata(None), document


def _way_out(key: str) -> str:
    return "; make it again with this version of ilgov" if key == "schema" else ""


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InvalidInput(f"{path}: must be a Parquet file ({found})")
    try:
        if path.stat().st_size == 0:
            raise InvalidInput(f"{path}: must be a Parquet file (it is empty: 0 bytes)")
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read()
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InvalidInput(f"{path}: must be a readable Parquet file ({reason})") from error


def _document(path: Path, table: pa.Table) -> dict[str, Any]:
    raw = (table.schema.metadata or {}).get(METADATA_KEY)
    if raw is None:
        raise InvalidInput(f"{path}: must be written by ilgov (it has no 'ilgov' metadata)")
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{path}: metadata 'ilgov' must be a JSON object ({error})") from error


def problems(
    table: pa.Table, document: Mapping[str, Any], kind: Kind, *, may_be_empty: bool
) -> Iterator[str]:
    """Everything in which a table and its metadata are not of `kind`."""
    try:
        msgspec.convert(document, kind.metadata)
    except msgspec.ValidationError as error:
        yield f"metadata must be that of {kind.name} ({error})"
    if table.num_rows == 0 and not may_be_empty:
        yield f"{kind.name} must have at least one row (got none)"
    for column in kind.columns:
        if table.schema.get_field_index(column.name) < 0:
            present = ", ".join(table.schema.names)
            yield f"column {column.name} must be there, once, as {column} (got {present})"
        else:
            yield from _column_problems(table.column(column.name), column)


def _column_problems(data: pa.ChunkedArray, column: Column) -> Iterator[str]:
    if not _fits(data.type, column):
        yield f"column {column.name} must be {column} (got {data.type})"
    elif len(data) and not column.optional:
        yield from _absent_values(data, column)


def _fits(found: pa.DataType, column: Column) -> bool:
    if column.shape == "one":
        return bool(found == _arrow_type(column, -1))
    is_shape = pa.types.is_fixed_size_list if column.shape == "vector" else pa.types.is_list
    return is_shape(found) and bool(found.value_type == _arrow_type(column, -1).value_type)


def _absent_values(data: pa.ChunkedArray, column: Column) -> Iterator[str]:
    whole = pa.concat_arrays(data.chunks)
    values, rows = whole, np.arange(len(whole))
    absent = _where(whole.is_null())
    if column.shape != "one" and not absent.size:
        values = pc.list_flatten(whole)
        rows = pc.list_parent_indices(whole).to_numpy()
        absent = _where(values.is_null())
    if column.value == "float64" and not absent.size:
        absent = np.flatnonzero(~np.isfinite(values.to_numpy(zero_copy_only=False)))
    if absent.size:
        first = int(absent[0])
        got = values[first].as_py()
        requirement = "finite" if isinstance(got, float) else "present in every row"
        yield f"column {column.name} must be {requirement} (got {got} in row {rows[first]})"


def _where(mask: pa.BooleanArray) -> np.ndarray:
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False))
