"""Tests of ``ilgov federated run``: what it writes, what it refuses, and how it goes on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.federated.engine.awkward import NAME
from tests.training.federated.toy import FLEET

WORDS = ("federated", "run", "--system", NAME, "--fleet", FLEET)
WITHIN_S = 60.0
ROOT = Path(__file__).parents[3]


def results(folder: Path) -> Any:
    """What a run wrote, without what differs by place and engine."""
    found = json.loads((folder / "results.json").read_text())
    return {name: found[name] for name in ("record", "failures")}


def begun(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """A run in a process of its own."""
    line = [sys.executable, "-m", "rm.main", *WORDS, "--out", str(folder), *words]
    return subprocess.Popen(line, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_a_run_writes_its_plan_its_progress_and_its_results(ilgov: Any, tmp_path: Path) -> None:
    """And prints the end of it."""
    ended = ilgov(*WORDS, "--rounds", 3, "--out", tmp_path / "run")
    assert 0 == ended.code
    assert "rounds              3" in ended.stdout
    assert 3 == ended.stderr.count("test accuracy")
    names = {path.name for path in (tmp_path / "run").iterdir() if path.name != ".lock"}
    assert {"plan.json", "progress.jsonl", "results.json", "checkpoints"} == names
    points = results(tmp_path / "run")["record"]["points"]
    assert [0, 1, 2, 3] == [point["round"] for point in points]
    assert points[-1]["test"] > 0.7


def test_results_are_printed_as_json(ilgov: Any, tmp_path: Path) -> None:
    """And nothing else."""
    ended = ilgov(*WORDS, "--rounds", 1, "--out", tmp_path / "run", "--json")
    assert results(tmp_path / "run")["record"] == json.loads(ended.stdout)["record"]
    assert "" == ended.stderr


def test_a_run_killed_in_mid_round_goes_on_to_the_same_result_bit_for_bit(
    ilgov: Any, tmp_path: Path
) -> None:
    """Kill -9 while a device acts; devices remember, and what they remember decides."""
    fine = ilgov(*WORDS, "--rounds", 5, "--out", tmp_path / "whole")
    assert 0 == fine.code
    hangs = tmp_path / "hangs"
    words = ["--set", 'hang="slow-01@3"', "--set", f"hangs={hangs}"]
    run = begun(tmp_path / "killed", "--rounds", "5", *words)
    deadline = time.monotonic() + WITHIN_S
    while not hangs.exists():
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.02)
    ended = ilgov("federated", "run", "--out", tmp_path / "killed", "--resume")
    assert (2, True) == (ended.code, "is being played by another process" in ended.stderr)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "killed" / "results.json").exists()
    _forget_to_hang(tmp_path / "killed")
    ended = ilgov("federated", "run", "--out", tmp_path / "killed", "--resume")
    assert 0 == ended.code
    assert "round 2" not in ended.stderr
    assert results(tmp_path / "whole") == results(tmp_path / "killed")
    assert _state(tmp_path / "whole") == _state(tmp_path / "killed")


def _forget_to_hang(folder: Path) -> None:
    plan = json.loads((folder / "plan.json").read_text())
    plan["setup"]["options"] = {}
    (folder / "plan.json").write_text(json.dumps(plan))


def _state(folder: Path) -> bytes:
    last = max((folder / "checkpoints").glob("round-*"))
    return (last / "state.safetensors").read_bytes() + (last / "memory.safetensors").read_bytes()


def test_more_rounds_can_be_asked_of_a_run_that_ended(ilgov: Any, tmp_path: Path) -> None:
    """It is then as if they had been asked for from the beginning."""
    ilgov(*WORDS, "--rounds", 4, "--out", tmp_path / "four")
    ilgov(*WORDS, "--rounds", 2, "--out", tmp_path / "two")
    ilgov("federated", "run", "--out", tmp_path / "two", "--resume", "--rounds", 4)
    assert results(tmp_path / "four") == results(tmp_path / "two")


def test_rounds_that_were_asked_for_later_are_those_of_the_run_from_then_on(
    ilgov: Any, tmp_path: Path
) -> None:
    """Who stops it by Ctrl-C then is told to resume it, without a word of rounds."""
    ilgov(*WORDS, "--rounds", 1, "--out", tmp_path)
    ilgov("federated", "run", "--out", tmp_path, "--resume", "--rounds", 3)
    assert 3 == json.loads((tmp_path / "plan.json").read_text())["rounds"]
    shutil.rmtree(tmp_path / "checkpoints" / "round-000003")
    ilgov("federated", "run", "--out", tmp_path, "--resume")
    assert 3 == results(tmp_path)["record"]["points"][-1]["round"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--task", "none"), "task must be one of digits, "),
        (("--stand-in", "none"), "stand_in must be nothing or one of "),
    ],
)
def test_what_a_server_needs_is_looked_for_before_anything_is_written(
    ilgov: Any, tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    """A folder with a plan that cannot be played would take neither it nor another."""
    line = ("federated", "run", "--system", "mergesfl", "--devices", 3, "--rounds", 1)
    ended = ilgov(*line, "--out", tmp_path / "run", *words)
    assert (2, True) == (ended.code, reason in ended.stderr)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("engine", ["simulation", "deployment"])
def test_a_device_whose_name_is_a_path_is_refused(ilgov: Any, tmp_path: Path, engine: str) -> None:
    """Its memory would be written outside the run's folder."""
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(Path(FLEET).read_text().replace('kind = "slow"', 'kind = "../../slow"'))
    ended = ilgov(*WORDS, "--fleet", fleet, "--engine", engine, "--out", tmp_path / "run")
    assert (2, True) == (ended.code, "device must be of letters" in ended.stderr)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["", "no plan", '{"setup": 3}'])
