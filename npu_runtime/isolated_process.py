"""One process with a back end in it: start it, ask it within a deadline, end it. Nothing waits.

No call here blocks for longer than the deadline it is given, whatever the process does: it is asked
over a socket that never blocks, killed without being asked, and reaped whenever it is dead.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from npu_runtime.backend import Capabilities, Rows
from npu_runtime.isolation_messages import (
    ANSWER,
    FAILED,
    HELLO,
    MOST_BYTES,
    POLICY,
    REQUEST,
    SOCKET,
    Message,
    packed_rows,
    unpacked,
)
from npu_runtime.policy_file import PolicyFile

_CHILD = "npu_runtime.isolation_child"
_STDOUT, _STDERR = 1, 2

_ABOVE_THE_STANDARD_ONES = 10
"""Descriptors from here on are not those that the process gets."""


class Late(Exception):
    """No answer within the deadline."""


class Crashed(Exception):
    """The process ended, or said why it gives up."""


class Wrong(Exception):
    """An answer that cannot be one."""


class IsolatedProcess:
    """A process that runs `name` (see `load.backend_named`) on a policy. OSError: cannot start."""

    def __init__(self, name: str, file: PolicyFile) -> None:
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._link.setblocking(False)
        try:
            with theirs:
                self.pid = _spawn(theirs, name, file)
        except OSError:
            self._link.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._link, select.POLLIN)
        self._sequence = 0

    def hello(self, within_s: float = 0.0) -> Capabilities | None:
        """What the back end is, once it is ready; None before. Raises Crashed or Wrong."""
        message = self._received(time.monotonic() + within_s)
        if message is None:
            return None
        if message.kind != HELLO:
            raise Wrong(
                f"it must say first that it is ready (got a message of kind {message.kind})"
            )
        try:
            return msgspec.json.decode(message.payload, type=Capabilities)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Wrong(f"it must say what it is ({error})") from error

    def ask(self, rows: Rows, until_s: float) -> Rows:
        """The scores of `rows`, by `until_s` (monotonic). Raises Late, Crashed or Wrong."""
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        self._send(packed_rows(REQUEST, self._sequence, rows))
        message = self._received(until_s)
        if message is None:
            raise Late("it did not answer in time")
        if message.kind != ANSWER or message.sequence != self._sequence:
            raise Wrong("it must answer the question asked last")
        try:
            scores = message.matrix
        except ValueError as error:
            raise Wrong(f"its answer must be a matrix ({error})") from error
        if len(scores) != len(rows):
            raise Wrong(f"it must score {len(rows)} rows (got {len(scores)})")
        return scores

    def kill(self) -> None:
        """Let go of it, and kill it with all that it started; `reaped` says when it is dead."""
        self._link.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _send(self, packet: bytes) -> None:
        try:
            self._link.send(packet)
        except BlockingIOError as error:
            raise Late("it reads no question") from error
        except OSError as error:
            raise Crashed(_last_words(self._link) or "it ended") from error

    def _received(self, until_s: float) -> Message | None:
        """The next message; None if there is none by `until_s`."""
        if not self._poll.poll(max(0.0, 1e3 * (until_s - time.monotonic()))):
            return None
        try:
            packet = self._link.recv(MOST_BYTES)
        except OSError as error:
            raise Crashed("it ended") from error
        if not packet:
            raise Crashed("it ended")
        try:
            message = unpacked(packet)
        except ValueError as error:
            raise Wrong(str(error)) from error
        if message.kind == FAILED:
            raise Crashed(message.text)
        return message


def _last_words(link: socket.socket) -> str | None:
    """What a process that has ended left in the socket: why it gave up."""
    try:
        message = unpacked(link.recv(MOST_BYTES))
    except (OSError, ValueError):
        return None
    return message.text if message.kind == FAILED else None


def reaped(pid: int) -> bool:
    """Whether a killed process is dead and gone; never waits for it."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _spawn(theirs: socket.socket, name: str, file: PolicyFile) -> int:
    """Start the process; no copy of this one is made, so threads here do not matter."""
    policy = _in_memory(file.content)
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", _CHILD, *_arguments(name, file.path)],
            child_environment(),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs.fileno(), SOCKET),
                (os.POSIX_SPAWN_DUP2, policy, POLICY),
                (os.POSIX_SPAWN_DUP2, _STDERR, _STDOUT),
            ],
            setpgroup=0,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
        )
    finally:
        os.close(policy)


def _arguments(name: str, path: Path) -> list[str]:
    return [name, str(path), str(os.getpid())]


def child_environment() -> dict[str, str]:
    """This process's environment, for a Python that finds the modules that this one finds."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(_search_path(sys.path))}


def _search_path(entries: Sequence[str]) -> list[str]:
    """Where this process finds its modules; never the present folder, which may be anybody's."""
    return [str(Path(entry).absolute()) for entry in entries if entry]


def _in_memory(content: bytes) -> int:
    """A descriptor from which `content` can be read, and that no path leads to."""
    low = os.memfd_create("policy")
    try:
        high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _ABOVE_THE_STANDARD_ONES)
    finally:
        os.close(low)
    with os.fdopen(os.dup(high), "wb") as stream:
        stream.write(content)
    os.lseek(high, 0, os.SEEK_SET)
    return high
