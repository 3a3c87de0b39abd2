"""Tests of ``ilgov evaluate`` as a user runs it: what it prints, refuses and leaves untouched."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from platforms.board_file import load_board
from rm.evaluation import generalisation
from rm.evaluation.results import read_results
from rm.policies.registry import policy_names
from tests.conftest import Ended
from tests.started_command import started

Ilgov = Callable[..., Ended]

ROOT = Path(__file__).parents[2]
PLAIN = ("--policies", "gts-ondemand,gts-powersave", "--cooling", "fan")
SHORT = (*PLAIN, "--duration-s", 5, "--arrivals", 3, "--interarrival-s", 1, "--jobs", 1)
RESULTS = ["applications.parquet", "episodes.parquet", "timeline.parquet"]
FILES = sorted([*RESULTS, "report.html", "timings.json"])
WALL_TIMES = re.compile(r'<section id="decision-time">.*?</section>', re.DOTALL)


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
    """Results and report alike, but for the wall times in it; the folder's name is told there."""
    pages = []
    for jobs in (1, 2):
        words = ("evaluate", "--out", tmp_path / "same", *SHORT, "--seeds", 2, "--jobs", jobs)
        assert 0 == ilgov(*words).code
        (tmp_path / "same").rename(tmp_path / str(jobs))
        pages.append((tmp_path / str(jobs) / "report.html").read_text())
    for name in RESULTS:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name
    assert 1 == len(WALL_TIMES.findall(pages[0]))
    assert WALL_TIMES.sub("", pages[0]) == WALL_TIMES.sub("", pages[1])


def test_wall_times_have_a_file_of_their_own(ilgov: Ilgov, tmp_path: Path) -> None:
    """As multiples of something measured in the same run; results do not differ from run to run."""
    assert 0 == ilgov("evaluate", "--out", tmp_path, *SHORT, "--seeds", 1).code
    document = json.loads((tmp_path / "timings.json").read_text())
    assert ["gts-ondemand", "gts-powersave"] == [row["policy"] for row in document["policies"]]
    for row in document["policies"]:
        assert 0 < row["migrate_median_ms"] <= row["migrate_p99_ms"] < 1e3
        ratio = row["migrate_median_ms"] / row["reference_median_ms"]
        assert pytest.approx(ratio) == row["migrate_median_ratio"]
    assert "numpy forward pass" in document["reference"]


def test_json_holds_the_summary_and_nothing_else(ilgov: Ilgov, tmp_path: Path) -> None:
    """Machines read stdout."""
    words = ("--seeds", 2, "--json", "--policies", "gts-powersave")
    code, stdout, stderr = ilgov("evaluate", "--out", tmp_path, *SHORT, *words)
    assert (0, "") == (code, stderr)
    document = json.loads(stdout)
    assert 2 == document["schema"]
    assert {"summary", "differences", "regret", "generalisation", "decision_times"} < set(document)


def test_all_takes_every_policy_that_can_be_had_and_every_cooling_setup(
    ilgov: Ilgov, tmp_path: Path
) -> None:
    """Who cannot is named with the reason, and the others are compared."""
    words = ("--policies", "all", "--cooling", "all", "--seeds", 1, "--duration-s", 2, "--json")
    without = ("--policy-file", "topil=none.onnx", "--arrivals", 2)
    code, stdout, stderr = ilgov("evaluate", "--out", tmp_path, *words, *without)
    assert 0 == code
    ran = {row["policy"] for row in json.loads(stdout)["summary"]}
    left_out = {line.split(": ")[1] for line in stderr.splitlines()}
    assert set(policy_names()) == ran | left_out
    assert not ran & left_out
    assert {"gts-ondemand", "little-first", "oracle"} <= ran
    assert "left out: topil: none.onnx: must be a policy file (no such file)" in stderr
    coolings = {outcome.cooling for outcome in read_results(tmp_path)}
    assert {setup.name for setup in load_board("hikey970").cooling} == coolings


def test_regret_and_right_decisions_come_with_the_oracle(ilgov: Ilgov, tmp_path: Path) -> None:
    """Paired over seeds, per cooling and over all; the oracle has none to itself."""
    words = ("--policies", "gts-ondemand,oracle", "--cooling", "fan,passive", "--seeds", 2)
    code, stdout, _ = ilgov("evaluate", "--out", tmp_path, *SHORT, *words, "--json", "--judge-s", 1)
    document = json.loads(stdout)
    assert 0 == code
    expected = [("gts-ondemand", "fan"), ("gts-ondemand", "passive"), ("gts-ondemand", None)]
    assert expected == [(row["policy"], row["cooling"]) for row in document["regret"]]
    for row in document["regret"]:
        assert row["regret_k"]["low"] <= row["regret_k"]["mean"] <= row["regret_k"]["high"]
    for row in document["summary"]:
        assert 5 <= row["judged"] <= 10
        assert 0.0 <= row["within_share"]["mean"] <= 1.0


