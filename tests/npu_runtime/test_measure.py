"""Tests of measuring: parity says how far off scores are, and only what is present is measured."""

import math
import time
from pathlib import Path

import numpy as np
import pytest

from npu_runtime.backend import Capabilities
from npu_runtime.errors import BackendUnavailable
from npu_runtime.load import BACKENDS, ISOLATED_BACKENDS, PARITY_TOLERANCE
from npu_runtime.measure.parity import compared, drawn_rows, right_scores, tolerance
from npu_runtime.measure.present import Uncovered, WrongBackend, known_names, opened
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.policy_file import read_policy_file

ROOT = Path(__file__).parents[2]
FILE = read_policy_file(ROOT / "rm" / "policies" / "shipped" / "topil-hikey970.onnx")
ROWS, SCORES = FILE.metadata.parity_rows()
FAULTY = "tests.npu_runtime.faulty_backend"


def test_differences_are_told_as_shares_of_the_range_too() -> None:
    """And how many rows have another best output."""
    found = SCORES.copy()
    found[0] = -found[0]
    parity = compared(SCORES, found)
    assert (len(SCORES), float(np.ptp(SCORES))) == (parity.rows, parity.score_range)
    assert 2 * float(np.abs(SCORES[0]).max()) == pytest.approx(parity.largest)
    assert parity.largest / parity.score_range == parity.largest_share
    assert 1 / len(SCORES) == parity.argmax
    assert 0.0 == compared(SCORES, SCORES).largest


def test_nan_is_a_difference() -> None:
    """It compares with nothing, and must not pass."""
    found = SCORES.copy()
    found[1, 0] = np.nan
    parity = compared(SCORES, found)
    assert math.isnan(parity.largest)
    assert math.isnan(parity.mean)
    assert not parity.largest_share <= 1.0


def test_right_scores_are_the_trainings() -> None:
    """By the plainest code; drawn rows lie in the features' ranges, the same ones every time."""
    np.testing.assert_allclose(right_scores(FILE, ROWS), SCORES, atol=1e-4)
    rows = drawn_rows(FILE, 50)
    np.testing.assert_array_equal(rows, drawn_rows(FILE, 50))
    low, high = (
        np.array([getattr(f, end) for f in FILE.metadata.features]) for end in ("low", "high")
    )
    assert (rows >= low.astype(np.float32)).all()
    assert (rows <= high.astype(np.float32)).all()


def test_the_coarser_precision_sets_the_tolerance() -> None:
    """A float32 policy on a back end that computes in half precision."""
    backend = NumpyBackend(FILE)
    assert PARITY_TOLERANCE["float32"] == tolerance(FILE, backend)
    able = backend.capabilities
    fields = {name: getattr(able, name) for name in Capabilities.__struct_fields__}
    backend.capabilities = Capabilities(**(fields | {"precision": "float16"}))
    assert PARITY_TOLERANCE["float16"] == tolerance(FILE, backend)


def test_all_back_ends_with_a_name_are_known() -> None:
    """Present or not."""
    assert {*BACKENDS, *ISOLATED_BACKENDS} <= set(known_names())


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("rknn", BackendUnavailable, "rk3588.json: must be there"),
        ("onnxruntime:NoneExecutionProvider", BackendUnavailable, "must have NoneExecution"),
        (f"{FAULTY}:refuses", WrongBackend, "OSError: no NPU on this machine"),
    ],
)
def test_what_is_absent_is_told_from_what_is_wrong(
    name: str, error: type[Exception], words: str
) -> None:
    """By the last words of its process."""
    with pytest.raises(error, match=words):
        opened(FILE, name)


def test_one_that_never_gets_ready_is_not_waited_for_for_ever() -> None:
    """It hangs while it loads."""
    with pytest.raises(WrongBackend, match=r"it was not ready 0\.3 s after its start"):
        opened(FILE, f"{FAULTY}:never_ready", ready_within_s=0.3)


def test_an_isolated_back_end_is_never_mixed_up_with_the_cpu() -> None:
    """Neither in measurements nor in the contract."""
    subject = opened(FILE, f"{FAULTY}:crash")
    np.testing.assert_allclose(subject.run(ROWS), SCORES, atol=1e-4)
    assert "crashed: it ended" in str(subject.failure())
    subject.close()
    alone = Uncovered(f"{FAULTY}:crash", FILE)
    with pytest.raises(WrongBackend, match="crashed: it ended"):
        alone.run(ROWS)
    alone.close()


def test_processor_time_includes_the_back_ends_own_process() -> None:
    """Or isolation would seem to cost nothing."""
    subject = opened(FILE, "isolated:numpy")
    own_s, all_s = time.thread_time(), subject.cpu_s()
    assert all_s > own_s + 0.02  # Python's start and numpy's import in that process
    subject.close()
    assert subject.cpu_s() == pytest.approx(time.thread_time(), abs=0.01)
