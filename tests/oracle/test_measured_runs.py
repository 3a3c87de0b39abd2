"""Tests of the oracle on measurements of a machine: what becomes a run, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from oracle.measured_runs import read_runs
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from tests.conftest import Ended
from traces.check import problems
from traces.measurements import KIND, measurement_schema, metadata_dict
from traces.schema import MeasurementMetadata
from traces.store import read_table, write_table

Ilgov = Callable[..., Ended]

BOARD = load_board("hikey970")
LITTLE, BIG = (cluster.freqs_hz for cluster in BOARD.clusters)
NAN = float("nan")


def metadata(**other: Any) -> MeasurementMetadata:
    """Of a HiKey 970 that somebody else measured."""
    about = MeasurementMetadata(
        board="hikey970",
        clusters=("little", "big"),
        cores=((0, 1, 2, 3), (4, 5, 6, 7)),
        sensors=("cls0",),
        source=(),
        averaged=False,
        power_of="nothing",
        cooling="fan",
    )
    return msgspec.structs.replace(about, **other)


def row(
    run: str, core: int, opps: tuple[int, int], *, time_s: float = 0.0, **other: Any
) -> dict[str, Any]:
    """One interval of a run of "p" on a core, whose rate is the clock and whose heat its square."""
    cluster = BOARD.cluster_of_core[core]
    hz = (LITTLE[opps[0]], BIG[opps[1]])
    busy = [1.0 if i == core else 0.0 for i in range(8)]
    return {
        "run": run,
        "application": "p",
        "repeat": 0,
        "time_s": time_s,
        "window_s": 10.0,
        "instances": 1,
        "cluster": cluster,
        "freq_hz": list(hz),
        "volt_v": [NAN, NAN],
        "power_w": [NAN, NAN],
        "busy_cores": [NAN, NAN],
        "core_utilisation": busy,
        "temp_c": [30.0 + 5.0 * (hz[cluster] / 1e9) ** 2],
        "cycles_per_s": NAN,
        "instructions_per_s": float(hz[cluster]),
        "l2d_per_s": hz[cluster] / 100.0,
        "work_per_s": NAN,
        **other,
    }


def written(path: Path, rows: list[dict[str, Any]], about: MeasurementMetadata) -> Path:
    """A file of measurements."""
    table = pa.Table.from_pylist(rows, schema=measurement_schema())
    write_table(path, table, kind=KIND, metadata=metadata_dict(about))
    return path


def grid(cores: range = range(8)) -> list[dict[str, Any]]:
    """Every core at three points of its own cluster's and of the other's."""
    return [
        row(f"{core}/{i}/{j}", core, (i, j)) for core in cores for i in (0, 3, 6) for j in (0, 4, 8)
    ]


def test_measurements_that_cover_the_grid_give_demonstrations_without_a_model(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """No simulated board, no application profile: nobody knows what "p" is."""
    path = written(tmp_path / "m.parquet", grid(), metadata())
    out = tmp_path / "d.parquet"
    code, stdout, stderr = ilgov("oracle", "labels", "--traces", path, "--out", out)
    assert (0, "") == (code, stderr)
    assert "all 72 runs are measured" in stdout
    table, about = read_table(out, kind="demonstrations")
    assert ({"p"}, {1.0}, "none") == (
        set(table["application"].to_pylist()),
        set(table["measured"].to_pylist()),
        about["fill"],
    )
    assert (np.array(table["status"].to_pylist()) == 0).any(axis=1).all()


def test_runs_are_traces_that_the_check_finds_sound(tmp_path: Path) -> None:
    """A scenario per program, nothing beside it."""
    path = written(tmp_path / "m.parquet", grid(), metadata())
    traces, about = read_runs(path, BOARD, sensor=None)
    assert [] == problems(traces, about, board=BOARD)
    assert (72, {0}) == (traces.num_rows, set(traces["scenario"].to_pylist()))
    assert ("fan", "cls0") == (about["cooling"], about["sensor"])


def test_the_warm_half_of_a_run_counts_and_equal_runs_are_averaged(tmp_path: Path) -> None:
    """A program's first seconds are of a cold board."""
    rows = [
        row("a", 4, (0, 8), time_s=0.0, temp_c=[20.0]),
        row("a", 4, (0, 8), time_s=10.0, temp_c=[50.0]),
        row("b", 4, (0, 8), temp_c=[52.0]),
    ]
    traces, _ = read_runs(written(tmp_path / "m.parquet", rows, metadata()), BOARD, sensor=None)
    assert ([51.0], [4]) == (traces["temp_c"].to_pylist(), traces["application_core"].to_pylist())


