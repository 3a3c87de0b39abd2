"""What a back end in a process of its own and its owner tell each other.

One message is one packet of a socket: a small header, then raw float32 rows, or text. No pickle:
bytes from a process that may have run wild must not be able to do more than be refused.
"""

import struct
from dataclasses import dataclass

import numpy as np

from npu_runtime.backend import Rows

HELLO, REQUEST, ANSWER, FAILED = 1, 2, 3, 4
"""Ready to answer (its text: `Capabilities` as JSON), rows, their scores, and why it gives up."""

SOCKET, POLICY = 0, 3
"""The descriptors that the process gets: the socket, and the policy file's bytes."""

MOST_PAYLOAD_BYTES = 64 << 10
"""Payload of a packet at most: a third of what a socket buffers, so no send can wait."""

HEADER = struct.Struct("<4sIIII")
"""Magic, kind, sequence, rows, columns."""

MAGIC = b"ilg1"
MOST_BYTES = HEADER.size + MOST_PAYLOAD_BYTES


@dataclass(frozen=True)
class Message:
    """A packet taken apart; `sequence` is that of the request. `payload` is a view of it."""

    kind: int
    sequence: int
    rows: int
    columns: int
    payload: memoryview

    @property
    def text(self) -> str:
        """The payload of HELLO and FAILED."""
        return bytes(self.payload).decode(errors="replace")

    @property
    def matrix(self) -> Rows:
        """A copy of the payload of REQUEST and ANSWER; ValueError where size and header differ."""
        values = np.frombuffer(self.payload, "<f4")
        return values.reshape(self.rows, self.columns).astype(np.float32)


def packed_text(kind: int, text: str) -> bytes:
    """A HELLO or FAILED; what is too long is cut off."""
    return HEADER.pack(MAGIC, kind, 0, 0, 0) + text.encode()[:MOST_PAYLOAD_BYTES]


def packed_rows(kind: int, sequence: int, rows: Rows) -> bytes:
    """A REQUEST or ANSWER."""
    header = HEADER.pack(MAGIC, kind, sequence, *rows.shape)
    return header + rows.astype("<f4", order="C", copy=False).tobytes()


def unpacked(packet: bytes) -> Message:
    """The message in a packet; ValueError where it is none."""
    if len(packet) < HEADER.size:
        raise ValueError(f"a message must have a header of {HEADER.size} bytes")
    magic, kind, sequence, rows, columns = HEADER.unpack_from(packet)
    if magic != MAGIC or not HELLO <= kind <= FAILED:
        raise ValueError("a message must be of this version and of a known kind")
    return Message(kind, sequence, rows, columns, memoryview(packet)[HEADER.size :])


def most_rows(*widths: int) -> int:
    """How many rows of any of these widths fit into one packet."""
    return MOST_PAYLOAD_BYTES // (4 * max(widths))
