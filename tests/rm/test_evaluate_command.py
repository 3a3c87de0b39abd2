"""Tests of ``ilgov evaluate`` as a user runs it: what it prints, refuses and leaves untouched."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from rm.evaluation.results import read_results
from tests.conftest import Ended
from tests.started_command import started

Ilgov = Callable[..., Ended]

ROOT = Path(__file__).parents[2]
PLAIN = ("--policies", "gts-ondemand,gts-powersave", "--cooling", "fan")
SHORT = (*PLAIN, "--duration-s", 5, "--arrivals", 3, "--interarrival-s", 1, "--jobs", 1)
FILES = ["applications.parquet", "episodes.parquet", "report.html", "timeline.parquet"]


def test_it_writes_results_and_a_report_and_prints_a_table(ilgov: Ilgov, tmp_path: Path) -> None:
    """The report says how it was made."""
    out = tmp_path / "new" / "folder"
    code, stdout, stderr = ilgov("evaluate", "--out", out, *SHORT, "--seeds", 2, "--seed-start", 7)
    assert (0, "") == (code, stderr)
    assert FILES == sorted(path.name for path in out.iterdir())
    outcomes = read_results(out)
    assert [(policy, seed) for policy in ("gts-ondemand", "gts-powersave") for seed in (7, 8)] == [
        (outcome.policy, outcome.seed) for outcome in outcomes
    ]
    assert "gts-powersave" in stdout
    assert f"report:  {out}/report.html\n" in stdout
    assert "--seed-start 7" in (out / "report.html").read_text()


def test_another_number_of_processes_gives_the_same_bytes(ilgov: Ilgov, tmp_path: Path) -> None:
    """Results and report alike; only the folder's name is told in it."""
    for jobs in (1, 2):
        words = ("evaluate", "--out", tmp_path / "same", *SHORT, "--seeds", 2, "--jobs", jobs)
        assert 0 == ilgov(*words).code
        (tmp_path / "same").rename(tmp_path / str(jobs))
    for name in FILES:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_json_holds_the_summary_and_nothing_else(ilgov: Ilgov, tmp_path: Path) -> None:
    """Machines read stdout."""
    words = ("--seeds", 2, "--json", "--policies", "gts-powersave")
    code, stdout, stderr = ilgov("evaluate", "--out", tmp_path, *SHORT, *words)
    assert (0, "") == (code, stderr)
    assert json.loads(stdout)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--board", "pc"], "board must be one of hikey960, hikey970, rk3588, or the path of a "),
        (["--cooling", "water"], "--cooling must be one of fan, passive, passive-35 (got 'water')"),
        (["--policies", "doom"], "policy must be one of gts-ondemand, "),
        (["--policies", "topil"], "topil needs a network: give --policy-file policy.onnx"),
        (["--policies", ""], "policy must be one of gts-ondemand, "),
        (
            ["--applications", "doom"],
            "application must be a suite (cbench, parsec), a suite file (.toml) or ",
        ),
        (["--seeds", "0"], "--seeds must lie in 1 ... 100000 (got 0)"),
        (["--seed-start", "-1"], "--seed-start must lie in 0 ... 2147483648 (got -1)"),
        (["--duration-s", "0"], "--duration-s must lie in 1.0 ... 1000000.0 (got 0.0)"),
        (["--duration-s", "nan"], "--duration-s must lie in 1.0 ... 1000000.0 (got nan)"),
        (["--start-temp-c", "200"], "--start-temp-c must lie in -20.0 ... 120.0 (got 200.0)"),
        (["--arrivals", "0"], "--arrivals must lie in 1 ... 10000 (got 0)"),
        (["--interarrival-s", "-1"], "--interarrival-s must lie in 0.0 ... 100000.0 (got -1.0)"),
        (["--variation", "1"], "--variation must lie in 0.0 ... 0.9 (got 1.0)"),
        (["--jobs", "0"], "--jobs must lie in 1 ... 10000 (got 0)"),
        (
            ["--lowest-target", "0.5", "--highest-target", "0.4"],
            "--lowest-target must not exceed --highest-target (got 0.5 and 0.4)",
        ),
        (
            ["--shortest-work-s", "20", "--longest-work-s", "10"],
            "--shortest-work-s must not exceed --longest-work-s (got 20.0 and 10.0)",
        ),
        (
            ["--policies", "gts-ondemand,topil", "--policy-file", "none.onnx"],
            "none.onnx: must be a policy file (no such file); 'ilgov train' writes such files",
        ),
        (
            ["--policies", "topil", "--policy-file", str(ROOT / "pyproject.toml")],
            f"{ROOT / 'pyproject.toml'}: ",
        ),
    ],
)
def test_what_cannot_work_is_told_in_one_line(
    ilgov: Ilgov, tmp_path: Path, words: list[str], message: str
) -> None:
    """And the results that stood there are still there."""
    (tmp_path / "episodes.parquet").write_text("mine")
    code, stdout, stderr = ilgov("evaluate", "--out", tmp_path, *PLAIN, *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message}")
    assert 1 == stderr.count("\n")
    assert "mine" == (tmp_path / "episodes.parquet").read_text()
    assert 1 == len(list(tmp_path.iterdir()))


def test_an_application_that_the_board_cannot_run_is_told(ilgov: Ilgov, tmp_path: Path) -> None:
    """A new board's core type needs a stand-in, or profiles of its own."""
    text = (ROOT / "platforms" / "boards" / "hikey970.toml").read_text()
    board = tmp_path / "board.toml"
    board.write_text(text.replace('core_type = "cortex-a73"\n', 'core_type = "cortex-x1"\n', 1))
    code, _, stderr = ilgov("evaluate", "--board", board, "--out", tmp_path / "new", *SHORT)
    assert 2 == code
    assert "core_profiles must hold 'cortex-x1' to run on cluster 'big'" in stderr
    assert [board] == list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    ilgov: Ilgov, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after a night of simulation."""
    file = tmp_path / "file"
    file.touch()
    for out in (file, file / "below"):
        expected = f"ilgov: error: --out must lie in a folder ({file} is none) (got {out})\n"
        assert Ended(2, "", expected) == ilgov("evaluate", "--out", out, *PLAIN)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    code, _, stderr = ilgov("evaluate", "--out", tmp_path, *PLAIN)
    assert 2 == code
    assert "must lie in a folder that this user may write to" in stderr


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_leaves_the_old_results_and_nothing_else(tmp_path: Path, jobs: int) -> None:
    """No half comparison, no process that goes on computing."""
    (tmp_path / "episodes.parquet").write_text("old")
    words = ("evaluate", "--out", tmp_path, *PLAIN, "--seeds", 300, "--jobs", jobs)
    with started(*words) as command:
        command.wait_until(lambda: _works(command.process.pid, jobs), "the episodes")
        code, stdout, stderr = command.send(signal.SIGINT)
        assert command.leaves_nobody()
    assert (130, "") == (code, stdout)
    assert "ilgov: interrupted; run the same command again to go on\n" == stderr
    assert "old" == (tmp_path / "episodes.parquet").read_text()
    assert 1 == len(list(tmp_path.iterdir()))


def _works(process: int, jobs: int) -> bool:
    """Whether the episodes' processes have computed for longer than loading libraries takes."""
    parent = psutil.Process(process)
    working = parent.children() if jobs > 1 else [parent]
    times = [child.cpu_times() for child in working]
    return sum(spent.user + spent.system for spent in times) > 1.5 * jobs
