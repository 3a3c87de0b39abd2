"""Write protobuf messages: as much of the wire format as ONNX and Caffe files need.

The counterpart of `npu_runtime.protobuf`. A message is its fields, joined. See
https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_VARINT, _LENGTH = 0, 2


def integer(number: int, value: int) -> bytes:
    """A field of an integer, an enumeration or a truth value; `value` is 0 or more.

    >>> integer(1, 150).hex(" ")
    '08 96 01'
    """
    return _varint(number << 3 | _VARINT) + _varint(value)


def content(number: int, value: bytes | str) -> bytes:
    """A field of bytes, a string or a message.

    >>> content(2, "hi").hex(" ")
    '12 02 68 69'
    """
    encoded = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _LENGTH) + _varint(len(encoded)) + encoded


def integers(number: int, values: Iterable[int]) -> bytes:
    """A packed repeated field of integers, each 0 or more.

    >>> integers(1, [3, 150]).hex(" ")
    '0a 03 03 96 01'
    """
    return content(number, b"".join(_varint(value) for value in values))


def floats(number: int, values: NDArray[np.float32]) -> bytes:
    """A packed repeated field of floats, row after row.

    >>> floats(5, np.array([1.0], np.float32)).hex(" ")
    '2a 04 00 00 80 3f'
    """
    return content(number, np.ascontiguousarray(values, "<f4").tobytes())


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the highest bit says that more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