def test_generalisation_has_its_own_table_and_results(
    ilgov: Ilgov, tmp_path: Path, trained_policy: str
) -> None:
    """Each change alone, and all together; every condition's episodes can be looked into."""
    words = ("--policies", f"{trained_policy},gts-ondemand,oracle", "--cooling", "fan,passive")
    more = ("--generalisation", "--json", "--seeds", 2)
    code, stdout, stderr = ilgov("evaluate", "--out", tmp_path, *SHORT, *words, *more)
    assert (0, "") == (code, stderr)
    rows = json.loads(stdout)["generalisation"]
    assert {trained_policy} == {row["policy"] for row in rows}
    found = [row["condition"] for row in rows]
    kinds = [(c["applications"], c["coolings"], c["rate_factor"]) for c in found]
    assert [
        (["cbench"], ["fan"], 1.0),
        (["parsec"], ["fan"], 1.0),
        (["cbench"], ["passive"], 1.0),
        (["cbench"], ["fan"], 2.0),
        (["parsec"], ["passive"], 1.0),
        (["parsec"], ["passive"], 2.0),
    ] == kinds
    assert [None] == [row["more_than_seen_k"] for row in rows[:1]]
    assert all(row["regret_k"]["n"] == 2 for row in rows)
    faster = read_results(tmp_path / "generalisation" / "unseen-arrival-rate")
    assert {trained_policy, "oracle"} == {outcome.policy for outcome in faster}
    assert {6} == {len(outcome.applications) for outcome in faster}
    assert "<h2>Generalisation</h2>" in (tmp_path / "report.html").read_text()


@pytest.fixture
def trained_policy(monkeypatch: pytest.MonkeyPatch) -> str:
    """A policy that counts as trained and needs no network: what is tested is the comparison."""
    monkeypatch.setattr(generalisation, "TRAINED", ("little-first",))
    return "little-first"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--board", "pc"], "board must be one of hikey960, hikey970, "),
        (
            ["--cooling", "water"],
            "--cooling must be one of fan, passive, passive-35, heatsink, fan",
        ),
        (["--cooling", ""], "--cooling must be one of fan, passive, passive-35, heatsink, "),
        (["--policies", "doom"], "policy must be one of eas-schedutil, "),
        (["--policies", ""], "policy must be one of eas-schedutil, "),
        (["--judge-s", "-1"], "--judge-s must lie in 0.0 ... 1000000.0 (got -1.0)"),
        (
            ["--policy-file", "a.onnx", "--policy-file", "b.onnx"],
            "--policy-file must name the policy, as in topil=PATH, from the second file on ",
        ),
        (
            ["--policy-file", "topil=a.onnx", "--policy-file", "topil=b.onnx"],
            "--policy-file must be given once for topil (got topil=b.onnx)",
        ),
        (
            ["--generalisation", "--policies", "topil,oracle", "--cooling", "fan"],
            "--generalisation needs a --cooling other than fan, which training saw (got fan)",
        ),
        (
            ["--generalisation", "--policies", "gts-qos,oracle", "--cooling", "passive"],
            "--generalisation needs oracle and a trained policy (ilgov, topil, toprl) among ",
        ),
        (
            ["--generalisation", "--cooling", "passive", "--applications", "cbench"],
            "--generalisation needs --applications other than cbench, which training saw (got ",
        ),
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
def test_ctrl_c_leaves_the_old_results_and_the_finished_episodes(tmp_path: Path, jobs: int) -> None:
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
    assert {"episodes.parquet", "unfinished"} >= {path.name for path in tmp_path.iterdir()}
    kept = [path.name for path in tmp_path.glob("unfinished/*")]
    assert [] == [name for name in kept if not name.endswith(".msgpack")]


def test_who_is_killed_goes_on_with_what_was_finished(ilgov: Ilgov, tmp_path: Path) -> None:
    """With the same results as if nothing had happened."""
    words = (*PLAIN, "--seeds", 4, "--duration-s", 120, "--jobs", 2)
    unfinished = tmp_path / "killed" / "unfinished"
    with started("evaluate", "--out", tmp_path / "killed", *words) as command:
        command.wait_until(lambda: len(list(unfinished.glob("*.msgpack"))) > 1, "two episodes")
        command.send(signal.SIGKILL)
    before = {path: path.stat().st_mtime_ns for path in unfinished.glob("*.msgpack")}
    with started("evaluate", "--out", tmp_path / "killed", *words) as command:
        command.wait_until(lambda: len(list(unfinished.glob("*.msgpack"))) > len(before), "more")
        command.send(signal.SIGKILL)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    for name in ("killed", "whole"):
        assert 0 == ilgov("evaluate", "--out", tmp_path / name, *words).code
    assert FILES == sorted(path.name for path in (tmp_path / "killed").iterdir())
    for name in RESULTS:
        whole = (tmp_path / "whole" / name).read_bytes()
        assert whole == (tmp_path / "killed" / name).read_bytes(), name


def _works(process: int, jobs: int) -> bool:
    """Whether the episodes' processes have computed for longer than loading libraries takes."""
    parent = psutil.Process(process)
    working = parent.children() if jobs > 1 else [parent]
    times = [child.cpu_times() for child in working]
    return sum(spent.user + spent.system for spent in times) > 1.5 * jobs
