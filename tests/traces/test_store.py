"""Tests of the Parquet files: what is written comes back, and what is broken is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from platforms.errors import InvalidInput
from tests.traces.toy_traces import METADATA, traces
from traces.schema import KINDS
from traces.store import arrow_schema, read_table, write_table


@pytest.fixture
def raw(tmp_path: Path) -> Callable[..., Path]:
    """Write a table past all checks, with `document` as ilgov's metadata."""

    def write(table: pa.Table, document: bytes | None) -> Path:
        path = tmp_path / "raw.parquet"
        metadata = {} if document is None else {b"ilgov": document}
        pq.write_table(table.replace_schema_metadata(metadata), path)
        return path

    return write


def document(**changes: Any) -> bytes:
    """The metadata of a sound file of traces, with changes."""
    return json.dumps({**METADATA, "kind": "traces", "schema": 1, **changes}).encode()


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    """Readers rely on the same rows, types and metadata."""
    path = tmp_path / "new folder" / "t.parquet"
    table = traces({}, {"temp_c": 50.0}, {"background": [], "background_cores": []})
    write_table(path, table, kind="traces", metadata=METADATA)
    back, metadata = read_table(path, kind="traces")
    assert table.equals(back)
    assert {**METADATA, "kind": "traces", "schema": 1} == metadata


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    """Neither chunks, nor the order of metadata keys, nor foreign metadata may show."""
    whole = traces({}, {"temp_c": 50.0})
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 1)])
    pieces = pieces.replace_schema_metadata({b"made": b"today"})
    write_table(tmp_path / "a", whole, kind="traces", metadata=METADATA)
    backwards = dict(reversed(METADATA.items()))
    write_table(tmp_path / "b", pieces, kind="traces", metadata=backwards)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_of_another_kind_is_refused_with_both_kinds(tmp_path: Path) -> None:
    """Passing traces where demonstrations belong is an easy slip."""
    write_table(tmp_path / "t", traces({}), kind="traces", metadata=METADATA)
    with pytest.raises(InvalidInput, match=r"t: kind must be 'demonstrations' \(got 'traces'\)"):
        read_table(tmp_path / "t", kind="demonstrations")


def test_an_older_schema_is_refused_with_the_way_out(raw: Callable[..., Path]) -> None:
    """A user who updates ilgov learns that the file has to be made again."""
    path = raw(traces({}), document(schema=0))
    with pytest.raises(InvalidInput, match=r"schema must be 1 \(got 0\); make it again"):
        read_table(path, kind="traces")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "it is empty: 0 bytes"),
        (b"scenario,application\n", "must be a readable Parquet file"),
        (b"PAR1" + b"\0" * 40 + b"PAR1", "must be a readable Parquet file"),
    ],
)
def test_what_is_no_parquet_file_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    """Each message names the file and what was found."""
    path = tmp_path / "x.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=rf"x\.parquet: .*{message}"):
        read_table(path, kind="traces")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """Pyarrow itself would read a folder of files as one table."""
    with pytest.raises(InvalidInput, match=r"must be a Parquet file \(a folder\)"):
        read_table(tmp_path, kind="traces")


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """Pages carry a checksum, so that a rotten file does not train a policy."""
    path = tmp_path / "t.parquet"
    write_table(path, traces({}, {}, {}), kind="traces", metadata=METADATA)
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InvalidInput, match="must be a readable Parquet file"):
        read_table(path, kind="traces")


def test_a_foreign_parquet_file_is_refused(raw: Callable[..., Path]) -> None:
    """Without ilgov's metadata nobody knows which board it was."""
    with pytest.raises(InvalidInput, match="must be written by ilgov"):
        read_table(raw(traces({}), None), kind="traces")


@pytest.mark.parametrize("text", [b"not json", b"[1]"])
def test_metadata_that_is_no_json_object_is_refused(raw: Callable[..., Path], text: bytes) -> None:
    """Broken metadata are the user's file's fault, not a crash."""
    with pytest.raises(InvalidInput, match="must be a JSON object"):
        read_table(raw(traces({}), text), kind="traces")


def test_metadata_of_the_wrong_type_are_refused(raw: Callable[..., Path]) -> None:
    """The key that is wrong is named."""
    with pytest.raises(InvalidInput, match=r"metadata must be that of traces .*opps_hz"):
        read_table(raw(traces({}), document(opps_hz=[1.5])), kind="traces")


