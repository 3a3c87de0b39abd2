"""Tests of the command: what it writes, that it can be killed, and that jobs change nothing."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.started_command import StartedCommand
from tests.training.federated.toy import NAME

SMALL = ("--systems", NAME, "--rounds", "3", "--seeds", "2")
LONG = ("--systems", NAME, "--rounds", "100", "--seeds", "4", "--jobs", "2")


@pytest.fixture
def compared(ilgov: Callable[..., Any], tmp_path: Path) -> Path:
    """The folder of a small comparison."""
    assert 0 == ilgov("federated", "compare", "--out", tmp_path, *SMALL, "--jobs", 1).code
    return tmp_path


def document(out: Path) -> Any:
    """What was found."""
    return msgspec.json.decode((out / "results.json").read_bytes())


def test_results_have_all_that_was_run(compared: Path) -> None:
    """Grid, seeds, every round of every run, and the words of the protocols."""
    found = document(compared)
    assert (1, 0.95, 0.3, 0.9) == (
        found["schema"],
        found["confidence"],
        found["drop_share"],
        found["target_share"],
    )
    (system,) = found["systems"]
    assert ["toy", "one-step"] == [one["contestant"] for one in system["tuned"]]
    assert 3 == len(system["tuned"][0]["trials"])
    stages = [one["cell"]["stage"] for one in system["outcomes"]]
    assert 4 * ["final"] + 2 * ["robust"] == stages
    assert {4} == {len(one["points"]) for one in system["outcomes"]}
    assert ["summary", "quality", "cost", "robustness"] == [
        key for key in system["scenes"][0] if key not in ("name", "reference", "start", "target")
    ]
    assert ["Accuracy at the end"] == [one["title"] for one in system["tables"]]


def test_json_is_the_same_without_the_single_runs(
    ilgov: Callable[..., Any], compared: Path
) -> None:
    """For scripts that want what was found."""
    ended = ilgov("federated", "compare", "--out", compared, *SMALL, "--jobs", 1, "--json")
    expected = document(compared)
    for system in expected["systems"]:
        del system["outcomes"]
    assert expected == msgspec.json.decode(ended.stdout)


def test_the_number_of_jobs_changes_no_byte(
    ilgov: Callable[..., Any], compared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs share nothing, and results stand in the order of the plan."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[4]))
    other = tmp_path / "other"
    assert 0 == ilgov("federated", "compare", "--out", other, *SMALL, "--jobs", 3).code
    for name in ("results.json",):
        assert (compared / name).read_bytes() == (other / name).read_bytes()


def test_finished_runs_are_not_run_again(
    ilgov: Callable[..., Any], compared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command takes over what lies in cells/; more seeds add only what is missing."""
    before = {path: path.stat().st_mtime_ns for path in (compared / "cells").iterdir()}
    first = (compared / "results.json").read_bytes()
    assert 2 * (3 + 2 + 1) == len(before)
    ilgov("federated", "compare", "--out", compared, *SMALL, "--jobs", 1)
    assert first == (compared / "results.json").read_bytes()
    more = (*SMALL[:-1], "3")
    ilgov("federated", "compare", "--out", compared, *more, "--jobs", 1)
    after = {path: path.stat().st_mtime_ns for path in (compared / "cells").iterdir()}
    assert before == {path: after[path] for path in before}
    assert 2 * (3 + 3 + 2) == len(after)


def test_a_killed_comparison_goes_on_where_it_was(
    ilgov: Callable[..., Any], tmp_path: Path
) -> None:
    """Kill -9 in the middle of it: what was finished stays, the result is that of a whole run."""
    out, whole = tmp_path / "killed", tmp_path / "whole"
    started = StartedCommand("federated", "compare", "--out", out, *LONG)
    try:
        started.wait_until(lambda: len(list(out.glob("cells/*.json"))) >= 5, "five runs")
        started.process.send_signal(signal.SIGKILL)
        assert started.leaves_nobody()
    finally:
        started.kill()
    assert not (out / "results.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("cells/*.json")}
    assert 5 <= len(kept) < 18
    for folder in (out, whole):
        assert 0 == ilgov("federated", "compare", "--out", folder, *LONG[:-1], 1).code
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert (whole / "results.json").read_bytes() == (out / "results.json").read_bytes()


def test_tables_and_report_say_how_they_were_made(compared: Path) -> None:
    """Who reads one of them can make it again."""
    command = f"ilgov federated compare --out {compared} --systems {NAME}"
    assert command in (compared / "tables.md").read_text()
    assert command in (compared / "report.html").read_text()


def test_the_terminal_shows_the_overview(ilgov: Callable[..., Any], tmp_path: Path) -> None:
    """And where the rest is."""
    ended = ilgov("federated", "compare", "--out", tmp_path, *SMALL, "--jobs", 1)
    for text in ("one-step", "plane", f"report:  {tmp_path / 'report.html'}", "s of CPU"):
        assert text in ended.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--systems", "nosuch"), "system must be one of"),
        (("--systems", ""), "--systems must be 'all' or names"),
        (("--systems", NAME, "--seeds", 0), "--seeds must"),
        (("--systems", NAME, "--jobs", 0), "--jobs must"),
    ],
)
def test_a_wrong_command_line_is_refused_before_work(
    ilgov: Callable[..., Any], tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    """In words, with exit code 2."""
    ended = ilgov("federated", "compare", "--out", tmp_path / "out", *words)
    assert 2 == ended.code
    assert message in ended.stderr
    assert not (tmp_path / "out").exists()
