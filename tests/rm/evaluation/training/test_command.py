"""Tests of ``ilgov evaluate --scenario training`` as a user runs it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rm.evaluation.training.results import read_training_results
from tests.conftest import Ended

Ilgov = Callable[..., Ended]

SHORT = (
    *("evaluate", "--scenario", "training", "--policies", "none,nice", "--cooling", "fan"),
    *("--duration-s", 25, "--seeds", 2, "--seed-start", 7, "--jobs", 1, "--training", "tiny-4"),
    *("--arrivals", 2, "--interarrival-s", 2, "--round-first-s", 1),
    *("--round-shortest-s", 5, "--round-longest-s", 8),
)
FILES = [
    "applications.parquet",
    "report.html",
    "training_episodes.parquet",
    "training_rounds.parquet",
    "training_timeline.parquet",
]


def test_it_writes_results_and_a_report_and_prints_tables(ilgov: Ilgov, tmp_path: Path) -> None:
    """The report says how it was made; nothing unfinished stays behind."""
    out = tmp_path / "new"
    code, stdout, stderr = ilgov(*SHORT, "--out", out)
    assert (0, "") == (code, stderr)
    assert FILES == sorted(path.name for path in out.iterdir())
    runs = [(o.policy, o.seed) for o in read_training_results(out)]
    assert [(policy, seed) for policy in ("none", "nice") for seed in (7, 8)] == runs
    assert "limit 40.0 °C" in stdout
    assert "minus nice, fan" in stdout
    text = (out / "report.html").read_text()
    assert "--round-first-s 1.0" in text
    assert "--scenario training" in text
    assert "--judge-s" not in text


def test_json_holds_the_summary_and_nothing_else(ilgov: Ilgov, tmp_path: Path) -> None:
    """Machines read stdout."""
    code, stdout, _ = ilgov(*SHORT, "--out", tmp_path, "--json", "--temp-limit-c", 33)
    assert 0 == code
    document = json.loads(stdout)
    assert ("training", "tiny-4", "simulated") == (
        document["scenario"],
        document["training"],
        document["temperatures"],
    )
    assert {"none", "nice"} == {row["policy"] for row in document["summary"]}
    assert {33.0} == {row["limit_c"] for row in document["summary"]}
    assert {"nice", "none"} == {row["reference"] for row in document["differences"]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--plant", "hikey960"), "--plant must not stand beside --scenario training"),
        (("--generalisation",), "--generalisation must not stand beside --scenario training"),
        (("--policies", "topil"), "training policy must be one of "),
        (("--training", "gpt"), "training must be one of "),
        (("--round-longest-s", 2), "--round-shortest-s must not exceed --round-longest-s"),
        (("--temp-limit-c", 400), "--temp-limit-c must lie in"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(
    ilgov: Ilgov, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    """Before anything is written."""
    code, stdout, stderr = ilgov(*SHORT, "--out", tmp_path / "new", *words)
    assert (2, "") == (code, stdout)
    assert stderr.startswith(f"ilgov: error: {message}")
    assert 1 == stderr.count("\n")
    assert [] == list(tmp_path.iterdir())
