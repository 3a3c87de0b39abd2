"""Tests of ``ilgov trace check``: each way in which a file of traces can be wrong is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from platforms.board_file import load_board, shipped_boards
from tests.conftest import Ended
from tests.traces.toy_traces import METADATA, traces
from traces.check import check_traces
from traces.schema import board_digest, cooling_digest
from traces.store import arrow_schema, write_table

Ilgov = Callable[..., Ended]

OUTSIDE = "opp_index must be operating points of the clusters, which have [2, 1]"


@pytest.fixture
def file_with(tmp_path: Path) -> Callable[..., Path]:
    """A file of two sound rows and one row with these changes."""

    def write(**change: Any) -> Path:
        path = tmp_path / "t.parquet"
        write_table(path, traces({}, {}, change), kind="traces", metadata=METADATA)
        return path

    return write


def test_a_sound_file_is_ok_and_its_contents_are_summed_up(
    ilgov: Ilgov, file_with: Callable[..., Path]
) -> None:
    """Users see at a glance whether it is the file that they think it is."""
    path = file_with(application="lu", temp_c=50.0)
    expected = f"{path}: ok, 3 runs of 2 applications on toy (fan), 0 throttled, 41.5 to 50.0 °C\n"
    assert Ended(0, expected, "") == ilgov("trace", "check", path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"rate_ips": 0.0}, "rate_ips must be positive (got 0.0 in row 2)"),
        ({"l2d_per_s": -1.0}, "l2d_per_s must not be negative (got -1.0 in row 2)"),
        (
            {"background_rate_ips": [0.0]},
            "background_rate_ips must be positive (got 0.0 in row 2)",
        ),
        ({"temp_c": 150.5}, "temp_c must lie in -40 ... 150 °C (got 150.5 in row 2)"),
        ({"temp_c": -273.0}, "temp_c must lie in -40 ... 150 °C (got -273.0 in row 2)"),
        (
            {"core_utilisation": [1.5, 1.2]},
            "core_utilisation must lie in 0 ... 1 (got 1.5 in row 2, 2 times in all)",
        ),
        ({"temp_samples": 0}, "temp_samples must be at least 1 (got 0 in row 2)"),
        ({"window_s": 0.0}, "window_s must be positive (got 0.0 in row 2)"),
        (
            {"opp_index": [2, 0]},
            f"{OUTSIDE} (got [2, 0] in row 2)",
        ),
        (
            {"opp_index": [0, -1]},
            f"{OUTSIDE} (got [0, -1] in row 2)",
        ),
        (
            {"opp_index": [0, 0]},
            "freq_hz must be the frequencies of opp_index (got [1000000000, 700000000] in row 2)",
        ),
        ({"opp_index": [0]}, "opp_index must have one entry per cluster (got [0] in row 2)"),
        (
            {"core_utilisation": [1.0]},
            "core_utilisation must have one entry per core (got [1.0] in row 2)",
        ),
        (
            {"background": []},
            "background_cores must have one entry per background application (got [0] in row 2)",
        ),
        ({"application_core": 2}, "application_core must be a core, 0 to 1 (got 2 in row 2)"),
        ({"background_cores": [-1]}, "background_cores must be a core, 0 to 1 (got -1 in row 2)"),
    ],
)
def test_what_cannot_be_is_named_with_its_value_and_row(
    file_with: Callable[..., Path], change: dict[str, Any], problem: str
) -> None:
    """A policy would learn it otherwise."""
    assert problem in check_traces(file_with(**change)).problems


def test_a_throttled_run_may_hold_any_reading(file_with: Callable[..., Path]) -> None:
    """It is no measurement, and readers leave it out."""
    report = check_traces(file_with(throttled=True, rate_ips=0.0, window_s=0.0, temp_c=300.0))
    assert ((), 1, 41.5) == (report.problems, report.throttled, report.highest_temp_c)


def test_a_file_without_one_measurement_is_wrong(tmp_path: Path) -> None:
    """A board that only throttles has to be cooled first."""
    path = tmp_path / "t.parquet"
    write_table(path, traces({"throttled": True}), kind="traces", metadata=METADATA)
    problem = "throttled must be false for at least one run (got true in every row)"
    assert (problem,) == check_traces(path).problems


def test_wrong_files_are_listed_and_make_the_exit_code_2(
    ilgov: Ilgov, file_with: Callable[..., Path], tmp_path: Path
) -> None:
    """All files are looked at, not only those before the first wrong one."""
    path = file_with(rate_ips=-1.0)
    missing = tmp_path / "missing.parquet"
    (tmp_path / "text").write_text("a,b\n")
    code, stdout, stderr = ilgov("trace", "check", missing, tmp_path / "text", path)
    assert (2, "") == (code, stderr)
    assert f"{missing}: wrong\n  must be a Parquet file (no such file)\n" in stdout
    assert f"{tmp_path / 'text'}: wrong\n  must be a readable Parquet file" in stdout
    assert f"{path}: wrong\n  rate_ips must be positive (got -1.0 in row 2)\n" in stdout


def test_json_says_the_same_to_machines(ilgov: Ilgov, file_with: Callable[..., Path]) -> None:
    """Scripts need not read sentences."""
    path = file_with(rate_ips=-1.0)
    code, stdout, _ = ilgov("trace", "check", path, "--json")
    (report,) = json.loads(stdout)
    assert 2 == code
    assert ["rate_ips must be positive (got -1.0 in row 2)"] == report["problems"]
    assert (str(path), "toy", "fan", 3) == tuple(
        report[key] for key in ("file", "board", "cooling", "runs")
    )


def test_demonstrations_are_no_traces(ilgov: Ilgov, tmp_path: Path) -> None:
    """The message names both kinds."""
    row = {"policy": "a", "cooling": "fan", "seed": 0, "time_s": 0.0, "sensor_temp_c": 40.0}
    row |= {"peak_temp_c": 41.0, "power_w": 2.0, "freqs_hz": [1], "application_on_core": [0]}
    path = tmp_path / "timeline.parquet"
    table = pa.Table.from_pylist([row], arrow_schema("timeline"))
    write_table(path, table, kind="timeline", metadata={"board": "toy"})
    code, stdout, _ = ilgov("trace", "check", path)
    assert (2, f"{path}: wrong\n  kind must be 'traces' (got 'timeline')\n") == (code, stdout)


def test_another_board_is_named(ilgov: Ilgov, file_with: Callable[..., Path]) -> None:
    """Operating points of one board mean nothing on another."""
    name = shipped_boards()[0]
    code, stdout, _ = ilgov("trace", "check", file_with(), "--board", name)
    assert 2 == code
    assert f"board must be {name!r} (got 'toy')" in stdout


def test_another_version_of_the_boards_description_is_named(tmp_path: Path) -> None:
    """A simulation on an edited board is another measurement."""
    board = load_board(shipped_boards()[0])
    row = {
        "opp_index": [0] * len(board.clusters),
        "freq_hz": [cluster.freqs_hz[0] for cluster in board.clusters],
        "core_utilisation": [0.0] * board.core_count,
    }
    metadata = METADATA | {
        "board": board.name,
        "opps_hz": [cluster.freqs_hz for cluster in board.clusters],
    }
    path = tmp_path / "t.parquet"
    for digest, sound in ((board_digest(board), True), ("0123456789abcdef", False)):
        table = traces(row)
        write_table(path, table, kind="traces", metadata=metadata | {"board_sha256": digest})
        problems = check_traces(path, board=board).problems
        assert sound == (problems == ())
    assert "board_sha256 must be that of" in problems[0]
    assert "got '0123456789ab'); record again" in problems[0]


def test_an_unknown_board_is_a_users_mistake(ilgov: Ilgov, file_with: Callable[..., Path]) -> None:
    """Before any file is looked at."""
    code, stdout, stderr = ilgov("trace", "check", file_with(), "--board", "hikey")
    assert (2, "") == (code, stdout)
    assert stderr.startswith("ilgov: error: board must be one of ")


def test_prose_in_a_board_file_does_not_change_its_digest() -> None:
    """Correcting a source's wording must not invalidate recordings; a value must."""
    import msgspec

    board = load_board(shipped_boards()[0])
    reworded = msgspec.structs.replace(board, title="Another title")
    leakage = msgspec.structs.replace(board.leakage, ref_temp_c=board.leakage.ref_temp_c + 1)
    hotter = msgspec.structs.replace(board, leakage=leakage)
    assert board_digest(board) == board_digest(reworded)
    assert board_digest(board) != board_digest(hotter)


def test_a_boards_digest_leaves_the_cooling_to_a_digest_of_its_own() -> None:
    """A policy holds under every cooling, so one more must not spoil it; a recording has one."""
    import msgspec

    board = load_board(shipped_boards()[0])
    fan = board.cooling_named("fan")
    hot = msgspec.structs.replace(fan, ambient_c=fan.ambient_c + 1)
    reworded = msgspec.structs.replace(fan, sources={})
    assert board_digest(board) == board_digest(msgspec.structs.replace(board, cooling=(hot,)))
    assert cooling_digest(fan) == cooling_digest(reworded)
    assert cooling_digest(fan) != cooling_digest(hot)
