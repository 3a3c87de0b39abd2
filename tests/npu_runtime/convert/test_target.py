"""Tests of which policies can be converted at all."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import helper, numpy_helper

from npu_runtime.convert.target import DEFAULT_BATCH, convertible
from npu_runtime.errors import ConversionFailed
from npu_runtime.isolation_child import WARM_UP_ROWS
from npu_runtime.policy_file import PolicyFile, parse_policy_file


def scaled_by(toy: SimpleNamespace, std: list[float]) -> PolicyFile:
    """A policy that divides its features by `std` before its only layer."""
    model = toy.network()
    divided = helper.make_node("Div", ["features", "std"], ["scaled"])
    model.graph.node[0].input[0] = "scaled"
    model.graph.node.insert(0, divided)
    model.graph.initializer.append(numpy_helper.from_array(np.array(std, np.float32), "std"))
    return parse_policy_file(toy.described(model), path=Path("policy.onnx"))


def test_the_usual_batch_is_what_isolation_warms_up() -> None:
    """A row per core of a board of eight, and the canary."""
    assert WARM_UP_ROWS == DEFAULT_BATCH


def test_scaling_comes_out_as_numbers(toy: SimpleNamespace) -> None:
    """The sidecar carries them."""
    assert [2.0, 4.0] == convertible(scaled_by(toy, [2.0, 4.0])).std.tolist()


@pytest.mark.parametrize("std", [[0.0, 1.0], [-1.0, 1.0]])
def test_a_spread_that_is_not_positive_is_refused(toy: SimpleNamespace, std: list[float]) -> None:
    """No sidecar may say so."""
    with pytest.raises(ConversionFailed, match=r"must be positive \(got (0|-1)\)"):
        convertible(scaled_by(toy, std))


def test_weights_that_are_not_finite_are_refused(toy: SimpleNamespace) -> None:
    """A file may hold them and be unaltered."""
    model = toy.network(np.array([[np.nan, 0.0], [0.0, 1.0]], np.float32))
    file = parse_policy_file(toy.described(model), path=Path("policy.onnx"))
    with pytest.raises(ConversionFailed, match="weights must be finite"):
        convertible(file)


def test_a_policy_of_lower_precision_is_refused(toy: SimpleNamespace) -> None:
    """What was rounded once is not rounded again."""
    content = toy.described(toy.network(), precision="float16")
    with pytest.raises(ConversionFailed, match="convert the policy that this one was made from"):
        convertible(parse_policy_file(content, path=Path("policy.onnx")))
