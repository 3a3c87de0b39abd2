"""Run a policy with numpy alone: the reference back end, which every machine has.

Our networks are a chain: scale the features, then matrix products with a bias and a ReLU. Between
casts to float16 and back, what a layer puts out is rounded to float16, as an accelerator does that
sums in float32. Anything else is refused when the file is opened.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from npu_runtime.backend import Capabilities, Rows
from npu_runtime.errors import DamagedPolicyFile, WrongShape
from npu_runtime.layers import Layer, layer_of, weight_named
from npu_runtime.onnx_graph import (
    FLOAT16,
    FLOAT32,
    Node,
    OnnxGraph,
    Shape,
    Value,
    Weights,
    read_graph,
)
from npu_runtime.policy_file import PolicyFile

Step = Callable[[Rows], Rows]

_ZERO = np.float32(0.0)
_MOST = 4096
"""Largest batch and width that a file may ask for: more would only cost memory."""

_UFUNCS = {"Add": np.add, "Div": np.divide, "Mul": np.multiply, "Sub": np.subtract}
_KNOWN = ("Add", "Cast", "Div", "Gemm", "Identity", "MatMul", "Mul", "Relu", "Sub")


class NumpyBackend:
    """float32 but for what a cast says, one thread, no state between calls.

    Raises DamagedPolicyFile for a network that is no such chain, WrongShape for more than one input
    or output.
    """

    def __init__(self, file: PolicyFile) -> None:
        try:
            graph = read_graph(file.content)
            source = _only(graph.inputs, "input", file)
            target = _only(graph.outputs, "output", file)
            self.input_shape = _input_shape(source, file)
            self._steps = _steps(graph, source.name, target.name)
            self.output_shape = self._tried(self.input_shape)
        except WrongShape:
            raise
        except ValueError as error:
            raise DamagedPolicyFile(
                f"{file.path}: must be a network that the back end numpy can run ({error}); use "
                "the back end onnxruntime, or train it again with 'ilgov train'"
            ) from error
        fixed = self.input_shape[0]
        self.capabilities = Capabilities(
            name="numpy",
            version=np.__version__,
            device="cpu",
            precision=file.metadata.precision or "float32",
            max_batch=fixed,
            dynamic_batch=fixed is None,
        )

    def run(self, rows: Rows) -> Rows:
        """The scores of `rows`."""
        values = rows
        with np.errstate(all="ignore"):  # what is not finite is the caller's to refuse
            for step in self._steps:
                values = step(values)
        return values

    def warm_up(self, batch: int) -> None:
        """Run `batch` rows of zeros."""
        self.run(np.zeros((batch, self.input_shape[1] or 1), np.float32))

    def close(self) -> None:
        """Drop the weights."""
        self._steps = ()

    def _tried(self, shape: Shape) -> Shape:
        """The shape of the network's output, as a run gives it."""
        rows, width = shape
        scores = self.run(np.zeros((rows or 2, width or 1), np.float32))
        if scores.ndim != 2 or len(scores) != (rows or 2):
            raise ValueError(f"its output must have a row per input row (got {scores.shape})")
        return rows, scores.shape[1]


def _only(values: tuple[Value, ...], label: str, file: PolicyFile) -> Value:
    if len(values) != 1 or not values[0].is_float:
        got = ", ".join(
            f"{value.name}: {'tensor(float)' if value.is_float else 'another type'}"
            for value in values
        )
        raise WrongShape(f"{file.path}: the network must have one float {label} (got {got})")
    return values[0]


def _input_shape(source: Value, file: PolicyFile) -> Shape:
    """Rows and width of the input; a width that is left open is that of the features."""
    if len(source.shape) != 2:
        raise WrongShape(
            f"{file.path}: the network's input must have two dimensions (got {len(source.shape)})"
        )
    for label, size in zip(("batch", "width"), source.shape, strict=True):
        if size is not None and not 1 <= size <= _MOST:
            raise ValueError(f"its {label} must lie in 1 ... {_MOST} (got {size})")
    rows, width = source.shape
    return rows, width or len(file.metadata.features)


# --- from a graph to functions ---------------------------------------------------------------


