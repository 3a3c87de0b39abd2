"""Tests of the numpy back end: it computes what onnxruntime computes, or refuses the network."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from npu_runtime.errors import DamagedPolicyFile, WrongShape
from npu_runtime.load import open_policy
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.onnxruntime_backend import OnnxRuntimeBackend
from npu_runtime.policy_file import PolicyFile, parse_policy_file, read_policy_file

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "rm" / "policies" / "shipped").glob("*.onnx"))
AGREEMENT = 1e-5
"""Largest difference, relative to the score or to 1, whichever is larger."""


def file_of(toy: SimpleNamespace, model: onnx.ModelProto) -> PolicyFile:
    """A policy file with this network."""
    return parse_policy_file(toy.described(model), path=Path("policy.onnx"))


def chain(
    nodes: list[Any], weights: dict[str, np.ndarray], *, width: int = 2, batch: int | str = "batch"
) -> onnx.ModelProto:
    """A network with these operators, from ``features`` to ``scores``."""
    graph = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, width])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


def largest_difference(file: PolicyFile, rows: np.ndarray) -> float:
    """Between the two back ends, relative to the score or to 1."""
    ours, theirs = NumpyBackend(file).run(rows), OnnxRuntimeBackend(file).run(rows)
    return float((np.abs(ours - theirs) / np.maximum(1.0, np.abs(theirs))).max())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_agrees_with_onnxruntime_on_every_shipped_policy(path: Path) -> None:
    """On parity rows and on 4000 rows from all over their ranges, in batches of any size."""
    file = read_policy_file(path)
    features = file.metadata.features
    low, high = (np.array([getattr(f, end) for f in features]) for end in ("low", "high"))
    rng = np.random.default_rng(0)
    rows = (low + (high - low) * rng.random((4000, len(features)))).astype(np.float32)
    assert largest_difference(file, file.metadata.parity_rows()[0]) <= AGREEMENT
    assert largest_difference(file, rows) <= AGREEMENT
    for batch in range(1, 17):
        assert largest_difference(file, rows[:batch]) <= AGREEMENT


def test_there_are_shipped_policies_to_compare() -> None:
    """Or the test above would say nothing."""
    assert {"ilgov-hikey970", "topil-hikey970"} <= {path.stem for path in SHIPPED}


def test_a_changed_weight_shows(toy: SimpleNamespace) -> None:
    """The comparison can fail: it is not of one thing with itself."""
    file = read_policy_file(SHIPPED[0])
    backend = NumpyBackend(file)
    rows, expected = file.metadata.parity_rows()
    assert np.abs(backend.run(rows * np.float32(1.001)) - expected).max() > 1e-4


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    relu=st.booleans(),
    transposed=st.booleans(),
    factors=st.tuples(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32)),
    bias=st.sampled_from(["none", "vector", "row", "number"]),
    scaled=st.booleans(),
    seed=st.integers(0, 99),
)
def test_it_agrees_with_onnxruntime_on_any_chain(
    sizes: list[int],
    relu: bool,
    transposed: bool,
    factors: tuple[float, float],
    bias: str,
    scaled: bool,
    seed: int,
) -> None:
    """All ways to write a Gemm that the standard knows, scaled or not, with ReLU or without."""
    toy = _toy()
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}
    nodes, name = [], "features"
    widths = [2, *sizes, 2]

    def draw(key: str, *shape: int) -> str:
        weights[key] = rng.normal(size=shape).astype(np.float32)
        return key

    if scaled:
        nodes += [
            helper.make_node("Sub", [name, draw("mean", 2)], ["centred"]),
            helper.make_node("Div", ["centred", draw("std", 1, 2)], ["scaled"]),
        ]
        name = "scaled"
    for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        shape = (outputs, inputs) if transposed else (inputs, outputs)
        names = [name, draw(f"w{i}", *shape)]
        biases = {"vector": (outputs,), "row": (1, outputs), "number": (1,)}
        if bias in biases:
            names.append(draw(f"b{i}", *biases[bias]))
        name = "scores" if i == len(widths) - 2 else f"h{i}"
        attributes = {"transB": int(transposed), "alpha": factors[0], "beta": factors[1]}
        nodes.append(helper.make_node("Gemm", names, [name], **attributes))
        if relu and name != "scores":
            nodes.append(helper.make_node("Relu", [name], [f"r{i}"]))
            name = f"r{i}"
    file = file_of(toy, chain(nodes, weights))
    rows = rng.normal(size=(5, 2)).astype(np.float32)
    assert largest_difference(file, rows) <= 1e-4


def _toy() -> SimpleNamespace:
    from tests.npu_runtime import conftest

    return SimpleNamespace(described=conftest.described)


@pytest.mark.parametrize(
    ("operator", "order"),
    [(op, order) for op in ("Add", "Sub", "Mul", "Div") for order in (1, -1)],
)
def test_elementwise_operators_have_a_left_and_a_right(
    toy: SimpleNamespace, operator: str, order: int
) -> None:
    """``x - w`` is not ``w - x``."""
    nodes = [
        helper.make_node(operator, ["features", "w"][::order], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Identity", ["b"], ["c"]),
        helper.make_node("MatMul", ["c", "m"], ["scores"]),
    ]
    weights = {"w": np.array([2.0, -3.0], np.float32), "m": np.eye(2, dtype=np.float32)}
    rows = np.array([[1.5, -2.0], [-4.0, 0.25]], np.float32)
    assert largest_difference(file_of(toy, chain(nodes, weights)), rows) == 0.0


def test_the_rows_it_is_given_stay_as_they_are(toy: SimpleNamespace) -> None:
    """A caller may need them again."""
    nodes = [helper.make_node("Relu", ["features"], ["scores"])]
    rows = np.array([[-1.0, 2.0]], np.float32)
    NumpyBackend(file_of(toy, chain(nodes, {}))).run(rows)
    np.testing.assert_array_equal([[-1.0, 2.0]], rows)


def test_what_overflows_is_told_by_the_value_not_by_a_warning(toy: SimpleNamespace) -> None:
    """The caller refuses such scores; a warning would go to the journal at every decision."""
    backend = NumpyBackend(file_of(toy, toy.network(np.float32(1e30) * toy.weights)))
    assert not np.isfinite(backend.run(np.full((1, 2), 1e30, np.float32))).all()


def node(operator: str, *inputs: str, **attributes: Any) -> Any:
    """An operator that gives the scores."""
    return helper.make_node(operator, list(inputs), ["scores"], **attributes)


W = {"w": np.eye(2, dtype=np.float32), "v": np.ones(2, np.float32)}


@pytest.mark.parametrize(
    ("nodes", "weights", "message"),
    [
        ([node("Tanh", "features")], {}, r"operators must be out of Add, .* \(got Tanh\)"),
        ([node("Add", "features", "features")], {}, "must form a chain"),
        ([node("Relu", "elsewhere")], {}, "must form a chain"),
        ([node("MatMul", "features", "w")], {}, "weights 'w' must be in the file"),
        ([node("MatMul", "w", "features")], W, "must take the rows as its first input"),
        ([node("Gemm", "features", "w", transA=1)], W, "must take the rows as its first input"),
        ([node("MatMul", "features", "v")], W, r"weights 'v' must be a matrix \(got \(2,\)\)"),
        ([node("Add", "features", "w")], W, "must have one number per column"),
        ([node("Add", "features")], {}, "must have two inputs"),
        ([], {}, "the chain must end in 'scores'"),
        (
            [node("MatMul", "features", "w")],
            {"w": np.eye(3, dtype=np.float32)},
            "could not broadcast",
        ),
        (
            [node("MatMul", "features", "w")],
            {"w": np.eye(2)},
            "weights 'w' must be float32",
        ),
        (
            [node("MatMul", "features", "w")],
            {"w": np.zeros((2, 0), np.float32)},
            r"weights 'w' must have sizes of 1 \.\.\. 65536",
        ),
    ],
)
def test_what_is_no_chain_of_ours_is_refused(
    toy: SimpleNamespace, nodes: list[Any], weights: dict[str, np.ndarray], message: str
) -> None:
    """With the way out; and never a guess."""
    with pytest.raises(DamagedPolicyFile, match=message) as caught:
        NumpyBackend(file_of(toy, chain(nodes, weights)))
    assert "use the back end onnxruntime" in str(caught.value)


def test_weights_outside_of_the_file_are_not_looked_for(toy: SimpleNamespace) -> None:
    """A policy file must not name other files of the machine."""
    model = toy.network()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret")
    with pytest.raises(DamagedPolicyFile, match="weights 'weights' must be in the file itself"):
        NumpyBackend(file_of(toy, model))


def test_weights_as_numbers_instead_of_bytes_are_read(toy: SimpleNamespace) -> None:
    """Some tools write them so."""
    model = toy.network()
    tensor = helper.make_tensor("weights", TensorProto.FLOAT, [2, 2], toy.weights.ravel().tolist())
    model.graph.initializer[0].CopyFrom(tensor)
    assert not model.graph.initializer[0].raw_data
    assert largest_difference(file_of(toy, model), toy.rows) <= AGREEMENT


def test_a_fixed_batch_is_told(toy: SimpleNamespace) -> None:
    """Callers then pad."""
    backend = NumpyBackend(file_of(toy, toy.network(batch=4)))
    assert (4, 2) == backend.input_shape == backend.output_shape
    assert (4, False) == (backend.capabilities.max_batch, backend.capabilities.dynamic_batch)


@pytest.mark.parametrize("batch", [-1, 0, 1 << 40])
def test_a_batch_that_no_machine_has_memory_for_is_refused(
    toy: SimpleNamespace, batch: int
) -> None:
    """A file must not make the daemon allocate what it likes."""
    with pytest.raises(DamagedPolicyFile, match=r"its batch must lie in 1 \.\.\. 4096"):
        NumpyBackend(file_of(toy, toy.network(batch=batch)))


def test_an_input_that_is_no_matrix_is_refused(toy: SimpleNamespace) -> None:
    """Rows of features, nothing else."""
    model = toy.network()
    model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=2)
    with pytest.raises(WrongShape, match=r"must have two dimensions \(got 3\)"):
        NumpyBackend(file_of(toy, model))


def test_a_policy_runs_where_onnxruntime_cannot_be_imported(
    write: Callable[[bytes], Path],
) -> None:
    """In a new process, from the shipped file to its scores; and nothing else heavy is loaded."""
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from npu_runtime.load import open_policy\n"
        "from npu_runtime.policy_file import read_policy_file\n"
        "file = read_policy_file(sys.argv[1])\n"
        "rows, expected = file.metadata.parity_rows()\n"
        "policy = open_policy(file)\n"
        "assert abs(policy.run(rows) - expected).max() < 1e-4\n"
        "assert not {'onnx', 'scipy', 'torch'} & set(sys.modules)\n"
        "print(policy.why)"
    )
    command = [sys.executable, "-c", code, str(SHIPPED[0])]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("auto: numpy, ")


def test_the_reason_for_a_back_end_that_was_named_is_the_wish(policy_path: Path) -> None:
    """Shown beside it."""
    assert "asked for" == open_policy(read_policy_file(policy_path), backend="numpy").why
