"""Tests of ``ilgov oracle labels`` as a user runs it: what it says, refuses, leaves untouched."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from oracle.demonstrations import OracleParameters, extract, scenarios, to_table
from platforms.board_file import load_board
from tests.conftest import Ended
from tests.started_command import started
from traces.store import arrow_schema, read_table, write_table

Ilgov = Callable[..., Ended]

FEW = ("--targets", 2, "--demands", 3)


def rewritten(traces_path: Path, path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The recording with `change` made to every run, otherwise sound."""
    table, about = read_table(traces_path, kind="traces")
    runs = table.to_pylist()
    for run in runs:
        change(run)
    changed = pa.Table.from_pylist(runs, arrow_schema("traces"))
    write_table(path, changed, kind="traces", metadata=about)
    return path


def test_it_writes_demonstrations_and_counts_them(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path
) -> None:
    """The figures add up, in words and as JSON."""
    out = tmp_path / "new" / "demos.parquet"
    words = ("oracle", "labels", "--traces", traces_path, "--out", out, *FEW)
    code, stdout, stderr = ilgov(*words)
    table, about = read_table(out, kind="demonstrations")
    assert (0, "") == (code, stderr)
    assert stdout.startswith(f"{out}: {table.num_rows} demonstrations from 4 scenarios; ")
    assert ("hikey970", "fan") == (about["board"], about["cooling"])
    figures = json.loads(ilgov(*words, "--json").stdout)
    assert {"scenarios": 4, "demands": 24, "demonstrations": table.num_rows}.items() <= (
        figures.items()
    )
    assert f"{figures['infeasible_demands']} of 24 demands were infeasible" in stdout
    assert [out] == list(out.parent.iterdir())


def test_the_same_seed_gives_the_same_bytes(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path
) -> None:
    """And another seed others."""
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / name
        assert (
            0
            == ilgov("oracle", "labels", "--traces", traces_path, "--out", out, "--seed", seed).code
        )
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_the_options_reach_the_labels(ilgov: Ilgov, traces_path: Path, tmp_path: Path) -> None:
    """A file says with which parameters it was made, and was made with them."""
    out = tmp_path / "demos.parquet"
    options = ("--alpha", 2.0, "--unreachable", -0.5, "--occupied", -0.25, "--current", "feasible")
    assert (
        0 == ilgov("oracle", "labels", "--traces", traces_path, "--out", out, *FEW, *options).code
    )
    table, about = read_table(out, kind="demonstrations")
    parameters = OracleParameters(
        alpha_per_k=2.0, unreachable=-0.5, occupied=-0.25, current="feasible", targets=2, demands=3
    )
    board = load_board("hikey970")
    traces, _ = read_table(traces_path, kind="traces")
    expected = [extract(board, s, parameters) for s in scenarios(board, traces)]
    assert to_table(board, expected)["labels"].to_pylist() == table["labels"].to_pylist()
    assert "feasible" == about["oracle"]["current"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--targets", "0"], "--targets must lie in 1 ... 10000 (got 0)"),
        (["--demands", "0"], "--demands must lie in 1 ... 10000 (got 0)"),
        (["--lowest-target", "1"], "--lowest-target must lie in 0.001 ... 0.999 (got 1.0)"),
        (["--unsettled", "1.1"], "--unsettled must lie in 0.0 ... 1.0 (got 1.1)"),
        (["--alpha", "0"], "--alpha must lie in 1e-06 ... 1000.0 (got 0.0)"),
        (["--alpha", "nan"], "--alpha must lie in 1e-06 ... 1000.0 (got nan)"),
        (["--unreachable", "nan"], "--unreachable must lie in -1000.0 ... 0.999 (got nan)"),
        (["--occupied", "1"], "--occupied must lie in -1000.0 ... 0.999 (got 1.0)"),
        (["--seed", "-1"], "--seed must lie in 0 ... 4294967295 (got -1)"),
        (["--board", "pc"], "board must be one of hikey960, hikey970, jetson-nano, "),
        (["--board", "rk3588"], "{traces}: board must be 'rk3588' (got 'hikey970')"),
        (["--traces", "none.parquet"], "none.parquet: must be a Parquet file (no such file)"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    """And the demonstrations that stood there are still there."""
    out = tmp_path / "demos.parquet"
    out.write_text("mine")
    code, stdout, stderr = ilgov("oracle", "labels", "--traces", traces_path, "--out", out, *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message.format(traces=traces_path)}")
    assert 1 == stderr.count("\n")
    assert ("mine", [out]) == (out.read_text(), list(tmp_path.iterdir()))


def not_a_number(path: Path) -> None:
    """One temperature that no sensor showed."""
    table = pq.read_table(path)
    temps = table["temp_c"].to_numpy().copy()
    temps[3] = np.nan
    index = table.schema.get_field_index("temp_c")
    pq.write_table(table.set_column(index, "temp_c", pa.array(temps)), path)


def without_a_column(path: Path) -> None:
    """A file of somebody who thinks that nobody needs it."""
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["l2d_per_s"]), path)


