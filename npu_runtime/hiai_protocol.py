"""What the back end `hiai` and its server on the board tell each other: hiai/messages.h, in Python.

Packets, kinds and header are those of `isolation_messages`, with two kinds more: LOAD says what
model comes, PART brings its bytes. They come over the socket, in pieces, and not as a descriptor:
under Android the policy that guards processes from each other also decides who may use whose
descriptors and read which files, and a model of a few tens of KiB is three packets.
"""

import struct
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from npu_runtime.isolation_messages import HEADER, MAGIC, MOST_PAYLOAD_BYTES

LOAD, PART = 5, 6

MOST_NAME_BYTES = 63
MOST_PARTS = 2

_LOAD = struct.Struct(f"<IIIIII{MOST_NAME_BYTES + 1}s")


class Hello(Struct, frozen=True, kw_only=True):
    """The server's first message: its library's version, and whether it compiles Caffe models."""

    version: str
    builds: bool


class Model(Struct, frozen=True, kw_only=True):
    """A model to load, under a name that the library will know it by: letters, digits, ``._-``.

    One part is a compiled model, two are a prototxt and a caffemodel, which the server compiles.
    """

    name: str
    batch: int
    inputs: int
    outputs: int
    parts: tuple[bytes, ...]


def read_hello(text: str) -> Hello:
    """The server's first message; ValueError where it is none."""
    try:
        return msgspec.json.decode(text, type=Hello)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"its first message must say what it is ({error})") from error


def packed_model(sequence: int, model: Model) -> Iterator[bytes]:
    """A LOAD and its PARTs; one ANSWER or FAILED of this sequence will follow them."""
    sizes = [len(part) for part in model.parts] + [0] * (MOST_PARTS - len(model.parts))
    shape = model.batch, model.inputs, model.outputs
    about = _LOAD.pack(*shape, len(model.parts), *sizes, model.name.encode())
    yield _packed(LOAD, sequence, 0, 0, about)
    for number, part in enumerate(model.parts):
        for start in _starts(part):
            piece = part[start : start + MOST_PAYLOAD_BYTES]
            yield _packed(PART, sequence, number, start, piece)


def _starts(part: bytes) -> Sequence[int]:
    return range(0, len(part), MOST_PAYLOAD_BYTES)


def _packed(kind: int, sequence: int, first: int, second: int, payload: bytes) -> bytes:
    return HEADER.pack(MAGIC, kind, sequence, first, second) + payload
