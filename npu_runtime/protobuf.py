"""Walk over the fields of one protobuf message: as much of the wire format as ONNX files need.

The daemon reads a policy's metadata and checks its hash with this alone, without the onnx package.
See https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Field numbers with their values in file order; sub-messages and strings stay bytes.

    Raises ValueError where the message is cut off or is no protobuf message.

    >>> list(fields(bytes([0x08, 0x96, 0x01, 0x12, 0x02, 0x68, 0x69])))
    [(1, 150), (2, b'hi')]
    """
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        number, wire_type = key >> 3, key & 7
        if number == 0:
            raise ValueError(f"field number 0 at byte {position}")
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        if wire_type == _LENGTH:
            length, position = _varint(message, position)
        elif wire_type in _FIXED_BYTES:
            length = _FIXED_BYTES[wire_type]
        else:
            raise ValueError(f"wire type {wire_type} at byte {position}")
        if position + length > len(message):
            raise ValueError(f"cut off: field {number} needs {length} bytes at byte {position}")
        yield number, message[position : position + length]
        position += length


def varints(packed: bytes) -> Iterator[int]:
    """The integers of a packed repeated field; ValueError where the last one is cut off.

    >>> list(varints(bytes([3, 0x96, 0x01])))
    [3, 150]
    """
    position = 0
    while position < len(packed):
        value, position = _varint(packed, position)
        yield value


def _varint(message: bytes, start: int) -> tuple[int, int]:
    """A variable-length integer and the position behind it."""
    value = 0
    for offset, byte in enumerate(message[start : start + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * offset)
        if byte < 0x80:
            return value, start + offset + 1
    raise ValueError(f"cut off: unfinished integer at byte {start}")
