"""The whole way, as a newcomer walks it: record, search, train, compare; and what comes after."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from rm.evaluation.outcome import EpisodeOutcome
from rm.evaluation.results import read_results
from rm.main import main
from tests.conftest import Ended
from traces.numeric_threads import ONE_NUMERIC_THREAD
from traces.store import read_table

Ilgov = Callable[..., Ended]

ROOT = Path(__file__).parents[1]


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


@pytest.mark.slow
def test_the_quick_demo_walks_the_whole_way_and_keeps_it(tmp_path: Path) -> None:
    """One walk, looked at from all sides: it takes too long for several."""
    out = tmp_path / "demo"
    assert f"report: {out}/evaluation/report.html\n" in demo(out)
    check_outputs(out)
    outcomes = read_results(out / "evaluation")
    check_that_the_policy_is_cooler_than_linux_and_serves_nearly_all(outcomes)
    check_that_the_oracle_serves_no_less_and_is_cooler_still(outcomes)
    check_that_a_second_walk_keeps_everything(out)


def check_outputs(out: Path) -> None:
    """Each step's can be looked into, and nothing half-made lies about."""
    assert read_table(out / "traces.parquet", kind="traces")[0].num_rows > 100
    assert read_table(out / "demonstrations.parquet", kind="demonstrations")[0].num_rows > 1000
    assert (out / "policy.onnx").stat().st_size > 1000
    assert "<html" in (out / "evaluation" / "report.html").read_text()[:500]
    names = [path.name for path in out.rglob("*")]
    assert [] == [name for name in names if ".part" in name and not name.endswith(".parquet")]


def check_that_the_policy_is_cooler_than_linux_and_serves_nearly_all(
    outcomes: Sequence[EpisodeOutcome],
) -> None:
    """In every single episode, even after the shortest of trainings."""
    linux = {(o.cooling, o.seed): o for o in outcomes if o.policy == "gts-ondemand"}
    ours = [outcome for outcome in outcomes if outcome.policy == "topil"]
    assert len(ours) >= 2
    for outcome in ours:
        assert outcome.mean_temp_c < linux[outcome.cooling, outcome.seed].mean_temp_c
    missed = [app.missed for outcome in ours for app in outcome.applications if app.attainable]
    assert np.mean(missed) < 0.1


def check_that_the_oracle_serves_no_less_and_is_cooler_still(
    outcomes: Sequence[EpisodeOutcome],
) -> None:
    """Otherwise the policy would imitate the wrong thing."""

    def mean(policy: str) -> tuple[float, float]:
        chosen = [outcome for outcome in outcomes if outcome.policy == policy]
        missed = [app.missed for outcome in chosen for app in outcome.applications]
        return float(np.mean(missed)), float(np.mean([o.mean_temp_c for o in chosen]))

    (oracle_misses, oracle_c), (our_misses, our_c) = mean("oracle"), mean("topil")
    assert oracle_misses <= our_misses
    assert oracle_c < our_c


def check_that_a_second_walk_keeps_everything(out: Path) -> None:
    """It takes no time and changes no file."""
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}
    stdout = demo(out)
    kept = {Path(line.split()[1]).name for line in stdout.splitlines() if line.startswith("kept: ")}
    assert {"traces.parquet", "demonstrations.parquet", "policy.onnx", "evaluation"} <= kept
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.*")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with traces, demonstrations and a hardly trained policy of the reference board."""
    folder = tmp_path_factory.mktemp("trained")
    traces, demos, policy = (
        str(folder / name) for name in ("traces.parquet", "demonstrations.parquet", "policy.onnx")
    )
    record = ["trace", "record", "--out", traces, "--scenarios", "6", "--opps", "2", "--jobs", "1"]
    assert 0 == main(record)
    assert 0 == main(["oracle", "labels", "--traces", traces, "--out", demos])
    train = ["train", "--demonstrations", demos, "--out", policy, "--seeds", "1", "--epochs", "1"]
    assert 0 == main(train)
    return folder


def test_a_policy_is_refused_on_another_board(trained: Path, ilgov: Ilgov, tmp_path: Path) -> None:
    """Its features and cores are those of the board that it was trained for."""
    policy = trained / "policy.onnx"
    words = ("--board", "rk3588", "--policies", "topil", "--policy-file", policy)
    code, stdout, stderr = ilgov("evaluate", *words, "--cooling", "fan", "--out", tmp_path / "new")
    assert (2, "") == (code, stdout)
    assert f"{policy}: board must be 'rk3588' (got 'hikey970')" in stderr
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--demonstrations", "none"], "none: must be a Parquet file (no such file)"),
        (["--demonstrations", "traces.parquet"], "traces.parquet: kind must be 'demonstrations' "),
        (["--out", "traces.parquet"], "--out must be a file that ends in .onnx (got traces.parq"),
        (["--seeds", "0"], "--seeds must "),
        (["--validation-applications", "doom"], "validation applications must be out of "),
    ],
)
def test_what_cannot_be_trained_is_told_in_one_line(
    trained: Path, ilgov: Ilgov, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    """And the policy that stood there is still there."""
    monkeypatch.chdir(trained)
    before = Path("policy.onnx").read_bytes()
    given = ("--demonstrations", "demonstrations.parquet", "--out", "policy.onnx")
    code, stdout, stderr = ilgov("train", *given, *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message}")
    assert 1 == stderr.count("\n")
    assert before == Path("policy.onnx").read_bytes()
