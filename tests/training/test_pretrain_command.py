"""Tests of ``ilgov train-toprl``: a table and its report, and what it refuses."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from platforms.application_file import find_applications
from platforms.board_file import load_board
from rm.evaluation.episode import EpisodeSetup, run_episode
from rm.policies.q_table import read_q_table
from rm.policies.shipped_files import shipped
from traces.schema import applications_digest, board_digest

ROOT = Path(__file__).parents[2]
QUICK = ("--episodes", 2, "--duration-s", 30, "--validation-episodes", 1, "--jobs", 1)

Ilgov = Callable[..., Any]


def test_a_table_and_a_report_are_written(ilgov: Ilgov, tmp_path: Path) -> None:
    """The report holds the learning curve, the table what it was learnt with."""
    out = tmp_path / "new" / "table.npz"
    ended = ilgov("train-toprl", "--out", out, *QUICK)
    assert (0, "") == (ended.code, ended.stderr)
    assert f"wrote {out} ({out.stat().st_size} bytes)" in ended.stdout
    report = json.loads((tmp_path / "new" / "table.training.json").read_text())
    assert [0, 1, 2] == [point["episodes"] for point in report["curve"]]
    assert f"{report['curve'][-1]['mean_temp_c']:.2f}" in ended.stdout
    table = read_q_table(out)
    assert list(table.metadata.applications) == report["metadata"]["applications"]
    assert 0 < report["states_visited"] < report["states"] == len(table.values)


def test_applications_are_split_as_the_recorder_splits_them(ilgov: Ilgov, tmp_path: Path) -> None:
    """Both learners know the same programs, and PARSEC is known to neither."""
    ended = ilgov("train-toprl", "--out", tmp_path / "t.npz", *QUICK, "--json")
    report = json.loads(ended.stdout)
    recorded = ilgov(
        *("trace", "record", "--out", tmp_path / "traces.parquet"),
        *("--scenarios", 1, "--opps", 2, "--max-background", 0, "--window-s", 1, "--jobs", 1),
    )
    held_out = recorded.stdout.partition("held out for validation: ")[2].splitlines()[0]
    assert held_out.split(", ") == report["validation_applications"]
    cbench = {profile.name for profile in find_applications(["cbench"])}
    assert cbench == {*report["metadata"]["applications"], *report["validation_applications"]}


def test_the_same_command_writes_the_same_bytes(ilgov: Ilgov, tmp_path: Path) -> None:
    """With one worker process and with two."""
    for jobs in (1, 2):
        out = tmp_path / str(jobs) / "t.npz"
        assert 0 == ilgov("train-toprl", "--out", out, *QUICK, "--jobs", jobs).code
    for name in ("t.npz", "t.training.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_constants_go_into_the_table(ilgov: Ilgov, tmp_path: Path) -> None:
    """They are what the policy goes on learning with."""
    out = tmp_path / "t.npz"
    words = ("--learning-rate", 0.1, "--exploration", 0.02, "--validation-episodes", 0)
    assert 0 == ilgov("train-toprl", "--out", out, *QUICK, *words).code
    constants = read_q_table(out).metadata.parameters
    assert (0.1, 0.02, 0.8) == (
        constants.learning_rate,
        constants.exploration,
        constants.discount,
    )
    assert [] == json.loads((tmp_path / "t.training.json").read_text())["curve"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "table.onnx"), "--out must be a file that ends in .npz (got table.onnx)"),
        (("--episodes", 0), "--episodes must lie in 1 ... 1000000 (got 0)"),
        (("--discount", 1), "--discount must lie in 0.0 ... 0.999 (got 1.0)"),
        (("--exploration", -1), "--exploration must lie in 0.0 ... 1.0 (got -1.0)"),
        (("--training-exploration", 2), "--training-exploration must lie in 0.0 ... 1.0 (got 2.0)"),
        (("--cooling", "ice"), "(got 'ice')"),
        (("--applications", "bzip2e"), "--applications must name two or more"),
        (("--board", "none"), "none"),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    ilgov: Ilgov, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    """Before any time is spent; nothing is written."""
    ended = ilgov("train-toprl", "--out", tmp_path / "t.npz", *QUICK, *words)
    assert 2 == ended.code
    assert message in ended.stderr
    assert [] == list(tmp_path.iterdir())


def test_a_cooling_setup_that_changes_is_not_trained_with(ilgov: Ilgov, tmp_path: Path) -> None:
    """A fan that fails is for comparisons; the agents are taught under one that lasts."""
    changing = [setup.name for setup in load_board("hikey970").cooling if setup.then is not None]
    for name in changing:
        ended = ilgov("train-toprl", "--out", tmp_path / "t.npz", *QUICK, "--cooling", name)
        assert 2 == ended.code
        assert name not in ended.stderr.partition("(got")[0]


def test_the_policy_runs_with_a_new_table(ilgov: Ilgov, tmp_path: Path) -> None:
    """On a board for which none is shipped."""
    table = tmp_path / "rk3588.npz"
    assert 0 == ilgov("train-toprl", "--board", "rk3588", "--out", table, *QUICK).code
    setup = EpisodeSetup(
        board=load_board("rk3588"),
        cooling="passive",
        policy="toprl",
        seed=0,
        profiles=find_applications(["parsec"]),
        policy_file=table,
        duration_s=60.0,
    )
    assert run_episode(setup).migrations > 0


def test_the_shipped_table_is_what_the_command_makes() -> None:
    """By its defaults, for today's board and applications; if this fails, train it again."""
    path = shipped("toprl-hikey970.npz")
    assert path is not None
    said = read_q_table(path).metadata
    board = load_board("hikey970")
    known = [p for p in find_applications(["cbench"]) if p.name in said.applications]
    assert board_digest(board) == said.board_sha256
    assert applications_digest(known) == said.applications_sha256
    assert ("fan", 15) == (said.cooling, len(known))
    assert {"episodes": 1600, "exploration": 0.3, "seed": 0, "duration_s": 600.0} == said.training
    assert path.stat().st_size < 50_000


def test_the_help_names_defaults_and_units(ilgov: Ilgov) -> None:
    """The help text is the manual."""
    printed = ilgov("train-toprl", "--help").stdout
    for text in ("[1600]", "[0.05]", "[0.8]", "[0.1]", "[80.0]", "[-200.0]", "degC", "seconds"):
        assert text in printed


def test_importing_the_command_imports_no_heavy_library() -> None:
    """`ilgov --help` configures every command."""
    code = (
        "import argparse, sys; from training.reinforcement.command import configure;"
        "configure(argparse.ArgumentParser());"
        "sys.exit(bool({'torch', 'onnx', 'rich', 'pyarrow', 'scipy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
