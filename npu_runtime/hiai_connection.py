"""A connection to `ilgov_hiai_server`: connect, load a model, ask it, and name what goes wrong."""

import os
import socket
import struct

from npu_runtime.backend import Rows
from npu_runtime.errors import BackendUnavailable, BadOutput
from npu_runtime.hiai_protocol import Hello, Model, packed_model, read_hello
from npu_runtime.isolation_messages import (
    ANSWER,
    FAILED,
    HELLO,
    MOST_BYTES,
    REQUEST,
    Message,
    packed_rows,
    unpacked,
)

SOCKET_VARIABLE = "ILGOV_HIAI_SOCKET"
"""The environment variable that says where the server listens; ``@NAME`` is an abstract name."""

DEFAULT_SOCKET = "/run/ilgov-hiai.sock"
"""Not in the daemon's own folder, which systemd removes with all that is in it when it ends."""

HELLO_S, LOAD_S, RUN_S = 4.0, 5.0, 5.0
"""The longest that the server may take (chosen: together less than isolation grants for a start;
isolation ends a run far earlier)."""

_CREDENTIALS = struct.Struct("iII")
_WAY_OUT = "npu_runtime/hiai/README.md says how to start it"


def socket_path() -> str:
    """Where the server listens, as the environment says."""
    return os.environ.get(SOCKET_VARIABLE, DEFAULT_SOCKET)


class HiaiConnection:
    """The server, connected; `hello` is what it says of itself.

    Every failure is a BackendUnavailable that says what the server said.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._sequence = 0
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._connect()
            self.hello = self._greeted()
        except BaseException:
            self.close()
            raise

    def load(self, model: Model) -> None:
        """Have the server load `model`; a connection serves one."""
        self._sequence += 1
        for packet in packed_model(self._sequence, model):
            self._send(packet)
        self._answer(LOAD_S)

    def ask(self, rows: Rows) -> Rows:
        """The loaded model's scores for scaled `rows`."""
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        self._send(packed_rows(REQUEST, self._sequence, rows))
        try:
            return self._answer(RUN_S).matrix
        except ValueError as error:
            raise BadOutput(f"the HiAI server must answer with a matrix ({error})") from error

    def close(self) -> None:
        """Hang up."""
        self._link.close()

    def _connect(self) -> None:
        try:
            self._link.settimeout(HELLO_S)
            self._link.connect("\0" + self.path[1:] if self.path[:1] == "@" else self.path)
            peer = self._link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except (OSError, ValueError) as error:
            raise BackendUnavailable(
                f"the back end hiai needs its server at {self.path} ({error}); {_WAY_OUT}, "
                f"{SOCKET_VARIABLE} names another place"
            ) from error
        _, owner, _ = _CREDENTIALS.unpack(peer)
        if owner not in (0, os.geteuid()):
            raise BackendUnavailable(
                f"the HiAI server at {self.path} must be root's, or run as this process does "
                f"(got user {owner})"
            )

    def _greeted(self) -> Hello:
        message = self._received(HELLO_S)
        try:
            if message.kind != HELLO:
                raise ValueError(f"its first message must say what it is (got {message.kind})")
            return read_hello(message.text)
        except ValueError as error:
            raise BackendUnavailable(
                f"what listens at {self.path} is no server: {error}"
            ) from error

    def _send(self, packet: bytes) -> None:
        self._link.settimeout(RUN_S)
        try:
            self._link.send(packet)
        except OSError as error:
            raise self._lost(error) from error

    def _answer(self, within_s: float) -> Message:
        message = self._received(within_s)
        if message.kind != ANSWER or message.sequence != self._sequence:
            raise BackendUnavailable(
                f"the HiAI server at {self.path} must answer what it was asked last "
                f"(got kind {message.kind}, {message.sequence} for {self._sequence})"
            )
        return message

    def _received(self, within_s: float) -> Message:
        self._link.settimeout(within_s)
        try:
            packet = self._link.recv(MOST_BYTES)
        except OSError as error:
            raise self._lost(error) from error
        if not packet:
            raise self._lost("it hung up")
        try:
            message = unpacked(packet)
        except ValueError as error:
            raise self._lost(error) from error
        if message.kind == FAILED:
            raise BackendUnavailable(f"the HiAI server at {self.path} refuses: {message.text}")
        return message

    def _lost(self, reason: Exception | str) -> BackendUnavailable:
        """What to raise; a server that ended may have left its last words."""
        try:
            self._link.setblocking(False)
            message = unpacked(self._link.recv(MOST_BYTES))
            if message.kind == FAILED:
                reason = message.text
        except (OSError, ValueError):
            pass
        return BackendUnavailable(
            f"the HiAI server at {self.path} must be there ({reason}); {_WAY_OUT}"
        )
