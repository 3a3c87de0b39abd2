"""Tell the ilgov daemon what an application needs and how it does. Standard library only.

    with Client() as client:
        client.register(target=30.0, unit="heartbeats/s")
        for frame in frames:
            show(frame)
            client.heartbeat()

The application never depends on the daemon: where none runs, or it hangs, or it ends, everything
here goes on as if nothing were, and a later call connects again and registers again.
`heartbeat` never waits. What asks a question waits for the answer, `patience_s` at most. Who sends
no heartbeats calls `state` now and then: it is the calls that connect again.
"""

import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal

DEFAULT_SOCKET = "/run/ilgov/socket"

BATCH_S = 0.02
"""Heartbeats are sent together, at most once in so long."""

MESSAGES_PER_S = 100.0
"""What the heartbeats of many processes together keep to: half of what the daemon allows."""

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
"""Pauses between attempts to connect, doubling from the first to the longest."""

UNITS = ("heartbeats/s", "instructions/s")

_CHUNK_BYTES = 65536
_LONGEST_ANSWER_BYTES = 1 << 20
_MOST_BEATS = 1_000_000
"""In one message: faster than this in 20 ms nobody works."""


class Refused(Exception):
    """The daemon does not grant what was asked for; the message says why."""


class Client:
    """An application's end of the daemon's socket; threads may share it.

    `dropped` counts heartbeats that could not be sent; `problem` is the last reason for not being
    connected, None where there is none. A process that is forked off has nothing registered.
    """

    def __init__(
        self,
        socket_path: str | os.PathLike[str] = DEFAULT_SOCKET,
        *,
        patience_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is connected yet. `clock` gives monotonic seconds."""
        self.dropped = 0
        self.problem: str | None = None
        self._path = os.fspath(socket_path)
        self._patience_s = patience_s
        self._clock = clock
        self._sent_s = self._next_attempt_s = float("-inf")
        self._pause_s = FIRST_PAUSE_S
        self._line: Line | None = None
        self._begin()

    def _begin(self) -> None:
        """With nothing registered, in the process that calls."""
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._counting = threading.RLock()
        self._wishes: dict[int | None, dict[str, Any]] = {}
        self._beats: dict[int | None, int] = {}
        if self._line is not None:  # the parent's
            self._line.close()
            self._line = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether a daemon was there at the last call."""
        return self._line is not None

    def register(
        self,
        *,
        target: float | None = None,
        unit: Literal["heartbeats/s", "instructions/s"] = "heartbeats/s",
        name: str | None = None,
        pid: int | None = None,
        priority: int | None = None,
    ) -> bool:
        """Have a process managed (None: this one), at `target` in `unit`, until it or we end.

        Without a target the daemon's configuration must name the process. Where not all targets can
        be met, those with a lower `priority` (-1000 to 1000) give way. Only root registers other
        users' processes, or with a priority above 0. Returns whether a daemon has granted it; False
        where none answers: it is asked for again as soon as one does. Raises Refused, and
        ValueError for what can never be granted.
        """
        _check(target, unit, name, pid, priority)
        wish = {"target": target, "unit": unit, "name": name, "pid": pid, "priority": priority}
        message = {"type": "register"} | {k: v for k, v in wish.items() if v is not None}
        with self._locked():
            self._wishes.pop(pid, None)
            answer = self._ask(message)
            self._wishes[pid] = message
            return answer is not None

    def heartbeat(self, n: int = 1, *, pid: int | None = None) -> None:
        """Say that `n` pieces of work more are done. Never waits."""
        if n < 1:
            raise ValueError(f"n must be at least 1 (got {n})")
        lock = self._locked()
        with self._counting:
            self._beats[pid] = min(self._beats.get(pid, 0) + n, _MOST_BEATS)
            pause_s = max(BATCH_S, len(self._beats) / MESSAGES_PER_S)
        if self._clock() - self._sent_s < pause_s:
            return
        if lock.acquire(blocking=False):  # else another thread talks: later
            try:
                self._send_beats()
            finally:
                lock.release()

    def state(self, *, pid: int | None = None) -> dict[str, Any]:
        """How a registered process does: rate, target, met, cores ...; empty without a daemon.

        Raises Refused where the process is not (or no longer) registered.
        """
        with self._locked():
            answer = self._ask(_message("state", pid))
            return dict(answer["application"]) if answer else {}

    def status(self) -> dict[str, Any]:
        """The daemon's whole status, as ``ilgov status --json`` prints it; empty without one."""
        with self._locked():
            return self._ask({"type": "status"}) or {}

    def unregister(self, *, pid: int | None = None) -> None:
        """Have a process left alone from now on."""
        with self._locked():
            if self._wishes.pop(pid, None) is not None and self._line is not None:
                self._ask(_message("unregister", pid))

    def close(self) -> None:
        """Send what is left, hang up: nothing that was registered here is managed any longer."""
        with self._locked():
            self._send_beats()
            self._wishes.clear()
            self._hang_up(None)

    def _locked(self) -> threading.RLock:
        if os.getpid() != self._process:
            self._begin()
        return self._lock

    def _ask(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """The answer, None where no daemon gives one. Raises Refused."""
        end_s = self._clock() + self._patience_s
        line = self._connected()
        if line is None:
            return None
        try:
            answer = line.ask(message, lambda: end_s - self._clock())
        except Gone as gone:
            self._hang_up(str(gone))
            return None
        self._pause_s = FIRST_PAUSE_S
        if answer.get("type") == "error":
            raise Refused(answer.get("error"))
        return answer

    def _send_beats(self) -> None:
        self._sent_s = self._clock()
        with self._counting:
            beats, self._beats = self._beats, {}
        line = self._connected() if beats else self._line
        for pid, count in beats.items():
            message = {**_message("heartbeat", pid), "count": count}
            if line is None or not line.offer(message):
                self.dropped += count

    def _connected(self) -> "Line | None":
        """The line, if there is one that the daemon has not hung up; a new one, if it is time."""
        if self._line is not None:
            try:
                self._line.look()
            except Gone as gone:
                self._hang_up(str(gone))
        if self._line is None and self._clock() >= self._next_attempt_s:
            self._connect()
        return self._line

    def _connect(self) -> None:
        """Try once, and register what is registered; `_pause_s` until the next time."""
        self._next_attempt_s = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        try:
            line = Line(self._path)
        except OSError as error:
            self.problem = f"{self._path}: {error.strerror or error}"
            return
        self.problem = None
        self._line = line
        line.queue(list(self._wishes.values()))

    def _hang_up(self, why: str | None) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
            self.problem = why


class Gone(Exception):
    """The daemon does not answer, or has hung up."""


class SentAway(Gone):
    """The daemon has hung up for what was said; the message tells what is wrong with it."""


class Line:
    """A connection that is waited for in `ask` and `wait` alone.

    `_unheard` answers are passed over. Who uses `say` takes the answers with `answers`, and uses
    nothing else to talk.
    """

    def __init__(self, path: str) -> None:
        """Raises OSError where nobody listens."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise
        self._output = b""
        self._input = b""
        self._unheard = 0
        self._gone: str | None = None
        self._last: Gone | None = None

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def queue(self, messages: Sequence[dict[str, Any]]) -> None:
        """Send messages as soon as that can be done; their answers are passed over."""
        self._output += b"".join(_line(message) for message in messages)
        self._unheard += len(messages)
        self._flush()

    def offer(self, message: dict[str, Any]) -> bool:
        """Send a message that has no answer, if it can be sent at once; whether it was."""
        self._flush()
        if self._output or self._gone:
            return False
        self._output = _line(message)
        self._flush()
        return self._gone is None

    def look(self) -> None:
        """Take in what has come. Raises Gone."""
        self._flush()
        self._receive()
        while self._next_answer() is not None:
            self._unheard -= 1
        if self._gone or self._unheard < 0:
            raise Gone(self._gone or "the daemon said what nobody had asked")

    def ask(self, message: dict[str, Any], left_s: Callable[[], float]) -> dict[str, Any]:
        """Send a message and wait for its answer while time is left. Raises Gone."""
        self._output += _line(message)
        while True:
            self._flush()
            self._receive()
            while (answer := self._next_answer()) is not None:
                if not self._unheard:
                    return answer
                self._unheard -= 1
            if self._gone:
                raise Gone(self._gone)
            self._wait(left_s())

    def say(self, message: dict[str, Any]) -> None:
        """Send a message as soon as that can be done."""
        self._output += _line(message)
        self._flush()

    def answers(self) -> list[dict[str, Any]]:
        """What has come since the last call. Raises Gone once all that came before it was taken."""
        self._flush()
        self._receive()
        found = []
        try:
            while (answer := self._next_answer()) is not None:
                found.append(answer)
        except Gone as gone:
            self._last = gone
        if not found and (self._last or self._gone):
            raise self._last or Gone(self._gone)
        return found

    def wait(self, left_s: float) -> None:
        """Return when something has come or gone, after `left_s` at the latest."""
        if left_s > 0 and not self._gone:
            self._poll(left_s)

    def _wait(self, left_s: float) -> None:
        if left_s <= 0:
            raise Gone("the daemon does not answer")
        self._poll(left_s)

    def _poll(self, left_s: float) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._output else 0))
        poll.poll(left_s * 1000)

    def _flush(self) -> None:
        """Send what waits, as far as it goes."""
        try:
            while self._output:
                sent = self._socket.send(self._output, socket.MSG_NOSIGNAL)
                self._output = self._output[sent:]
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._gone = f"the daemon is gone ({error.strerror})"

    def _receive(self) -> None:
        """Take what has come; what came before a hang-up can still be read after it."""
        try:
            while len(self._input) <= _LONGEST_ANSWER_BYTES:
                data = self._socket.recv(_CHUNK_BYTES)
                if not data:
                    self._gone = self._gone or "the daemon has hung up"
                    return
                self._input += data
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._gone = f"the daemon is gone ({error.strerror})"
        else:
            self._gone = "the daemon's answer is too long"

    def _next_answer(self) -> dict[str, Any] | None:
        """The next whole answer. Raises Gone where the daemon sends us away, or talks rubbish."""
        line, whole, rest = self._input.partition(b"\n")
        if not whole:
            return None
        self._input = rest
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise Gone("the daemon's answer is no JSON") from error
        if not isinstance(answer, dict):
            raise Gone("the daemon's answer is no object")
        if answer.get("closing"):
            raise SentAway(str(answer.get("error")))
        return answer


def _message(kind: str, pid: int | None) -> dict[str, Any]:
    return {"type": kind} if pid is None else {"type": kind, "pid": pid}


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message, allow_nan=False).encode() + b"\n"


def _check(
    target: float | None, unit: str, name: str | None, pid: int | None, priority: int | None
) -> None:
    """Refuse here what the daemon would hang up for. Raises ValueError."""
    if target is not None and not 0 < target <= 1e12:
        raise ValueError(f"target must be a number above 0, up to 1e12 (got {target!r})")
    if unit not in UNITS:
        raise ValueError(f"unit must be one of {', '.join(UNITS)} (got {unit!r})")
    if name is not None and not 1 <= len(name) <= 64:
        raise ValueError(f"name must have 1 to 64 characters (got {name!r})")
    if pid is not None and not 1 <= pid <= 4_194_304:
        raise ValueError(f"pid must be that of a process (got {pid!r})")
    if priority is not None and not -1000 <= priority <= 1000:
        raise ValueError(f"priority must be from -1000 to 1000 (got {priority!r})")
