"""A policy network as a scaling of its features and fully connected layers: what converters take.

The scaling stays apart: raw features (1e10 instructions per second) do not fit into half precision,
so whatever runs the layers, the CPU scales the features before, in float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from npu_runtime.backend import Rows
from npu_runtime.onnx_graph import Node, OnnxGraph, Weights, read_graph
from npu_runtime.policy_file import PolicyFile


@dataclass(frozen=True)
class Layer:
    """A matrix product: `weight` (inputs, outputs), `bias` (outputs), whether a ReLU follows."""

    weight: Weights
    bias: Weights
    relu: bool = False


@dataclass(frozen=True)
class LayeredNetwork:
    """``(rows - mean) / std``, then `layers` one after the other.

    `mean` and `std` have shape (F,): zeros and ones where the network does not scale. All is
    float32.
    """

    mean: Weights
    std: Weights
    layers: tuple[Layer, ...]

    @property
    def width(self) -> int:
        """The number of features."""
        return len(self.mean)

    @property
    def outputs(self) -> int:
        """The number of scores in a row."""
        return len(self.layers[-1].bias)

    def normalised(self, rows: Rows) -> Rows:
        """Raw features (B, F) as the first layer takes them."""
        return (rows - self.mean) / self.std

    def scores(self, normalised: Rows) -> Rows:
        """The last layer's output (B, N) for `normalised` rows (B, F), computed in float32."""
        values = normalised
        for layer in self.layers:
            values = values @ layer.weight + layer.bias
            if layer.relu:
                values = np.maximum(values, np.float32(0.0))
        return values


def layered_network(file: PolicyFile) -> LayeredNetwork:
    """The network in a policy file; ValueError where it is no scaling followed by layers."""
    return _layered(read_graph(file.content), len(file.metadata.features))


def _layered(graph: OnnxGraph, width: int) -> LayeredNetwork:
    mean, std = np.zeros(width, np.float32), np.ones(width, np.float32)
    layers: list[Layer] = []
    name = graph.inputs[0].name
    for node in graph.nodes:
        if node.inputs.count(name) != 1:
            raise ValueError(f"its operators must form a chain (got {node.operator} beside it)")
        if node.operator in ("Gemm", "MatMul"):
            layers.append(layer_of(node, name, graph.weights))
        elif node.operator == "Relu" and layers:
            layers[-1] = replace(layers[-1], relu=True)
        elif node.operator == "Add" and layers and not layers[-1].relu:
            layers[-1] = _biased(layers[-1], _vector(node, name, graph.weights))
        elif node.operator == "Sub" and not layers and (std == 1.0).all():
            mean = mean + _operand(node, name, graph.weights)
        elif node.operator == "Div" and not layers:
            std = std * _operand(node, name, graph.weights)
        elif node.operator != "Identity":
            raise ValueError(
                f"it must be a scaling (Sub, Div), then Gemm and Relu (got {node.operator})"
            )
        name = node.output
    if not layers or name != graph.outputs[0].name:
        raise ValueError(f"its chain must have layers and end in {graph.outputs[0].name!r}")
    return LayeredNetwork(mean, std, tuple(layers))


def _biased(layer: Layer, bias: Weights) -> Layer:
    return replace(layer, bias=layer.bias + bias)


def _operand(node: Node, name: str, weights: Mapping[str, Weights]) -> Weights:
    """What is subtracted from the rows, or divides them: never the other way round."""
    if node.inputs[0] != name:
        raise ValueError(f"{node.operator} must take the rows as its first input")
    return _vector(node, name, weights)


def _vector(node: Node, name: str, weights: Mapping[str, Weights]) -> Weights:
    (other,) = [found for found in node.inputs if found != name]
    return weight_named(weights, other).reshape(-1)


def weight_named(weights: Mapping[str, Weights], name: str) -> Weights:
    """The weights of this name; ValueError where the file has none."""
    if name not in weights:
        raise ValueError(f"weights {name!r} must be in the file")
    return weights[name]


def layer_of(node: Node, name: str, weights: Mapping[str, Weights]) -> Layer:
    """``alpha x W + beta b`` with the factors and the transposition carried out now.

    `name` is what its rows are called. ValueError for what is no such product.
    """
    attributes = node.attributes
    if node.inputs[0] != name or len(node.inputs) < 2 or attributes.get("transA"):
        raise ValueError(f"{node.operator} must take the rows as its first input")
    weight = weight_named(weights, node.inputs[1])
    if weight.ndim != 2:
        raise ValueError(f"weights {node.inputs[1]!r} must be a matrix (got {weight.shape})")
    if attributes.get("transB"):
        weight = weight.T
    alpha, beta = (np.float32(attributes.get(key, 1.0)) for key in ("alpha", "beta"))
    bias = np.zeros(1, np.float32)
    if len(node.inputs) > 2 and node.inputs[2]:
        bias = weight_named(weights, node.inputs[2])
    with np.errstate(all="ignore"):
        return Layer(weight * alpha, np.broadcast_to(bias.reshape(-1) * beta, weight.shape[1:]))