def test_a_plan_that_is_none_is_told_so(ilgov: Any, tmp_path: Path, text: str) -> None:
    """Another program's plan.json, or half of one."""
    (tmp_path / "plan.json").write_text(text)
    ended = ilgov("federated", "run", "--out", tmp_path, "--resume")
    assert (2, True) == (ended.code, "must be the plan of a run" in ended.stderr)


def test_failures_stay_in_the_results_of_a_resumed_run(ilgov: Any, tmp_path: Path) -> None:
    """Each with its round, its device and its reason."""
    words = (*WORDS, "--out", tmp_path, "--rounds", 2, "--set", 'garbage=["fast-01@1"]')
    assert "left out: fast-01 (weights must be of shape" in ilgov(*words).stderr
    ilgov("federated", "run", "--out", tmp_path, "--resume", "--rounds", 3)
    (failure,) = results(tmp_path)["failures"]
    assert ("fast-01", 1) == (failure["device"], failure["round"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "--system must be given: one of caff, "),
        (("--system", "none"), "system must be one of caff, "),
        (("--method", "none"), "--method must be one of awkward (got none)"),
        (("--rounds", "0"), "--rounds must be at least 1 (got 0)"),
        (("--timeout", "0"), "--timeout must be at least 1.0 (got 0.0)"),
        (("--actors", "2"), "--actors is for --engine simulation (got inprocess)"),
        (("--keys", "keys"), "--keys is for --engine deployment (got inprocess)"),
        (("--set", "rate"), "options must be KEY=VALUE (got rate)"),
        (("--set", "rate=1"), "unknown field `rate`"),
        (("--privacy", "server"), "need --engine simulation or deployment (got inprocess)"),
        (("--secure-aggregation",), "need --engine simulation or deployment (got inprocess)"),
        (("--delta", "0.1"), "delta: only with --privacy"),
        (("--alpha", "nan"), "--alpha must be above 0 (got nan)"),
        (("--seed", "-1"), "--seed must lie in 0 ... 4294967295 (got -1)"),
        (("--devices", "2000000"), "--devices must lie in 0 ... 1000000 (got 2000000)"),
        (
            ("--engine", "deployment", "--superlink", "lan:80"),
            "--superlink needs --keys: the folder with the SuperLink's ca.pem",
        ),
        (
            ("--engine", "deployment", "--superlink", "lan", "--keys", "keys"),
            "--superlink must be HOST:PORT (got lan)",
        ),
        (
            ("--engine", "simulation", "--secure-aggregation", "--devices", "2"),
            "--secure-aggregation needs 3 devices (got 2)",
        ),
        (
            ("--engine", "simulation", "--privacy", "client", "--clipping-norm", "-1"),
            "clipping_norm must be above 0 (got -1.0)",
        ),
        (
            ("--engine", "simulation", "--privacy", "client", "--secure-aggregation"),
            "--privacy and --secure-aggregation exclude each other",
        ),
        (("--resume",), "holds no run that could be resumed"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_before_anything_is_written(
    ilgov: Any, tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    """With the reason, as a mistake of the command line."""
    known = ("federated", "run", "--fleet", FLEET) if words in {(), ("--system", "none")} else WORDS
    ended = ilgov(*known, "--out", tmp_path / "run", *words)
    assert 2 == ended.code
    assert reason in " ".join(ended.stderr.split())
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_a_run_is_not_begun_anew(ilgov: Any, tmp_path: Path) -> None:
    """Nobody loses a run by the same command."""
    ilgov(*WORDS, "--rounds", 1, "--out", tmp_path / "run")
    ended = ilgov(*WORDS, "--rounds", 1, "--out", tmp_path / "run")
    assert 2 == ended.code
    assert "holds a run; go on with it by --resume" in ended.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--rounds", "1"), "--rounds must be at least 2, which are played (got 1)"),
        (("--delta", "0.1"), "--resume keeps options, --privacy with its figures"),
        (("--stand-in", "x"), "--stand-in of this run must be left out (got x)"),
        (("--seed", "7"), "--seed of this run must be 0 (got 7)"),
        (("--set", "steps=1"), "--resume keeps options"),
        (("--engine", "simulation"), "--engine of this run must be inprocess (got simulation)"),
    ],
)
def test_what_a_run_is_stays_when_it_is_resumed(
    ilgov: Any, tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    """Otherwise its results would be of two runs."""
    ilgov(*WORDS, "--rounds", 2, "--out", tmp_path / "run")
    ended = ilgov("federated", "run", "--out", tmp_path / "run", "--resume", *words)
    assert 2 == ended.code
    assert reason in ended.stderr


def test_stopping_says_how_to_go_on(tmp_path: Path) -> None:
    """Ctrl-C in mid-round keeps all rounds before it."""
    hangs = tmp_path / "hangs"
    words = ["--set", 'hang="slow-01@2"', "--set", f"hangs={hangs}"]
    line = [sys.executable, "-m", "rm.main", *WORDS, "--out", str(tmp_path / "run"), *words]
    run = subprocess.Popen(
        line, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + WITHIN_S
    while not hangs.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=WITHIN_S)
    assert 130 == run.returncode
    way_out = f"go on with: ilgov federated run --out {tmp_path / 'run'} --resume\n"
    assert stderr.decode().endswith(way_out), "and no other, which would be refused"


def test_a_system_that_sends_features_cannot_be_protected_by_a_mean(
    ilgov: Any, tmp_path: Path
) -> None:
    """Said before anything is started, with what stands in the way."""
    words = ("federated", "run", "--system", "mergesfl", "--engine", "simulation", "--devices", 3)
    for protection in (("--privacy", "server"), ("--secure-aggregation",)):
        ended = ilgov(*words, *protection, "--out", tmp_path / "run")
        assert 2 == ended.code
        assert "mergesfl, method mergesfl, cannot be protected so: counts must be" in ended.stderr
    assert not (tmp_path / "run").exists()
