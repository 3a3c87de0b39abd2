"""Tests of the layers as an ONNX file of their own."""

import numpy as np
import onnx
import onnxruntime
import pytest

from npu_runtime.convert.layers_onnx import layers_onnx
from npu_runtime.layers import layered_network
from npu_runtime.policy_file import PolicyFile


def test_onnx_itself_finds_it_sound(shipped: PolicyFile) -> None:
    """Shape inference included; the batch is fixed."""
    network = layered_network(shipped)
    model = onnx.load_from_string(layers_onnx(network, 9))
    onnx.checker.check_model(model, full_check=True)
    (value,) = model.graph.input
    assert [9, network.width] == [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_onnxruntime_computes_what_the_policy_computes(
    shipped: PolicyFile, rows: np.ndarray
) -> None:
    """From features that are scaled already."""
    network = layered_network(shipped)
    scaled = network.normalised(rows)
    session = onnxruntime.InferenceSession(layers_onnx(network, len(rows)))
    (found,) = session.run(None, {"features": scaled})
    assert found == pytest.approx(network.scores(scaled), abs=1e-4)