@pytest.mark.parametrize(
    "other",
    [
        {"instances": 2},
        {"cluster": -1},
        {"freq_hz": [0, BIG[8]]},
        {"freq_hz": [LITTLE[0], 1234567890]},
        {"instructions_per_s": NAN},
        {"temp_c": [NAN]},
        {"window_s": 0.0},
    ],
    ids=str,
)
def test_a_run_that_is_none_of_a_scenario_is_left_out(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    """Several programs, unknown clocks, no counters: nothing that the oracle could use."""
    rows = [row("bad", 4, (0, 8), **other), row("good", 5, (0, 8))]
    traces, _ = read_runs(written(tmp_path / "m.parquet", rows, metadata()), BOARD, sensor=None)
    assert [5] == traces["application_core"].to_pylist()
    path = written(tmp_path / "none.parquet", rows[:1], metadata())
    with pytest.raises(InvalidInput, match="must hold runs of one instance on one known cluster"):
        read_runs(path, BOARD, sensor=None)


def test_a_program_that_wandered_over_its_cluster_is_put_on_the_first_core(tmp_path: Path) -> None:
    """With all of its work: so much is known, and no more."""
    wandering = [0.0] * 4 + [0.4, 0.3, 0.2, 0.1]
    rows = [row("a", 6, (0, 8), core_utilisation=wandering)]
    traces, _ = read_runs(written(tmp_path / "m.parquet", rows, metadata()), BOARD, sensor=None)
    assert [4] == traces["application_core"].to_pylist()
    assert pytest.approx([0, 0, 0, 0, 1, 0, 0, 0]) == traces["core_utilisation"][0].as_py()


def test_what_the_measurements_lack_is_told_and_can_be_left_out_or_filled(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """One cluster alone, as many published measurements are; then one core of each."""
    big = written(tmp_path / "big.parquet", grid(range(4, 8)), metadata())
    words = ("oracle", "labels", "--out", tmp_path / "d.parquet", "--traces")
    code, _, stderr = ilgov(*words, big)
    assert 2 == code
    assert "36 of 72 runs are missing, in 1 scenarios: scenario 0, core 0 at little " in stderr
    assert "record or import them as well, or let a model fill them in: --fill model" in stderr
    assert "all 36 runs are measured" in ilgov(*words, big, "--cores", "4-7").stdout
    assert "on a core of cluster little" in ilgov(*words, big, "--fill", "model").stderr
    two = written(tmp_path / "two.parquet", grid(range(3, 5)), metadata())
    stdout = ilgov(*words, two, "--fill", "model").stdout
    assert "18 runs (25 %) are measured, 54 modelled" in stdout
    shares = read_table(tmp_path / "d.parquet", kind="demonstrations")[0]["measured"].to_pylist()
    assert max(shares) < 0.5


@pytest.mark.parametrize(
    ("about", "sensor", "message"),
    [
        (metadata(board="pc"), None, "board must be 'hikey970' (got 'pc')"),
        (metadata(clusters=("a", "b")), None, "clusters must be little, big as on board hikey970"),
        (metadata(), "top", "--sensor must be one of cls0 (got 'top')"),
    ],
    ids=["board", "clusters", "sensor"],
)
def test_measurements_of_something_else_are_refused(
    tmp_path: Path, about: MeasurementMetadata, sensor: str | None, message: str
) -> None:
    """In one line that names the file or the option."""
    path = written(tmp_path / "m.parquet", grid(), about)
    with pytest.raises(InvalidInput) as caught:
        read_runs(path, BOARD, sensor=sensor)
    assert message in str(caught.value)


def test_cores_that_the_board_does_not_have_are_refused(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path
) -> None:
    """Before any work."""
    words = ("oracle", "labels", "--traces", traces_path, "--out", tmp_path / "d.parquet")
    for wrong in ("8", "x", ""):
        expected = f"--cores must be cores of 0-7, such as 0,4-5 (got {wrong!r})"
        assert expected in ilgov(*words, f"--cores={wrong}").stderr
