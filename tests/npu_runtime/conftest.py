"""A tiny policy, made with onnx alone: two features, two cores, scores easy to check."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from npu_runtime.policy_file import (
    METADATA_KEY,
    SCHEMA_VERSION,
    Feature,
    PolicyMetadata,
    encode_metadata,
    graph_sha256,
)

FEATURES = (
    Feature(0, "rate_ips", "1/s", 0.0, 1e10),
    Feature(1, "utilisation_core0", "1", 0.0, 1.0),
)
OUTPUTS = ("core0", "core1")
WEIGHTS = np.array([[1e-9, -1e-9], [0.25, 0.5]], np.float32)
ROWS = np.array([[0.0, 0.0], [1e9, 0.5], [1e10, 1.0]], np.float32)


def network(
    weights: np.ndarray = WEIGHTS, batch: int | str = "batch", width: int | None = None
) -> onnx.ModelProto:
    """``scores = features @ weights``."""
    inputs, outputs = weights.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "weights"], ["scores"])],
        "policy",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, width or inputs])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, outputs])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


def described(model: onnx.ModelProto, **changes: Any) -> bytes:
    """The bytes of a policy file with this network and with sound metadata, but for `changes`."""
    sound = {
        "schema": SCHEMA_VERSION,
        "board": "toy",
        "board_sha256": "ab" * 32,
        "cooling": "fan",
        "oracle": {"alpha_per_k": 1.0, "current": "free", "seed": 0},
        "outputs": OUTPUTS,
        "features": FEATURES,
        "seed": 7,
        "normalised_in_graph": True,
        "parity_inputs": tuple(map(tuple, ROWS.tolist())),
        "parity_outputs": tuple(map(tuple, (ROWS @ WEIGHTS).tolist())),
        "graph_sha256": graph_sha256(model.SerializeToString()),
    }
    metadata = PolicyMetadata(**(sound | changes))  # type: ignore[arg-type]
    model.metadata_props.add(key=METADATA_KEY, value=encode_metadata(metadata))
    return bytes(model.SerializeToString())


@pytest.fixture
def toy() -> SimpleNamespace:
    """Everything above by name, for tests that build policy files of their own."""
    return SimpleNamespace(
        features=FEATURES,
        outputs=OUTPUTS,
        rows=ROWS,
        weights=WEIGHTS,
        network=network,
        described=described,
        fit={"features": FEATURES, "board": "toy", "outputs": OUTPUTS},
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write bytes as a policy file and give its path."""

    def to_file(content: bytes) -> Path:
        path = tmp_path / "policy.onnx"
        path.write_bytes(content)
        return path

    return to_file


@pytest.fixture
def policy_path(write: Callable[[bytes], Path]) -> Path:
    """A sound policy file."""
    return write(described(network()))
