"""The example of a governed loop."""

import os
import subprocess
import sys
from pathlib import Path

from rm.main import main

ROOT = Path(__file__).parents[4]
EXAMPLE = ROOT / "examples/governed_training.py"


def test_the_example_trains_where_no_daemon_is_and_has_about_twenty_lines(tmp_path: Path) -> None:
    """By the capability's first setting; it says that nobody governs it."""
    capability = tmp_path / "tiny.json"
    words = ("--model", "resnet18", "--modelled", "--board", "hikey970", "--settings", "batch=64")
    assert 0 == main(["federated", "profile", *words, "--out", str(capability)])
    said = subprocess.run(
        [sys.executable, str(EXAMPLE), str(capability), str(tmp_path / "nobody")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    ).stdout.splitlines()
    assert 3 == len(said)
    assert said[-1].startswith("round 3: 471 steps, {'batch': 64.0}")
    assert "No such file" in said[-1]
    code = EXAMPLE.read_text().split('"""')[2].splitlines()
    assert sum(bool(line.strip()) and not line.startswith("#") for line in code) <= 20
