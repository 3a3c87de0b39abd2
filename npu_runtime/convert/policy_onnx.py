"""A policy file of lower precision: the scaling in float32, then a chain of operators, as bytes.

Needs the package onnx (the extra ``train``). The same policy gives the same bytes.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import onnx
from msgspec.structs import replace
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from npu_runtime.convert.target import convertible
from npu_runtime.errors import ConversionFailed
from npu_runtime.layers import LayeredNetwork
from npu_runtime.policy_file import (
    METADATA_KEY,
    PolicyFile,
    Precision,
    encode_metadata,
    graph_sha256,
)

OPSET, IR_VERSION = 18, 10
"""Those of the policies that the training exports."""

_FEATURES, _SCORES = "features", "scores"


@dataclass
class Chain:
    """Operators one after the other; `last` is what the newest one's output is called."""

    last: str = _FEATURES
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def weight(self, name: str, values: NDArray[Any]) -> str:
        """Add weights; their name."""
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def then(self, operator: str, *others: str, **attributes: Any) -> None:
        """Add an operator that takes the newest output, and `others` behind it."""
        output = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [self.last, *others], [output], **attributes))
        self.last = output

    def aside(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator that takes weights alone; the name of its output."""
        output = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def scaled(network: LayeredNetwork) -> Chain:
    """A chain that scales the features, in float32."""
    chain = Chain()
    chain.then("Sub", chain.weight("mean", network.mean))
    chain.then("Div", chain.weight("std", network.std))
    return chain


def as_policy(file: PolicyFile, chain: Chain, precision: Precision) -> bytes:
    """The policy file with this network: `file`'s metadata, and from which policy it was made."""
    chain.nodes[-1].output[0] = _SCORES
    network = convertible(file)
    graph = helper.make_graph(
        chain.nodes,
        "policy",
        [helper.make_tensor_value_info(_FEATURES, TensorProto.FLOAT, ["batch", network.width])],
        [helper.make_tensor_value_info(_SCORES, TensorProto.FLOAT, ["batch", network.outputs])],
        chain.weights,
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="ilgov"
    )
    metadata = replace(
        file.metadata,
        precision=precision,
        made_from_sha256=hashlib.sha256(file.content).hexdigest(),
        graph_sha256=graph_sha256(_serialised(model)),
    )
    model.metadata_props.add(key=METADATA_KEY, value=encode_metadata(metadata))
    onnx.checker.check_model(model, full_check=True)
    return _serialised(model)


def range_refused(file: PolicyFile, what: str, most: float, got: float) -> ConversionFailed:
    """The error for numbers that a precision does not hold."""
    return ConversionFailed(
        f"{file.path}: {what} must be at most {most:g} (got {got:g}); leave this policy in float32"
    )


def _serialised(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))
