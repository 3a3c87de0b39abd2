"""Tests of ``ilgov trace record`` as a user runs it: what it refuses, what Ctrl-C costs."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rich.console

from platforms.board_file import shipped_boards
from tests.conftest import Ended
from tests.started_command import started
from traces.progress import counted
from traces.store import read_table

Ilgov = Callable[..., Ended]

ROOT = Path(__file__).parents[2]
SHORT = ("--scenarios", 2, "--opps", 2, "--window-s", 2, "--jobs", 1)


def test_it_says_what_it_will_do_and_what_it_did(ilgov: Ilgov, tmp_path: Path) -> None:
    """The user sees which applications are kept for validation, and finds a file that is sound."""
    out = tmp_path / "new" / "traces.parquet"
    code, stdout, stderr = ilgov("trace", "record", "--out", out, *SHORT)
    assert (0, "") == (code, stderr)
    runs = read_table(out, kind="traces")[0].num_rows
    first, times, second = stdout.splitlines()
    assert times.startswith("about ")
    assert f" here; on a real board {runs} runs, each 202 s to settle and 2 s to measure" in times
    assert first.startswith(f"2 scenarios, {runs} simulated runs on hikey970 (fan); held out")
    assert second.startswith(f"{out}: {runs} runs, 0 throttled")
    assert 0 == ilgov("trace", "check", out, "--board", "hikey970").code
    assert [out] == list(out.parent.iterdir())


def test_the_help_is_a_manual(ilgov: Ilgov) -> None:
    """Designs, back ends, what rows say, and the exit codes."""
    text = ilgov("trace", "record", "--help").stdout
    for said in ("corners+latin:N", "start_reached", "rejected", "[[programs]]", "ilgov restore"):
        assert said in text
    assert "Exit codes:" in text


def test_a_dry_run_writes_nothing(ilgov: Ilgov, tmp_path: Path) -> None:
    """It says what would be recorded, and how long that takes."""
    words = ("trace", "record", "--out", tmp_path / "t.parquet", *SHORT, "--design", "latin:2")
    code, stdout, _ = ilgov(*words, "--dry-run")
    assert 0 == code
    assert " simulated runs on hikey970 (fan) by design latin:2; held out" in stdout
    assert " here; on a real board " in stdout
    assert [] == list(tmp_path.iterdir())


def test_rows_say_where_runs_began_and_how_often_they_were_made(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """In columns of their own, which the check and the oracle pass over."""
    out = tmp_path / "t.parquet"
    conduct = ("--repeats", 2, "--start-temp-c", 35, "--start-timeout-s", 30, "--settle-s", 5)
    assert 0 == ilgov("trace", "record", "--out", out, *SHORT, *conduct).code
    assert 0 == ilgov("trace", "check", out, "--board", "hikey970").code
    table, _ = read_table(out, kind="traces")
    assert {2} == set(table["repeats"].to_pylist())
    assert {0} == set(table["rejected"].to_pylist())
    assert {4} == set(table["temp_samples"].to_pylist())
    for reached, temp_c in zip(
        table["start_reached"].to_pylist(), table["start_temp_c"].to_pylist(), strict=True
    ):
        assert not reached or abs(temp_c - 35.0) <= 1.0
    labels = ("oracle", "labels", "--traces", out, "--out", tmp_path / "d", "--targets", 2)
    assert 0 == ilgov(*labels, "--demands", 2).code


def test_only_another_design_of_the_same_plan_can_be_added_to(ilgov: Ilgov, tmp_path: Path) -> None:
    """Its runs are taken over; those of another plan are of other programs."""
    sparse, whole = tmp_path / "s.parquet", tmp_path / "w.parquet"
    record = ("trace", "record", *SHORT, "--out")
    assert 0 == ilgov(*record, sparse, "--design", "latin:2").code
    assert 0 == ilgov(*record, whole, "--add-to", sparse).code
    rows = {_place(row): row for row in read_table(whole, kind="traces")[0].to_pylist()}
    for row in read_table(sparse, kind="traces")[0].to_pylist():
        assert row == rows[_place(row)]
    code, _, stderr = ilgov(*record, tmp_path / "x", "--seed", 1, "--add-to", sparse)
    assert 2 == code
    assert "--add-to must be a recording of the same plan, by another design (got " in stderr


def _place(row: dict[str, Any]) -> tuple[object, ...]:
    return row["scenario"], row["application_core"], tuple(row["opp_index"])


@pytest.mark.parametrize("board", shipped_boards())
def test_every_shipped_board_can_be_recorded(ilgov: Ilgov, tmp_path: Path, board: str) -> None:
    """Nothing assumes the reference board."""
    out = tmp_path / "t.parquet"
    cooling = "fan" if board == "hikey970" else _first_cooling(board)
    given = ("--board", board, "--cooling", cooling, "--out", out)
    assert 0 == ilgov("trace", "record", *given, *SHORT).code
    assert 0 == ilgov("trace", "check", out, "--board", board).code


def _first_cooling(board: str) -> str:
    from platforms.board_file import load_board

    return load_board(board).cooling[0].name


def test_what_is_recorded_is_not_recorded_again(ilgov: Ilgov, tmp_path: Path) -> None:
    """Another plan is, and so is the same one with --fresh."""
    out = tmp_path / "t.parquet"
    command = ("trace", "record", "--out", out, *SHORT)
    ilgov(*command)
    before = out.stat().st_mtime_ns
    code, stdout, _ = ilgov(*command)
    assert (0, f"{out} holds this recording already (--fresh records it again)\n") == (code, stdout)
    assert before == out.stat().st_mtime_ns
    assert "2 scenarios, " in ilgov(*command, "--fresh").stdout
    assert "2 scenarios, " in ilgov(*command, "--seed", 1).stdout


def test_fresh_takes_no_unfinished_part_over(ilgov: Ilgov, tmp_path: Path) -> None:
    """Whoever asks for it does not trust what is there."""
    out = tmp_path / "t.parquet"
    command = ("trace", "record", "--out", out, *SHORT)
    ilgov(*command)
    parts = _with_its_parts(out, ilgov, command)
    assert "2 scenarios taken over" in ilgov(*command).stdout
    assert not parts.exists()
    _with_its_parts(out, ilgov, command)
    assert "0 scenarios taken over" in ilgov(*command, "--fresh").stdout
    assert [out] == list(tmp_path.iterdir())


def _with_its_parts(out: Path, ilgov: Ilgov, command: tuple[object, ...]) -> Path:
    """Bring a finished recording back to where all parts are there but the whole is not."""
    out.unlink()
    out.mkdir()
    (out / "in the way").touch()
    kept: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("traces.output.check_output_file", lambda path: None)
        assert 2 == ilgov(*command).code
        kept = list(out.parent.glob("t.parquet.parts-*"))
    (out / "in the way").unlink()
    out.rmdir()
    (parts,) = kept
    return parts


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--board", "pc"], "board must be one of hikey960, hikey970, jetson-nano, "),
        (["--cooling", "water"], "--cooling must be one of fan, passive, passive-35, heatsink, "),
        (
            ["--cooling", "fan-fails"],
            "--cooling must be one of fan, passive, passive-35, heatsink, fan-cold, fan-hot (got ",
        ),
        (
            ["--applications", "doom"],
            "application must be a suite (cbench, parsec), a suite file (.toml) or ",
        ),
        (
            ["--applications", ""],
            "application must be a suite (cbench, parsec), a suite file (.toml) or ",
        ),
        (["--scenarios", "0"], "--scenarios must lie in 1 ... 1000000 (got 0)"),
        (["--max-background", "-1"], "--max-background must lie in 0 ... 1000 (got -1)"),
        (["--opps", "1"], "--opps must lie in 2 ... 1000 (got 1)"),
        (["--window-s", "nan"], "--window-s must lie in 0.1 ... 100000.0 (got nan)"),
        (["--variation", "1"], "--variation must lie in 0.0 ... 0.9 (got 1.0)"),
        (["--diversity", "nan"], "--diversity must lie in 0.0 ... 0.9 (got nan)"),
        (["--held-out-share", "0.95"], "--held-out-share must lie in 0.0 ... 0.9 (got 0.95)"),
        (["--design", "some"], "--design must be full, corners, axes, latin:N or corners+latin:N"),
        (["--repeats", "0"], "--repeats must lie in 1 ... 1000 (got 0)"),
        (["--settle-s", "-1"], "--settle-s must lie in 0.0 ... 100000.0 (got -1.0)"),
        (["--start-temp-c", "999"], "--start-temp-c must lie in 0.0 ... 120.0 (got 999.0)"),
        (["--seed", "-1"], "--seed must lie in 0 ... 4294967295 (got -1)"),
        (["--jobs", "0"], "--jobs must lie in 1 ... 10000 (got 0)"),
    ],
)
def test_what_cannot_be_recorded_is_told_in_one_line(
    ilgov: Ilgov, tmp_path: Path, words: list[str], message: str
) -> None:
    """And what stood at the output before is still there."""
    out = tmp_path / "t.parquet"
    out.write_text("mine")
    code, stdout, stderr = ilgov("trace", "record", "--out", out, *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message}")
    assert 1 == stderr.count("\n")
    assert ("mine", [out]) == (out.read_text(), list(tmp_path.iterdir()))


def test_an_application_that_the_board_cannot_run_is_told_before_any_work(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """A new board's core type needs a stand-in, or profiles of its own."""
    text = (ROOT / "platforms" / "boards" / "hikey970.toml").read_text()
    board = tmp_path / "board.toml"
    board.write_text(text.replace('core_type = "cortex-a73"\n', 'core_type = "cortex-x1"\n', 1))
    code, _, stderr = ilgov("trace", "record", "--board", board, "--out", tmp_path / "t.parquet")
    assert 2 == code
    assert "core_profiles must hold 'cortex-x1' to run on cluster 'big'" in stderr
    assert [board] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["record", "oracle"])