def without_a_row(path: Path) -> None:
    """A recording of nothing."""
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 0), path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b""), "must be a Parquet file (it is empty: 0 bytes)"),
        (lambda path: path.write_text("hello"), "must be a readable Parquet file ("),
        (without_a_row, "traces must have at least one row (got none)"),
        (not_a_number, "column temp_c must be finite (got nan in row 3)"),
        (without_a_column, "column l2d_per_s must be there, once, as float64 (got scenario, "),
    ],
)
def test_a_damaged_recording_is_told_in_one_line(
    ilgov: Ilgov,
    traces_path: Path,
    tmp_path: Path,
    damage: Callable[[Path], object],
    message: str,
) -> None:
    """With the file, and what is wrong in it."""
    traces, out = tmp_path / "traces.parquet", tmp_path / "demos.parquet"
    traces.write_bytes(traces_path.read_bytes())
    damage(traces)
    code, stdout, stderr = ilgov("oracle", "labels", "--traces", traces, "--out", out)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {traces}: {message}")
    assert 1 == stderr.count("\n")
    assert not out.exists()


def test_a_board_that_was_described_otherwise_is_refused(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path
) -> None:
    """Same name, other voltages: its labels would be of no board at all."""
    source = Path(__file__).parents[2] / "platforms" / "boards" / "hikey970.toml"
    board = tmp_path / "hikey970.toml"
    text = source.read_text()
    other = text.replace("thermal_weight = 1024", "thermal_weight = 1023")
    assert text != other
    board.write_text(other)
    words = (
        "oracle",
        "labels",
        "--traces",
        traces_path,
        "--out",
        tmp_path / "d.parquet",
        "--board",
        board,
    )
    code, _, stderr = ilgov(*words)
    assert 2 == code
    assert f"{traces_path}: board_sha256 must be that of 'hikey970' as it is described" in stderr


def test_the_recording_is_not_overwritten_by_its_own_demonstrations(
    ilgov: Ilgov, traces_path: Path
) -> None:
    """A slip of the hand must not cost hours of measurement."""
    before = traces_path.read_bytes()
    same = traces_path.parent / "." / traces_path.name
    code, _, stderr = ilgov("oracle", "labels", "--traces", traces_path, "--out", same)
    expected = f"--out must be another file than --traces (got {traces_path} for both)"
    assert (2, f"ilgov: error: {expected}\n") == (code, stderr)
    assert before == traces_path.read_bytes()


def test_two_recordings_in_one_file_are_refused(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path
) -> None:
    """Their scenarios have the same numbers."""
    table, about = read_table(traces_path, kind="traces")
    both = tmp_path / "both.parquet"
    write_table(both, pa.concat_tables([table, table]), kind="traces", metadata=about)
    code, _, stderr = ilgov("oracle", "labels", "--traces", both, "--out", tmp_path / "d.parquet")
    assert 2 == code
    assert "must have a core at some operating points once (got core " in stderr
    assert stderr.endswith("; a file must hold one recording\n")


def test_targets_that_no_core_meets_are_told_with_a_way_out(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path
) -> None:
    """Here one core is fast, and only at the lowest points: too low for the background drawn."""

    def slow_down(run: dict[str, Any]) -> None:
        first_free = min(set(range(8)) - set(run["background_cores"]))
        is_fast = run["application_core"] == first_free and run["opp_index"] == [0, 0]
        run["rate_ips"] = 1e9 if is_fast else 1.0

    path = rewritten(traces_path, tmp_path / "slow.parquet", slow_down)
    out = tmp_path / "d.parquet"
    options = ("--targets", 1, "--demands", 1, "--lowest-target", 0.9)
    for seed in range(50):
        code, _, stderr = ilgov(
            "oracle", "labels", "--traces", path, "--out", out, "--seed", seed, *options
        )
        if code:
            break
        out.unlink()
    assert 2 == code
    assert stderr == (
        f"ilgov: error: {path}: no core can meet any of the 4 QoS targets drawn; "
        "lower --lowest-target or record more operating points\n"
    )
    assert not out.exists()


def test_scenarios_that_were_throttled_throughout_yield_nothing_and_are_counted(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path
) -> None:
    """A board without a fan may be too hot for its busiest scenario at any clock."""

    def throttle_the_first(run: dict[str, Any]) -> None:
        run["throttled"] = run["scenario"] == 0

    path = rewritten(traces_path, tmp_path / "hot.parquet", throttle_the_first)
    out = tmp_path / "d.parquet"
    figures = json.loads(
        ilgov("oracle", "labels", "--traces", path, "--out", out, *FEW, "--json").stdout
    )
    assert 24 == figures["demands"]
    assert figures["infeasible_demands"] >= 6
    assert {1, 2, 3} == set(read_table(out, kind="demonstrations")[0]["scenario"].to_pylist())