def test_a_missing_column_is_named(raw: Callable[..., Path]) -> None:
    """And so are those that are there."""
    path = raw(traces({}).drop_columns(["temp_c"]), document())
    with pytest.raises(InvalidInput, match=r"column temp_c must be there.*\(got scenario, appl"):
        read_table(path, kind="traces")


def test_a_column_of_another_type_is_named(raw: Callable[..., Path]) -> None:
    """Both types stand in the message."""
    table = traces({})
    index = table.schema.get_field_index("opp_index")
    path = raw(table.set_column(index, "opp_index", pa.array([[1.0]])), document())
    with pytest.raises(InvalidInput, match=r"opp_index must be list<int16> \(got list<.*double>"):
        read_table(path, kind="traces")


def test_no_rows_is_an_error(raw: Callable[..., Path]) -> None:
    """An interrupted recording must not look like a result."""
    with pytest.raises(InvalidInput, match=r"must have at least one row \(got none\)"):
        read_table(raw(traces({}).slice(0, 0), document()), kind="traces")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temp_c": float("nan")}, r"temp_c must be finite \(got nan in row 1\)"),
        ({"rate_ips": float("inf")}, r"rate_ips must be finite \(got inf in row 1\)"),
        (
            {"core_utilisation": [0.5, float("nan")]},
            r"core_utilisation must be finite \(got nan in row 1\)",
        ),
        ({"application": None}, r"application must be present in every row \(got None in row 1\)"),
        ({"freq_hz": [1, None]}, r"freq_hz must be present in every row \(got None in row 1\)"),
        ({"temp_c": None}, r"temp_c must be present in every row \(got None in row 1\)"),
    ],
)
def test_absent_values_are_refused_with_their_row(
    raw: Callable[..., Path], change: dict[str, Any], message: str
) -> None:
    """A NaN that slips through would be learnt from."""
    with pytest.raises(InvalidInput, match=message):
        read_table(raw(traces({}, change), document()), kind="traces")


def test_writing_what_could_not_be_read_again_is_refused(tmp_path: Path) -> None:
    """The mistake shows where it is made, and leaves no file."""
    path = tmp_path / "t.parquet"
    with pytest.raises(ValueError, match="temp_c must be finite"):
        write_table(path, traces({"temp_c": float("nan")}), kind="traces", metadata=METADATA)
    some = {key: value for key, value in METADATA.items() if key != "plan_sha256"}
    with pytest.raises(ValueError, match="missing required field `plan_sha256`"):
        write_table(path, traces({}), kind="traces", metadata=some)
    assert [] == list(tmp_path.iterdir())


def test_absent_values_are_allowed_where_the_schema_says_so(tmp_path: Path) -> None:
    """An infeasible core has no temperature; an unfinished application has no end."""
    lengths = {"features": 2, "labels": 2, "temp_c": 2, "status": 2}
    row = {
        "scenario": 0,
        "application": "adi",
        "background": [],
        "features": [0.5, 1.0],
        "labels": [1.0, -1.0],
        "temp_c": [41.0, float("nan")],
        "status": [0, 1],
    }
    table = pa.Table.from_pylist([row], arrow_schema("demonstrations", lengths=lengths))
    metadata = {
        "board": "toy",
        "features": [{"index": 0, "name": "a", "unit": "Hz", "low": 0.0, "high": 1.0}],
        "outputs": ["core0", "core1"],
        "oracle": {},
        "cooling": "fan",
    }
    path = tmp_path / "d.parquet"
    write_table(path, table, kind="demonstrations", metadata=metadata)
    assert table.schema.equals(read_table(path, kind="demonstrations")[0].schema)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_number_with_a_dimension_carries_its_unit(kind: str) -> None:
    """Readers of the files know units from the columns' names alone."""
    plain = {"busy_cores", "core_utilisation", "features", "labels", "missed_share"}
    plain |= {"shortfall", "shortfall_bound"}
    plain |= {"value", "lower_bound", "gap"}  # in the unit of the objective, which varies
    units = ("_s", "_v", "_c", "_k", "_w", "_j", "_ips", "_hz", "_per_s", "instructions", "samples")
    for column in KINDS[kind].columns:
        if column.value == "float64" and column.name not in plain:
            assert column.name.endswith(units), column.name
