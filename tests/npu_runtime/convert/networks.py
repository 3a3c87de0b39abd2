"""Policy files with random layers behind a scaling of raw counters, made without any training."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from npu_runtime.layers import layered_network
from npu_runtime.policy_file import Feature, PolicyFile, graph_sha256, parse_policy_file
from tests.npu_runtime.conftest import described

SHIPPED = sorted((Path(__file__).parents[3] / "rm" / "policies" / "shipped").glob("*.onnx"))
"""The policies that come with ilgov: trained ones."""


def random_policy(
    seed: int, widths: tuple[int, ...], *, gain: float = 1.0, mean: float = 2e9, std: float = 1e9
) -> PolicyFile:
    """Layers of these widths, the first being the features; weights are `gain` times as usual."""
    rng = np.random.default_rng(seed)
    inputs, outputs = widths[0], widths[-1]
    weights = {"mean": np.full(inputs, mean, "f4"), "std": np.full(inputs, std, "f4")}
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["sub"]),
        helper.make_node("Div", ["sub", "std"], ["values0"]),
    ]
    for place, (wide, narrow) in enumerate(pairwise(widths)):
        last = place == len(widths) - 2
        weights[f"w{place}"] = gain * rng.normal(0.0, wide**-0.5, (wide, narrow)).astype("f4")
        weights[f"b{place}"] = rng.normal(0.0, 0.1, narrow).astype("f4")
        product = "scores" if last else f"product{place}"
        nodes.append(
            helper.make_node("Gemm", [f"values{place}", f"w{place}", f"b{place}"], [product])
        )
        if not last:
            nodes.append(helper.make_node("Relu", [product], [f"values{place + 1}"]))
    graph = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", inputs])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", outputs])],
        [numpy_helper.from_array(np.asarray(v, "f4"), name) for name, v in weights.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    rows = raw_rows(seed, inputs, 4)
    content = described(
        model,
        features=tuple(Feature(i, f"f{i}", "1/s", 0.0, 4e9) for i in range(inputs)),
        outputs=tuple(f"core{i}" for i in range(outputs)),
        parity_inputs=tuple(map(tuple, rows.tolist())),
        parity_outputs=tuple((float(i),) * outputs for i in range(4)),
        graph_sha256=graph_sha256(model.SerializeToString()),
    )
    return parse_policy_file(content, path=Path(f"random{seed}.onnx"))


def raw_rows(seed: int, width: int, count: int) -> np.ndarray:
    """Raw counters: far beyond what float16 holds."""
    return np.random.default_rng(seed + 100).uniform(0.0, 4e9, (count, width)).astype(np.float32)


def likely_rows(file: PolicyFile, count: int) -> np.ndarray:
    """Rows around those that the policy was trained on, within the features' ranges."""
    features, network = file.metadata.features, layered_network(file)
    low, high = (np.array([getattr(f, end) for f in features]) for end in ("low", "high"))
    drawn = np.random.default_rng(7).normal(network.mean, network.std, (count, len(low)))
    return np.clip(drawn, low, high).astype(np.float32)