def test_an_output_that_cannot_be_written_is_told_before_hours_of_work(
    ilgov: Ilgov, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A folder, a file where a folder should be, a folder of somebody else's."""
    labels = ["oracle", "labels", "--traces", "none.parquet"]
    words = ["trace", "record"] if command == "record" else labels
    file = tmp_path / "file"
    file.touch()
    expected = f"ilgov: error: --out must be a file (got the folder {tmp_path})\n"
    assert Ended(2, "", expected) == ilgov(*words, "--out", tmp_path)
    below = file / "t.parquet"
    expected = f"ilgov: error: --out must lie in a folder ({file} is none) (got {below})\n"
    assert Ended(2, "", expected) == ilgov(*words, "--out", below)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    code, _, stderr = ilgov(*words, "--out", tmp_path / "new" / "t.parquet")
    assert 2 == code
    assert f"in a folder that this user may write to ({tmp_path} is not)" in stderr
    assert [file] == list(tmp_path.iterdir())


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_says_what_is_kept_and_the_same_command_goes_on(tmp_path: Path, jobs: int) -> None:
    """An old output stays until the new one is whole; nothing half-written is left."""
    out = tmp_path / "t.parquet"
    out.write_text("old")
    words = ("trace", "record", "--out", out, "--scenarios", 30, "--opps", 4, "--jobs", jobs)
    with started(*words) as command:
        command.wait_until(lambda: len(list(tmp_path.glob("*/*.parquet"))) >= 2, "two parts")
        code, _, stderr = command.send(signal.SIGINT)
        assert command.leaves_nobody()
    parts = list(tmp_path.glob("*/*"))
    lines = stderr.splitlines()
    assert (130, 2) == (code, len(lines)), stderr
    assert lines[0].endswith(f" of 30 scenarios are recorded, in {parts[0].parent}")
    assert "ilgov: interrupted; run the same command again to go on" == lines[1]
    assert "old" == out.read_text()
    assert {".parquet"} == {part.suffix for part in parts}
    with started(*words) as command:
        stdout, stderr = command.process.communicate()
    assert (0, "") == (command.process.returncode, stderr)
    assert f"{len(parts)} scenarios taken over from an earlier start" in stdout
    assert [out] == list(tmp_path.iterdir())


def test_a_traces_file_that_cannot_be_is_told_by_check(ilgov: Ilgov, tmp_path: Path) -> None:
    """A missing, an empty and another board's file; all of them are looked at."""
    missing, empty, good = (tmp_path / name for name in ("missing", "empty", "good.parquet"))
    empty.touch()
    ilgov("trace", "record", "--out", good, *SHORT)
    code, stdout, stderr = ilgov("trace", "check", missing, empty, good, "--board", "rk3588")
    assert (2, "") == (code, stderr)
    assert f"{missing}: wrong\n  must be a Parquet file (no such file)\n" in stdout
    assert f"{empty}: wrong\n  must be a Parquet file (it is empty: 0 bytes)\n" in stdout
    assert f"{good}: wrong\n  board must be 'rk3588' (got 'hikey970')\n" in stdout
    code, stdout, stderr = ilgov("trace", "check", good, "--board", "pc")
    assert (2, "") == (code, stdout)
    assert stderr.startswith("ilgov: error: board must be one of hikey960, ")


def test_progress_is_shown_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Log files of batch jobs stay readable."""
    with counted("recording", 3) as show:
        show(1)
    assert ("", "") == capsys.readouterr()
    terminal = rich.console.Console(stderr=True, force_terminal=True, width=60)
    with counted("recording", 3, console=terminal) as show:
        show(2)
    assert "recording" in (shown := capsys.readouterr().err)
    assert "2/3" in shown


def test_a_window_that_is_no_multiple_of_the_sensors_period_is_refused(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """It would be rounded behind the user's back."""
    given = ("--out", tmp_path / "t.parquet", *SHORT, "--window-s", 1.5)
    code, _, stderr = ilgov("trace", "record", *given)
    assert 2 == code
    assert "--window-s must be a whole multiple of the sensor's period of 1.0 s (got 1.5)" in stderr


def test_applications_of_ones_own_are_recorded_like_the_shipped_ones(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """A suite file is named where a suite is; in every worker process."""
    shipped = (ROOT / "platforms" / "applications" / "parsec.toml").read_text("utf-8")
    own = tmp_path / "own.toml"
    own.write_text(shipped.replace("splash2x.", "mine.").replace("parsec.", "mine."), "utf-8")
    out = tmp_path / "t.parquet"
    given = ("--out", out, *SHORT, "--jobs", 2, "--applications", own, "--held-out-share", 0)
    code, _, stderr = ilgov("trace", "record", *given)
    assert (0, "") == (code, stderr)
    names = read_table(out, kind="traces")[0]["application"].to_pylist()
    assert all(name.startswith("mine.") for name in names)
