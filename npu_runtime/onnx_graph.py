"""Read a chain of operators out of an ONNX file: as much of ONNX as our own networks use.

The numpy back end stands on it, so that a machine without onnx and onnxruntime can run a policy.
Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from npu_runtime import protobuf

Weights = NDArray[np.float32]
Shape = tuple[int | None, ...]

_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _SPARSE = 1, 5, 11, 12, 15
_NODE_INPUT, _NODE_OUTPUT, _OP_TYPE, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7
_ATTRIBUTE_NAME, _ATTRIBUTE_FLOAT, _ATTRIBUTE_INT = 1, 2, 3
_DIMS, _DATA_TYPE, _FLOAT_DATA, _TENSOR_NAME, _RAW_DATA, _LOCATION = 1, 2, 4, 8, 9, 14
_VALUE_NAME, _VALUE_TYPE, _TENSOR_TYPE = 1, 2, 1
_ELEMENT_TYPE, _SHAPE, _DIM, _DIM_VALUE = 1, 2, 1, 1
FLOAT32, FLOAT16 = 1, 10
"""ONNX's numbers for what weights and values are made of."""

_NUMPY_TYPES: dict[int, np.dtype[Any]] = {FLOAT32: np.dtype("<f4"), FLOAT16: np.dtype("<f2")}

_LARGEST_SIZE = 1 << 16
"""No dimension of weights is larger: it would only cost memory."""


@dataclass(frozen=True)
class Node:
    """One operator with the names of its inputs and of its only output."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, float]


@dataclass(frozen=True)
class Value:
    """An input or output of the network; `shape` is None where any size goes."""

    name: str
    is_float: bool
    shape: Shape


@dataclass(frozen=True)
class OnnxGraph:
    """The network: operators in the order in which they run, and weights by name."""

    nodes: tuple[Node, ...]
    weights: dict[str, Weights]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


def read_graph(content: bytes) -> OnnxGraph:
    """The graph in an ONNX file; ValueError where it holds more than this module knows."""
    graph = _Message(_Message(content).part(_GRAPH))
    if graph.parts(_SPARSE):
        raise ValueError("sparse weights are not supported")
    weights = dict(_weights(part) for part in graph.parts(_INITIALIZER))
    values = [_value(part) for part in graph.parts(_INPUT)]
    return OnnxGraph(
        nodes=tuple(_node(part) for part in graph.parts(_NODE)),
        weights=weights,
        inputs=tuple(value for value in values if value.name not in weights),
        outputs=tuple(_value(part) for part in graph.parts(_OUTPUT)),
    )


class _Message:
    """The fields of one protobuf message by their number."""

    def __init__(self, content: bytes) -> None:
        self._fields = list(protobuf.fields(content))

    def values(self, number: int) -> Iterator[bytes | int]:
        """Every value of a field, in file order."""
        return (value for found, value in self._fields if found == number)

    def parts(self, number: int) -> list[bytes]:
        """Every value of a field whose values are bytes."""
        return [value for value in self.values(number) if isinstance(value, bytes)]

    def part(self, number: int) -> bytes:
        """The last value of a field of bytes, empty where there is none (protobuf's default)."""
        return (self.parts(number) or [b""])[-1]

    def number(self, number: int) -> int:
        """The last value of a field of integers, else 0."""
        found = [value for value in self.values(number) if isinstance(value, int)]
        return (found or [0])[-1]

    def texts(self, number: int) -> tuple[str, ...]:
        """Every value of a field of strings. UnicodeDecodeError is a ValueError."""
        return tuple(part.decode() for part in self.parts(number))


def _node(content: bytes) -> Node:
    message = _Message(content)
    operator = message.part(_OP_TYPE).decode()
    domain = message.part(_DOMAIN).decode()
    outputs = message.texts(_NODE_OUTPUT)
    if domain not in ("", "ai.onnx"):
        raise ValueError(f"operator {operator} of {domain!r} is not supported")
    if len(outputs) != 1:
        raise ValueError(f"operator {operator} must have one output (got {len(outputs)})")
    attributes = dict(_attribute(part) for part in message.parts(_ATTRIBUTE))
    return Node(operator, message.texts(_NODE_INPUT), outputs[0], attributes)


def _attribute(content: bytes) -> tuple[str, float]:
    message = _Message(content)
    floats = message.parts(_ATTRIBUTE_FLOAT)
    if floats and len(floats[-1]) == 4:
        value = float(struct.unpack("<f", floats[-1])[0])
    else:
        value = float(message.number(_ATTRIBUTE_INT))
    return message.part(_ATTRIBUTE_NAME).decode(), value


def _weights(content: bytes) -> tuple[str, Weights]:
    message = _Message(content)
    name = message.part(_TENSOR_NAME).decode()
    kind = _NUMPY_TYPES.get(message.number(_DATA_TYPE))
    if kind is None:
        raise ValueError(f"weights {name!r} must be float32 or float16")
    if message.number(_LOCATION):
        raise ValueError(f"weights {name!r} must be in the file itself")
    raw = message.part(_RAW_DATA) or b"".join(message.parts(_FLOAT_DATA))
    shape = tuple(_integers(message, _DIMS))
    if not all(1 <= size <= _LARGEST_SIZE for size in shape):
        raise ValueError(f"weights {name!r} must have sizes of 1 ... {_LARGEST_SIZE} (got {shape})")
    if len(raw) != kind.itemsize * math.prod(shape):
        raise ValueError(f"weights {name!r} must be {shape} in shape (got {len(raw)} bytes)")
    return name, np.frombuffer(raw, kind).astype(np.float32).reshape(shape)


def _integers(message: _Message, number: int) -> Iterator[int]:
    """A field of repeated integers, written one by one or packed."""
    for value in message.values(number):
        if isinstance(value, int):
            yield value
        else:
            yield from protobuf.varints(value)


def _value(content: bytes) -> Value:
    message = _Message(content)
    tensor = _Message(_Message(message.part(_VALUE_TYPE)).part(_TENSOR_TYPE))
    sizes = [_size(part) for part in _Message(tensor.part(_SHAPE)).parts(_DIM)]
    is_float = tensor.number(_ELEMENT_TYPE) == FLOAT32
    return Value(message.part(_VALUE_NAME).decode(), is_float, tuple(sizes))


def _size(content: bytes) -> int | None:
    """A dimension's size; None where it has only a name, or none."""
    found = [value for value in _Message(content).values(_DIM_VALUE) if isinstance(value, int)]
    return found[-1] if found else None
