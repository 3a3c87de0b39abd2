"""Tests of giving code back: less memory, and nothing else changes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from npu_runtime import resident_code
from npu_runtime.load import open_policy
from npu_runtime.policy_file import read_policy_file
from npu_runtime.resident_code import give_back_code

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "rm" / "policies" / "shipped" / "topil-hikey970.onnx"

MEASURE = """
import sys
from npu_runtime import onnxruntime_backend
from npu_runtime.load import open_policy
from npu_runtime.policy_file import read_policy_file
if sys.argv[2] == "keep":
    onnxruntime_backend.give_back_code = lambda library: None
file = read_policy_file(sys.argv[1])
policy = open_policy(file, backend="onnxruntime")
for _ in range(100):
    policy.run(file.metadata.parity_rows()[0])
print(open("/proc/self/statm").read().split()[1])
"""


def resident_mib(what: str) -> float:
    """Memory of a new process after 100 decisions, MiB."""
    command = [sys.executable, "-c", MEASURE, str(POLICY), what]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(ended.stdout) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_process_with_onnxruntime_is_much_smaller() -> None:
    """By 8 MiB at least, for good: a hundred decisions do not fetch it back."""
    assert resident_mib("keep") - resident_mib("give back") > 8.0


def test_scores_are_the_same_afterwards() -> None:
    """Whatever was given back comes again when it is called."""
    file = read_policy_file(POLICY)
    rows, scores = file.metadata.parity_rows()
    policy = open_policy(file, backend="onnxruntime")
    give_back_code("onnxruntime_")
    np.testing.assert_allclose(policy.run(rows), scores, atol=1e-4)


def test_a_kernel_that_shows_no_mappings_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a saving, not a duty."""

    def hidden(path: str) -> Path:
        return Path("/nowhere") / path

    monkeypatch.setattr(resident_code, "Path", hidden)
    give_back_code("onnxruntime_")
    give_back_code("no such library")
