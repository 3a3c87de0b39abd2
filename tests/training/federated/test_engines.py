"""The same run in all engines: one process, Flower's simulation, processes with TLS."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
THREE = Path(__file__).parent / "deployment" / "three.toml"
WITHIN_S = 400.0


def run(engine: str, folder: Path, *words: str) -> Any:
    """MergeSFL, which speaks with its devices several times a round; the record and the model."""
    line = [sys.executable, "-m", "rm.main", "federated", "run", "--system", "mergesfl"]
    line += ["--fleet", str(THREE), "--engine", engine, "--out", str(folder), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        line,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=WITHIN_S,
        text=True,
        check=False,
    )
    assert 0 == ended.returncode, ended.stderr
    found = json.loads((folder / "results.json").read_text())
    last = max((folder / "checkpoints").glob("round-*"))
    return found["record"], found["failures"], (last / "state.safetensors").read_bytes()


@pytest.mark.slow
def test_a_simulation_has_the_numbers_of_one_process_bit_for_bit(tmp_path: Path) -> None:
    """Features and gradients of every step go over messages."""
    words = ("--set", "local_steps=2", "--rounds")
    expected = run("inprocess", tmp_path / "one-process", *words, "2")
    assert expected == run("simulation", tmp_path / "simulation", *words, "2")


@pytest.mark.slow
def test_a_deployment_has_the_numbers_of_one_process_bit_for_bit(tmp_path: Path) -> None:
    """A published system, by the command, between a SuperLink and three SuperNodes."""
    words = ("--set", "local_steps=1", "--rounds", "1")
    expected = run("inprocess", tmp_path / "one-process", *words)
    assert expected == run("deployment", tmp_path / "deployment", *words)