def test_labels_that_are_there_are_not_searched_again(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path
) -> None:
    """Other ones are, and so are the same ones with --fresh; what is told stays the same."""
    out = tmp_path / "d.parquet"
    words = ("oracle", "labels", "--traces", traces_path, "--out", out, *FEW)
    first = ilgov(*words).stdout
    before = out.stat().st_mtime_ns
    told, _, how = first.rpartition("; ")
    assert "0 of 1 shards taken over\n" == how
    kept = f"{told}; it holds these labels already (--fresh searches them again)\n"
    assert Ended(0, kept, "") == ilgov(*words)
    assert before == out.stat().st_mtime_ns
    assert first == ilgov(*words, "--fresh").stdout
    assert before != out.stat().st_mtime_ns
    assert "shards taken over" in ilgov(*words, "--seed", 1).stdout


def test_a_sparse_recording_is_refused_with_the_command_that_completes_it(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """Or filled in by a model, said in the file and in words; completed it is measured whole."""
    sparse, whole, out = (tmp_path / name for name in ("s.parquet", "w.parquet", "d.parquet"))
    plan = ("--scenarios", 2, "--opps", 4, "--window-s", 2, "--jobs", 1)
    assert 0 == ilgov("trace", "record", "--out", sparse, *plan, "--design", "latin:3").code
    labels = ("oracle", "labels", "--out", out, *FEW, "--traces")
    code, _, stderr = ilgov(*labels, sparse)
    assert 2 == code
    assert "runs are missing, in 2 scenarios: scenario 0, core " in stderr
    assert "record them with 'ilgov trace record --on simulated --board hikey970 " in stderr
    assert not out.exists()
    stdout = ilgov(*labels, sparse, "--fill", "model").stdout
    assert " %) are measured, " in stdout
    table, about = read_table(out, kind="demonstrations")
    assert "model" == about["fill"]
    assert 0 < about["figures"]["measured_runs"] < about["figures"]["modelled_runs"]
    assert 0 < np.mean(table["measured"].to_numpy()) < 1
    command = stderr.partition("record them with 'ilgov ")[2].partition("'")[0].split()
    completed = command[: command.index("--out")]
    assert 0 == ilgov(*completed, "--out", whole).code
    assert "runs are measured; " in ilgov(*labels, whole).stdout
    assert {1.0} == set(read_table(out, kind="demonstrations")[0]["measured"].to_pylist())


def test_a_model_is_not_asked_where_everything_was_measured(
    ilgov: Ilgov, traces_path: Path, tmp_path: Path
) -> None:
    """--fill model or not: the same bytes."""
    files = []
    for name, fill in (("a", "none"), ("b", "model")):
        out = tmp_path / name
        words = ("--traces", traces_path, "--out", out, *FEW, "--fill", fill)
        assert 0 == ilgov("oracle", "labels", *words).code
        files.append(out.read_bytes())
    assert files[0] == files[1]


def test_the_help_says_what_becomes_of_runs_that_lack(ilgov: Ilgov) -> None:
    """The manual of the command."""
    text = ilgov("oracle", "labels", "--help").stdout
    for said in ("--fill model", "column 'measured'", "Nothing is simulated", "ilgov trace import"):
        assert said in text


LONG = ("--targets", 200, "--demands", 50, "--shard-size", 1, "--jobs", 2)


@pytest.fixture(scope="module")
def undisturbed(traces_path: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a sweep of some seconds writes."""
    out = tmp_path_factory.mktemp("undisturbed") / "d.parquet"
    with started("oracle", "labels", "--traces", traces_path, "--out", out, *LONG) as command:
        assert ("", 0) == (command.process.communicate()[1], command.process.returncode)
    return out.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_is_done_at_ctrl_c_or_a_kill_is_kept_and_the_same_command_goes_on(
    traces_path: Path, tmp_path: Path, undisturbed: bytes, number: signal.Signals
) -> None:
    """The old demonstrations stay until the new ones are whole; nothing half-written is left."""
    out = tmp_path / "d.parquet"
    out.write_text("old")
    words = ("oracle", "labels", "--traces", traces_path, "--out", out, *LONG)
    with started(*words) as command:
        command.wait_until(lambda: bool(list(tmp_path.glob("*/shard-*"))), "a shard")
        code, stdout, stderr = command.send(number)
        assert command.leaves_nobody()
    kept = list(tmp_path.glob("*/shard-*"))
    assert 1 <= len(kept) < 4
    if number == signal.SIGINT:
        assert (130, "") == (code, stdout)
        assert stderr == (
            f"{len(kept)} of 4 scenarios are done, in {kept[0].parent}\n"
            "ilgov: interrupted; run the same command again to go on\n"
        )
    assert "old" == out.read_text()
    with started(*words) as command:
        stdout, stderr = command.process.communicate()
    assert (0, "") == (command.process.returncode, stderr)
    assert f"{len(kept)} of 4 shards taken over" in stdout
    assert undisturbed == out.read_bytes()
    assert [out] == list(tmp_path.iterdir())