def _steps(graph: OnnxGraph, source: str, target: str) -> tuple[Step, ...]:
    """The operators as functions, each fed by the one before; neighbouring layers as one."""
    parts = _chain(graph, source, target)
    steps: list[Step] = []
    for are_layers, group in groupby(parts, lambda part: isinstance(part, Layer)):
        if are_layers:
            steps.append(_together([part for part in group if isinstance(part, Layer)]))
        else:
            steps += [part for part in group if not isinstance(part, Layer)]
    return tuple(steps)


def _chain(graph: OnnxGraph, source: str, target: str) -> list[Step | Layer]:
    parts: list[Step | Layer] = []
    name = source
    is_half = False
    for node in graph.nodes:
        if node.operator not in _KNOWN:
            raise ValueError(f"operators must be out of {', '.join(_KNOWN)} (got {node.operator})")
        if node.inputs.count(name) != 1:
            raise ValueError(f"its operators must form a chain (got {node.operator} beside it)")
        is_half = _is_half(node) if node.operator == "Cast" else is_half
        _append(parts, node, name, graph.weights)
        if is_half and node.operator not in ("Relu", "Identity"):
            parts.append(_rounded)
        name = node.output
    if name != target:
        raise ValueError(f"the chain must end in {target!r} (got {name!r})")
    return parts


def _is_half(cast: Node) -> bool:
    kind = cast.attributes.get("to")
    if kind not in (FLOAT16, FLOAT32):
        raise ValueError(f"Cast must be to float16 or float32 (got type {kind})")
    return kind == FLOAT16


def _rounded(rows: Rows) -> Rows:
    """Rows as float16 holds them."""
    return rows.astype(np.float16).astype(np.float32)


def _append(parts: list[Step | Layer], node: Node, name: str, weights: dict[str, Weights]) -> None:
    """Add an operator that the values called `name` go through."""
    last = parts[-1] if parts else None
    if node.operator == "Relu" and isinstance(last, Layer):
        parts[-1] = replace(last, relu=True)
    elif node.operator == "Relu":
        parts.append(lambda rows: np.maximum(rows, _ZERO))
    elif node.operator in ("Gemm", "MatMul"):
        parts.append(layer_of(node, name, weights))
    elif node.operator in _UFUNCS:
        parts.append(_elementwise(node, name, weights))


def _elementwise(node: Node, name: str, weights: dict[str, Weights]) -> Step:
    """An operator with one weight, on whichever side of it the rows stand."""
    if len(node.inputs) != 2:
        raise ValueError(f"{node.operator} must have two inputs (got {len(node.inputs)})")
    function = _UFUNCS[node.operator]
    left, right = node.inputs
    weight = weight_named(weights, right if left == name else left)
    if weight.ndim and weight.size != weight.shape[-1]:
        raise ValueError(f"{node.operator} must have one number per column (got {weight.shape})")
    weight = weight.reshape(-1)
    if left == name:
        return lambda rows: function(rows, weight)
    return lambda rows: function(weight, rows)


def _together(layers: Sequence[Layer]) -> Step:
    """Layers as one function. A column of ones travels with the rows.

    So the bias is one more row of the matrix, and costs no sum of its own, which over a small array
    would take as long as the product. ReLU leaves the ones as they are.
    """
    *hidden, last = layers
    matrices = [(_with_ones(layer), layer.relu) for layer in hidden]
    matrices.append((np.vstack([last.weight, last.bias]), last.relu))
    width = len(layers[0].weight)

    def run(rows: Rows) -> Rows:
        values = np.ones((len(rows), width + 1), np.float32)
        values[:, :width] = rows
        for matrix, relu in matrices:
            values = values.dot(matrix)
            if relu:
                values = np.maximum(values, _ZERO)
        return values

    return run


def _with_ones(layer: Layer) -> Weights:
    """A layer's weights and bias as one matrix that passes the ones on."""
    inputs, outputs = layer.weight.shape
    matrix = np.zeros((inputs + 1, outputs + 1), np.float32)
    matrix[:-1, :-1] = layer.weight
    matrix[-1, :-1] = layer.bias
    matrix[-1, -1] = 1.0
    return matrix
