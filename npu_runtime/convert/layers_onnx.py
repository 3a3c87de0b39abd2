"""The layers of a policy alone as an ONNX file of one fixed batch: what vendors' converters take.

The policy's own file scales the features in the graph, and takes any number of rows. Field numbers
are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import numpy as np

from npu_runtime.convert.protobuf_writer import content, floats, integer, integers
from npu_runtime.layers import LayeredNetwork
from npu_runtime.onnx_graph import Weights

INPUT, OUTPUT = "features", "scores"
OPSET, IR_VERSION = 18, 8

_IR_VERSION, _PRODUCER, _GRAPH, _OPSET_IMPORT, _OPSET_VERSION = 1, 2, 7, 8, 2
_NODE, _GRAPH_NAME, _INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 2, 5, 11, 12
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _OP_TYPE = 1, 2, 3, 4
_DIMS, _DATA_TYPE, _FLOAT_DATA, _TENSOR_NAME, _FLOAT32 = 1, 2, 4, 8, 1
_VALUE_NAME, _VALUE_TYPE, _TENSOR_TYPE, _ELEMENT_TYPE, _SHAPE, _DIM, _DIM_VALUE = (
    1,
    2,
    1,
    1,
    2,
    1,
    1,
)


def layers_onnx(network: LayeredNetwork, batch: int) -> bytes:
    """An ONNX file from scaled features (batch, F) to scores (batch, N)."""
    nodes, weights, bottom = [], [], INPUT
    for place, layer in enumerate(network.layers, start=1):
        top = OUTPUT if place == len(network.layers) else f"values{place}"
        product = f"product{place}" if layer.relu else top
        names = f"weight{place}", f"bias{place}"
        nodes.append(_node("Gemm", (bottom, *names), product))
        if layer.relu:
            nodes.append(_node("Relu", (product,), top))
        weights += [_tensor(names[0], layer.weight), _tensor(names[1], layer.bias)]
        bottom = top
    graph = (
        b"".join(content(_NODE, node) for node in nodes)
        + content(_GRAPH_NAME, "layers")
        + b"".join(content(_INITIALIZER, weight) for weight in weights)
        + content(_GRAPH_INPUT, _value(INPUT, (batch, network.width)))
        + content(_GRAPH_OUTPUT, _value(OUTPUT, (batch, network.outputs)))
    )
    return (
        integer(_IR_VERSION, IR_VERSION)
        + content(_PRODUCER, "ilgov")
        + content(_GRAPH, graph)
        + content(_OPSET_IMPORT, integer(_OPSET_VERSION, OPSET))
    )


def _node(operator: str, inputs: tuple[str, ...], output: str) -> bytes:
    return (
        b"".join(content(_NODE_INPUT, name) for name in inputs)
        + content(_NODE_OUTPUT, output)
        + content(_NODE_NAME, f"{operator}-{output}")
        + content(_OP_TYPE, operator)
    )


def _tensor(name: str, values: Weights) -> bytes:
    return (
        integers(_DIMS, np.shape(values))
        + integer(_DATA_TYPE, _FLOAT32)
        + floats(_FLOAT_DATA, values)
        + content(_TENSOR_NAME, name)
    )


def _value(name: str, shape: tuple[int, int]) -> bytes:
    sizes = b"".join(content(_DIM, integer(_DIM_VALUE, size)) for size in shape)
    tensor = integer(_ELEMENT_TYPE, _FLOAT32) + content(_SHAPE, sizes)
    return content(_VALUE_NAME, name) + content(_VALUE_TYPE, content(_TENSOR_TYPE, tensor))
