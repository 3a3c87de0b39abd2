"""The whole way, as a newcomer walks it: record, search, train, compare; and what comes after."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rm.evaluation.results import read_results
from tests.conftest import Ended
from traces.numeric_threads import ONE_NUMERIC_THREAD
from traces.store import read_table

Ilgov = Callable[..., Ended]

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def demo(out: Path) -> str:
    """Run the quick demo in a process of its own; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "rm.main", "demo", "--quick", "--out", str(out), "--jobs", "2"],
        cwd=ROOT,
        env=os.environ | ONE_NUMERIC_THREAD,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a quick demo."""
    out = tmp_path_factory.mktemp("whole-way") / "demo"
    assert f"report: {out}/evaluation/report.html\n" in demo(out)
    return out


def test_every_step_leaves_its_output(walked: Path) -> None:
    """Each can be looked into, and nothing half-made lies about."""
    assert read_table(walked / "traces.parquet", kind="traces")[0].num_rows > 100
    assert read_table(walked / "demonstrations.parquet", kind="demonstrations")[0].num_rows > 1000
    assert (walked / "policy.onnx").stat().st_size > 1000
    assert "<html" in (walked / "evaluation" / "report.html").read_text()[:500]
    names = [path.name for path in walked.rglob("*")]
    assert [] == [name for name in names if ".part" in name and not name.endswith(".parquet")]


def test_the_learnt_policy_is_cooler_than_linux_and_serves_nearly_all(walked: Path) -> None:
    """In every single episode, even after the shortest of trainings."""
    outcomes = read_results(walked / "evaluation")
    by_run = {(o.policy, o.cooling, o.seed): o for o in outcomes}
    ours = [outcome for outcome in outcomes if outcome.policy == "topil"]
    assert len(ours) >= 2
    for outcome in ours:
        assert (
            outcome.mean_temp_c < by_run["gts-ondemand", outcome.cooling, outcome.seed].mean_temp_c
        )
    missed = [app.missed for outcome in ours for app in outcome.applications if app.attainable]
    assert np.mean(missed) < 0.1


def test_the_oracle_serves_more_and_is_cooler_still(walked: Path) -> None:
    """Otherwise the policy would imitate the wrong thing."""
    outcomes = read_results(walked / "evaluation")

    def mean(policy: str) -> tuple[float, float]:
        chosen = [outcome for outcome in outcomes if outcome.policy == policy]
        missed = [app.missed for outcome in chosen for app in outcome.applications]
        return float(np.mean(missed)), float(np.mean([o.mean_temp_c for o in chosen]))

    (oracle_misses, oracle_c), (our_misses, our_c) = mean("oracle"), mean("topil")
    assert oracle_misses <= our_misses
    assert oracle_c < our_c


def test_a_second_walk_keeps_everything(walked: Path) -> None:
    """It takes no time and changes no file."""
    before = {path: path.stat().st_mtime_ns for path in walked.rglob("*.*")}
    outputs = {"traces.parquet", "demonstrations.parquet", "policy.onnx", "evaluation"}
    stdout = demo(walked)
    kept = {Path(line.split()[1]).name for line in stdout.splitlines() if line.startswith("kept: ")}
    assert outputs <= kept
    assert before == {path: path.stat().st_mtime_ns for path in walked.rglob("*.*")}


def test_the_policy_is_refused_on_another_board(walked: Path, ilgov: Ilgov, tmp_path: Path) -> None:
    """Its features and cores are those of the board that it was trained for."""
    words = ("--board", "rk3588", "--policies", "topil", "--policy-file", walked / "policy.onnx")
    code, stdout, stderr = ilgov("evaluate", *words, "--cooling", "fan", "--out", tmp_path / "new")
    assert (2, "") == (code, stdout)
    assert f"{walked / 'policy.onnx'}: board must be 'rk3588' (got 'hikey970')" in stderr
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--demonstrations", "none"], "none: must be a Parquet file (no such file)"),
        (["--demonstrations", "traces.parquet"], "traces.parquet: kind must be 'demonstrations' "),
        (["--out", "evaluation"], "--out must be a file that ends in .onnx (got evaluation)"),
        (["--seeds", "0"], "--seeds must be 1 or more (got 0)"),
        (["--validation-applications", "doom"], "validation applications must be out of "),
    ],
)
def test_what_cannot_be_trained_is_told_in_one_line(
    walked: Path, ilgov: Ilgov, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    """And the policy that stood there is still there."""
    monkeypatch.chdir(walked)
    before = (walked / "policy.onnx").read_bytes()
    given = ("--demonstrations", "demonstrations.parquet", "--out", "policy.onnx")
    code, stdout, stderr = ilgov("train", *given, *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message}")
    assert 1 == stderr.count("\n")
    assert before == (walked / "policy.onnx").read_bytes()
