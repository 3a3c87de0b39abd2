"""Write the layers of a policy as a Caffe network: a prototxt, and a caffemodel with the weights.

Legacy converters of NPUs read Caffe and no ONNX, the Kirin 970's among them. Names and field
numbers are those of https://github.com/BVLC/caffe/blob/master/src/caffe/proto/caffe.proto. Features
come in scaled, as (B, F, 1, 1); scores have the shape (B, N).
"""

from collections.abc import Iterator

import numpy as np

from npu_runtime.convert.protobuf_writer import content, floats, integer, integers
from npu_runtime.layers import Layer, LayeredNetwork
from npu_runtime.onnx_graph import Weights

NETWORK, INPUT, OUTPUT = "ilgov", "features", "scores"

_NET_NAME, _NET_LAYER = 1, 100
_NAME, _TYPE, _BOTTOM, _TOP, _BLOBS, _INNER_PRODUCT, _INPUT = 1, 2, 3, 4, 7, 117, 143
_NUM_OUTPUT, _INPUT_SHAPE = 1, 1
_BLOB_SHAPE, _BLOB_DATA, _DIM = 7, 5, 1


def prototxt(network: LayeredNetwork, batch: int) -> str:
    """The network without weights, in protobuf's text format, for calls of `batch` rows."""
    shape = " ".join(f"dim: {size}" for size in _input_shape(network, batch))
    parts = [f'name: "{NETWORK}"', _INPUT_LAYER.format(name=INPUT, shape=shape)]
    for name, bottom, top, layer in _named(network):
        outputs = len(layer.bias)
        parts.append(_INNER_PRODUCT_LAYER.format(name=name, bottom=bottom, top=top, n=outputs))
        if layer.relu:
            parts.append(_RELU_LAYER.format(name=f"{name}-relu", top=top))
    return "\n".join(parts) + "\n"


def caffemodel(network: LayeredNetwork, batch: int) -> bytes:
    """The network with its weights: a NetParameter in protobuf's binary format."""
    layers = [_input_layer(_input_shape(network, batch))]
    for name, bottom, top, layer in _named(network):
        layers.append(_inner_product(name, bottom, top, layer))
        if layer.relu:
            layers.append(_head(f"{name}-relu", "ReLU", (top,), top))
    return content(_NET_NAME, NETWORK) + b"".join(content(_NET_LAYER, part) for part in layers)


_INPUT_LAYER = """\
layer {{
  name: "{name}"
  type: "Input"
  top: "{name}"
  input_param {{ shape {{ {shape} }} }}
}}"""

_INNER_PRODUCT_LAYER = """\
layer {{
  name: "{name}"
  type: "InnerProduct"
  bottom: "{bottom}"
  top: "{top}"
  inner_product_param {{ num_output: {n} }}
}}"""

_RELU_LAYER = """\
layer {{
  name: "{name}"
  type: "ReLU"
  bottom: "{top}"
  top: "{top}"
}}"""


def _input_shape(network: LayeredNetwork, batch: int) -> tuple[int, int, int, int]:
    return batch, network.width, 1, 1


def _named(network: LayeredNetwork) -> Iterator[tuple[str, str, str, Layer]]:
    """Every layer with its name and those of what goes in and comes out; ReLU works in place."""
    bottom = INPUT
    for place, layer in enumerate(network.layers, start=1):
        name = f"layer{place}"
        top = OUTPUT if place == len(network.layers) else name
        yield name, bottom, top, layer
        bottom = top


def _input_layer(shape: tuple[int, ...]) -> bytes:
    sizes = content(_INPUT_SHAPE, integers(_DIM, shape))
    return _head(INPUT, "Input", (), INPUT) + content(_INPUT, sizes)


def _inner_product(name: str, bottom: str, top: str, layer: Layer) -> bytes:
    """Caffe keeps the matrix with a row per output. Further parameters are at their defaults."""
    return (
        _head(name, "InnerProduct", (bottom,), top)
        + content(_BLOBS, _blob(layer.weight.T))
        + content(_BLOBS, _blob(layer.bias))
        + content(_INNER_PRODUCT, integer(_NUM_OUTPUT, len(layer.bias)))
    )


def _head(name: str, kind: str, bottoms: tuple[str, ...], top: str) -> bytes:
    return (
        content(_NAME, name)
        + content(_TYPE, kind)
        + b"".join(content(_BOTTOM, bottom) for bottom in bottoms)
        + content(_TOP, top)
    )


def _blob(values: Weights) -> bytes:
    shape = content(_BLOB_SHAPE, integers(_DIM, np.shape(values)))
    return shape + floats(_BLOB_DATA, values)
