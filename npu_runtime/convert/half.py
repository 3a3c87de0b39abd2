"""A policy in float16: layers and what flows between them; features, scaling and scores are not.

Raw features (1e10 instructions per second) do not fit into float16, so they are scaled in float32
before the first cast.
"""

import numpy as np
from onnx import TensorProto

from npu_runtime.convert.policy_onnx import Chain, as_policy, range_refused, scaled
from npu_runtime.convert.target import convertible
from npu_runtime.layers import LayeredNetwork
from npu_runtime.onnx_graph import Weights
from npu_runtime.policy_file import PolicyFile

MOST = float(np.finfo(np.float16).max)
"""The largest number in float16."""


def to_float16(file: PolicyFile) -> bytes:
    """The bytes of a policy file in float16, the same every time.

    Raises ConversionFailed where the policy is no scaling and layers in float32, or weights or
    scaled features exceed what float16 holds.
    """
    network = convertible(file)
    _check_range(file, network)
    chain = scaled(network)
    chain.then("Cast", to=TensorProto.FLOAT16)
    for place, layer in enumerate(network.layers):
        half_layer(chain, place, layer.weight, layer.bias, relu=layer.relu)
    chain.then("Cast", to=TensorProto.FLOAT)
    return as_policy(file, chain, "float16")


def half_layer(chain: Chain, place: int, weight: Weights, bias: Weights, *, relu: bool) -> None:
    """Add the layer number `place`, in float16; what comes in must be float16."""
    names = (
        chain.weight(f"weight{place}", weight.astype(np.float16)),
        chain.weight(f"bias{place}", bias.astype(np.float16)),
    )
    chain.then("Gemm", *names)
    if relu:
        chain.then("Relu")


def _check_range(file: PolicyFile, network: LayeredNetwork) -> None:
    """Features reach as far as their table says."""
    features = file.metadata.features
    ends = np.array([[f.low for f in features], [f.high for f in features]], np.float32)
    checks = [("scaled features", network.normalised(ends))]
    for place, layer in enumerate(network.layers):
        checks += [(f"weights of layer {place}", layer.weight)]
        checks += [(f"biases of layer {place}", layer.bias)]
    for what, values in checks:
        largest = float(np.abs(values).max())
        if not largest <= MOST:
            raise range_refused(file, what, MOST, largest)
