"""Tests of a policy network seen as a scaling and layers."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from npu_runtime.layers import layered_network
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.policy_file import parse_policy_file, read_policy_file

SHIPPED = sorted((Path(__file__).parents[2] / "rm" / "policies" / "shipped").glob("*.onnx"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_scaling_and_layers_together_are_the_network(path: Path) -> None:
    """On rows from all over the features' ranges."""
    file = read_policy_file(path)
    network, features = layered_network(file), file.metadata.features
    low, high = (np.array([getattr(f, end) for f in features]) for end in ("low", "high"))
    rows = np.random.default_rng(3).uniform(low, high, (500, len(low))).astype(np.float32)
    expected = NumpyBackend(file).run(rows)
    found = network.scores(network.normalised(rows))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4 * float(np.ptp(expected)))
    assert (len(features), len(file.metadata.outputs)) == (network.width, network.outputs)
    assert np.float32 == found.dtype


def test_a_network_that_does_not_scale_has_mean_zero_and_std_one(toy: SimpleNamespace) -> None:
    """The same form for all."""
    file = parse_policy_file(toy.described(toy.network()), path=Path("policy.onnx"))
    network = layered_network(file)
    assert [[0.0, 0.0], [1.0, 1.0]] == [network.mean.tolist(), network.std.tolist()]
    assert toy.weights.tolist() == network.layers[0].weight.tolist()


@pytest.mark.parametrize(
    ("operators", "said"),
    [
        (["Mul"], "must be a scaling"),
        (["Sub"], "must have layers"),
        (["MatMul", "Sub"], "must be a scaling"),
    ],
)
def test_any_other_network_is_refused(
    toy: SimpleNamespace, operators: list[str], said: str
) -> None:
    """Converters could not carry it over."""
    names = ["features", *(f"v{i}" for i in range(1, len(operators))), "scores"]
    weights = {"matrix": np.eye(2, dtype=np.float32), "vector": np.ones(2, np.float32)}
    nodes = [
        helper.make_node(op, [source, "matrix" if op == "MatMul" else "vector"], [target])
        for op, (source, target) in zip(operators, pairwise(names), strict=True)
    ]
    model = toy.network()
    graph = helper.make_graph(
        nodes,
        "policy",
        list(model.graph.input),
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    content = toy.described(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    )
    with pytest.raises(ValueError, match=said):
        layered_network(parse_policy_file(content, path=Path("policy.onnx")))
