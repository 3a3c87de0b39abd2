"""Tests of the judge of back ends that are open in one process, as vendors' simulators are."""

from pathlib import Path

import numpy as np
import pytest

from npu_runtime.backend import Capabilities, Rows
from npu_runtime.load import run_in_batches
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.policy_file import PolicyFile, read_policy_file
from platforms.board_file import load_board
from rm.npu.judged import Extent, episodes
from rm.npu.simulated_verdict import AnyRows, judge_simulated
from rm.npu.verdict import Verdict

POLICY = read_policy_file(
    Path(__file__).parents[3] / "rm" / "policies" / "shipped" / "topil-hikey970.onnx"
)


class Simulator:
    """Nine rows a call, as numpy computes them, times a factor."""

    def __init__(self, factor: float) -> None:
        self._numpy = NumpyBackend(POLICY)
        self._factor = np.float32(factor)
        self.input_shape, self.output_shape = (9, 21), (9, 8)
        self.capabilities = Capabilities(
            name="simulator",
            version="1",
            device="none",
            precision="int8",
            max_batch=9,
            dynamic_batch=False,
        )

    def run(self, rows: Rows) -> Rows:
        """The scores of nine rows."""
        assert 9 == len(rows)
        scores: Rows = self._numpy.run(rows) * self._factor
        return scores

    def warm_up(self, batch: int) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


def judged(factor: float, policy: PolicyFile = POLICY) -> Verdict:
    """On one short episode."""
    board = load_board("hikey970")
    extent = Extent(seeds=1, duration_s=60.0, coolings=("fan",))
    return judge_simulated(
        policy,
        Simulator(factor),
        episodes(policy, board, extent),
        precision="int8",
        size_bytes=5,
    )


def test_what_computes_the_same_passes() -> None:
    """No decision is another, and no core is hotter."""
    verdict = judged(1.0)
    assert verdict.passes
    assert verdict.held_out.decisions > 20
    assert (0, 0.0) == (verdict.held_out.changed, verdict.closed_loop.hotter_k)
    assert "simulator" == verdict.backend


def test_what_prefers_the_worst_core_does_not() -> None:
    """Its scores are upside down."""
    assert not judged(-1.0).passes


@pytest.mark.parametrize("count", [1, 9, 10])
def test_any_number_of_rows_is_scored(count: int) -> None:
    """In whole batches."""
    rows = np.tile(POLICY.metadata.parity_rows()[0], (2, 1))[:count]
    found = AnyRows(Simulator(1.0)).run(rows)
    assert run_in_batches(NumpyBackend(POLICY), rows) == pytest.approx(found, abs=1e-5)
