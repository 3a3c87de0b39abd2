"""Tests of ``ilgov trace import``, and of what ``trace check`` says of its files."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import Ended
from tests.traces.importers.samples import SAMPLES, armpm, armpm_run, powmon
from traces.import_command import FORMATS
from traces.importers.registry import IMPORTERS
from traces.measurements import read_measurements
from traces.store import write_table

Ilgov = Callable[..., Ended]


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    """A sound PowMon table."""
    path = tmp_path / "p.tsv"
    path.write_text(powmon())
    return path


def test_an_import_says_what_it_made(ilgov: Ilgov, tmp_path: Path) -> None:
    """Rows, runs, clusters, what was dropped with an example, and notes."""
    path, out = tmp_path / "a.tsv", tmp_path / "m.parquet"
    runs = [armpm_run("lu", n, 1000, share=share) for n, share in ((1, 1), (2, 0.5), (3, 1))]
    path.write_text(armpm(*runs))
    ended = ilgov("trace", "import", path, "--board", "xu3", "--out", out)
    assert (0, "") == (ended.code, ended.stderr)
    lines = ended.stdout.splitlines()
    assert f"{out}: 8 rows, 2 runs of 1 applications on xu3, from armpm" == lines[0]
    assert "  clusters: A7 (0 1 2 3), A15 (4 5 6 7)" == lines[1]
    assert (
        f"  1 runs with a total of INST_RETIRED off by more than 10%; the first: {path}: line 6: "
        "lu/1000MHz#2 has 0.50 of the median"
    ) == lines[3]
    assert lines[4].startswith("  note: each row merges two executions")


def test_json_has_the_same_for_machines(ilgov: Ilgov, table_file: Path, tmp_path: Path) -> None:
    """And nothing else on the standard output."""
    out = tmp_path / "m.parquet"
    ended = ilgov("trace", "import", table_file, "--board", "xu3", "--out", out, "--json")
    done = json.loads(ended.stdout)
    assert ("powmon", 3, "xu3") == (done["format"], done["rows"], done["metadata"]["board"])
    assert 64 == len(done["metadata"]["source"][0]["sha256"])


def test_a_bad_file_ends_with_code_2_and_writes_nothing(
    ilgov: Ilgov, table_file: Path, tmp_path: Path
) -> None:
    """The message is complete; no traceback."""
    table_file.write_text(powmon().replace("\t1.5\t", "\t1500\t"))
    out = tmp_path / "m.parquet"
    ended = ilgov("trace", "import", table_file, "--board", "xu3", "--out", out)
    assert 2 == ended.code
    assert (
        f"ilgov: error: {table_file}: line 2, column 'Power A15': must lie in -1 ... 50 W (got "
        "1500; that looks like mW)\n"
    ) == ended.stderr
    assert [table_file] == list(tmp_path.iterdir())


def test_a_known_board_must_have_the_frequencies(
    ilgov: Ilgov, table_file: Path, tmp_path: Path
) -> None:
    """The wrong board is found out before anything is calibrated with it."""
    out = tmp_path / "m.parquet"
    ended = ilgov("trace", "import", table_file, "--board", "hikey970", "--out", out)
    assert 2 == ended.code
    assert "is it the right --board?" in ended.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--board", "nowhere/x.toml"], "board must be one of"),
        (["--board", " "], "--board must be the machine's name (got nothing)"),
        (["--board", "x", "--clusters", "a"], "--clusters must be like little=0-3,big=4-7"),
        (["--board", "x", "--clusters", "a=0,b=0"], "must name each cluster and each core once"),
        (["--board", "x", "--runs", "a"], "--runs must be given for sbc"),
        (["--board", "x", "--step-s", "-1"], "--step-s must lie in"),
    ],
)
def test_a_wrong_option_is_refused(
    ilgov: Ilgov, table_file: Path, tmp_path: Path, options: list[str], problem: str
) -> None:
    """Before anything is made of the file."""
    ended = ilgov("trace", "import", table_file, "--out", tmp_path / "m.parquet", *options)
    assert 2 == ended.code
    assert problem in ended.stderr


def test_the_help_describes_every_format(ilgov: Ilgov) -> None:
    """Units and rules of each: the help is the manual."""
    ended = ilgov("trace", "import", "--help")
    assert 0 == ended.code
    assert tuple(IMPORTERS) == FORMATS
    for name, importer in IMPORTERS.items():
        assert f"  {name}\n" in ended.stdout
        assert importer.manual.splitlines()[-1] in ended.stdout


def test_check_sums_measurements_up(ilgov: Ilgov, table_file: Path, tmp_path: Path) -> None:
    """What is known of each cluster."""
    out = tmp_path / "m.parquet"
    ilgov("trace", "import", table_file, "--board", "xu3", "--out", out)
    ended = ilgov("trace", "check", out)
    known = "power_w in 100% of rows, volt_v in 100% of rows, busy_cores in 100% of rows"
    assert (
        f"{out}: ok, 3 rows, 3 runs of 2 applications on xu3 (from powmon), 91 s in all, 44.5 to "
        f"47.5 °C\n  A7: 1000 MHz; {known}\n  A15: 1000, 1800 MHz; {known}\n"
    ) == ended.stdout


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_check_finds_nothing_wrong_with_what_was_imported(
    ilgov: Ilgov, tmp_path: Path, name: str
) -> None:
    """Importers and check agree on what is possible."""
    path, out = tmp_path / "a.txt", tmp_path / "m.parquet"
    path.write_text(SAMPLES[name]())
    assert 0 == ilgov("trace", "import", path, "--board", "x", "--out", out).code
    assert 0 == ilgov("trace", "check", out).code


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        (
            "temp_c",
            [[45.0, 46.0, 47.0, 300.0]],
            "temp_c must lie in -40 ... 150 (got 300 in",
        ),
        ("temp_c", [[45.0]], "temp_c must have 4 entries in every row"),
        ("core_utilisation", [[1.5] * 8], "core_utilisation must lie in 0 ... 1"),
        ("window_s", [-1.0], "window_s must not be negative (got one in row 0)"),
    ],
)
def test_check_names_what_cannot_be(
    ilgov: Ilgov, table_file: Path, tmp_path: Path, column: str, value: list[object], problem: str
) -> None:
    """Files of others may be of this kind too."""
    out = tmp_path / "m.parquet"
    ilgov("trace", "import", table_file, "--board", "xu3", "--out", out)
    table, _ = read_measurements(out)
    metadata = json.loads(pa.parquet.read_metadata(out).metadata[b"ilgov"])
    one = table.slice(0, 1)
    index = one.schema.get_field_index(column)
    changed = one.set_column(index, column, pa.array(value, one.schema.field(column).type))
    write_table(out, changed, kind="measurements", metadata=metadata)
    ended = ilgov("trace", "check", out)
    assert 2 == ended.code
    assert re.search(re.escape(problem), ended.stdout)


def test_check_compares_with_a_board(ilgov: Ilgov, table_file: Path, tmp_path: Path) -> None:
    """Name and frequencies."""
    out = tmp_path / "m.parquet"
    ilgov("trace", "import", table_file, "--board", "xu3", "--out", out)
    ended = ilgov("trace", "check", out, "--board", "hikey970")
    assert 2 == ended.code
    assert "board must be 'hikey970' (got 'xu3')" in ended.stdout
    assert "freq_hz of little must be the board's (got 1000 MHz)" in ended.stdout
