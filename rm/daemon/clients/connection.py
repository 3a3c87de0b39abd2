"""One client's connection: never waited for, never read faster than allowed, never trusted."""

import socket
from collections.abc import Callable

from rm.daemon.clients.line_buffer import LineBuffer, LineTooLong
from rm.daemon.clients.messages import (
    LONGEST_LINE_BYTES,
    Error,
    Malformed,
    Request,
    StatusOfAll,
    Train,
    TrainingRound,
    decode,
    encode,
    longest_bytes,
)
from rm.daemon.clients.session import Session
from rm.daemon.clients.token_bucket import TokenBucket

MESSAGES_PER_S = 200.0
BURST_MESSAGES = 200.0
STATUS_COSTS = 10.0
"""Messages that one request for the whole status counts for."""

TRAIN_COSTS = 50.0
"""Messages that a training job counts for: its tables are read and checked."""

ROUND_COSTS = 50.0
"""Messages that the beginning of a round counts for: its end is foreseen by planning it."""

RESUME_MESSAGES = 10.0
"""A peer over its limit waits until it may send so many: less often woken is less work."""

READS_PER_S = 200.0
BURST_READS = 50.0
"""How often input is taken from a peer, however little comes each time."""

LONGEST_ANSWER_BYTES = 1 << 20
"""What may wait for a peer to read it: one answer, the longest being a status."""

READS_WITHIN_S = 5.0
"""A peer that leaves an answer unread for longer is sent away."""

_CHUNK_BYTES = 4096


class Connection:
    """A non-blocking socket with its session.

    `closed_for` is why the daemon sent the peer away, None while it has not. A peer that hangs up
    makes it `ended`.
    """

    def __init__(self, connection: socket.socket, session: Session, now_s: float) -> None:
        self.socket = connection
        self.number = connection.fileno()
        self.session = session
        self.ended = False
        self.closed_for: str | None = None
        self._input = LineBuffer(LONGEST_LINE_BYTES, longest_bytes)
        self._output = bytearray()
        self._unread_since_s = now_s
        self._bucket = TokenBucket(MESSAGES_PER_S, BURST_MESSAGES, now_s)
        self._reads = TokenBucket(READS_PER_S, BURST_READS, now_s)
        self._whole_line_may_wait = False
        self._over_limit = False

    def wants_to_read(self, now_s: float) -> bool:
        """Whether more input is welcome: what came before is dealt with, and was answered."""
        busy = self.ended or self._output or self._whole_line_may_wait
        return not busy and self._reads.ready_s(now_s) == 0.0

    @property
    def wants_to_write(self) -> bool:
        """Whether an answer waits for the peer."""
        return not self.ended and bool(self._output)

    def next_turn_s(self, now_s: float) -> float | None:
        """In how many seconds there is something to do without the peer's doing anything."""
        if self.ended:
            return None
        if self._output:
            return max(0.0, self._unread_since_s + READS_WITHIN_S - now_s)
        if self._whole_line_may_wait:
            return self._bucket.ready_s(now_s, RESUME_MESSAGES if self._over_limit else 1.0)
        return self._reads.ready_s(now_s) or None

    def receive(self, now_s: float) -> None:
        """Take what has come, a little at most."""
        self._reads.take(now_s)
        try:
            data = self.socket.recv(_CHUNK_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        self._input.add(data)
        self._whole_line_may_wait = True

    def serve(self, now_s: Callable[[], float], deadline_s: float) -> None:
        """Deal with lines that have come, until the deadline, the limit or an unread answer."""
        self._flush(now_s())
        while self._whole_line_may_wait and not self._output and not self.ended:
            if now_s() >= deadline_s or not self._within_limit(now_s()):
                return
            self._serve_line(now_s())

    def _within_limit(self, now_s: float) -> bool:
        needed = RESUME_MESSAGES if self._over_limit else 1.0
        self._over_limit = self._bucket.ready_s(now_s, needed) > 0.0
        return not self._over_limit

    def send_away(self, why: str) -> None:
        """Say why, if the peer can hear it, and end."""
        self.closed_for = why
        if not self._output:
            self._output += encode(Error(error=why, closing=True))
            self._send()
        self._end()

    def _serve_line(self, now_s: float) -> None:
        try:
            line = self._input.next_line()
            if line is None:
                self._whole_line_may_wait = False
                return
            request = decode(line)
        except (LineTooLong, Malformed) as error:
            self.send_away(str(error))
            return
        self._bucket.take(now_s, _cost(request))
        answer = self.session.answer(request)
        if answer is not None:
            self._output += answer
            self._unread_since_s = now_s
            self._flush(now_s)

    def _flush(self, now_s: float) -> None:
        if not self._output or self.ended:
            return
        self._send()
        if len(self._output) > LONGEST_ANSWER_BYTES:
            self.send_away(f"answers must be read (more than {LONGEST_ANSWER_BYTES} bytes wait)")
        elif self._output and now_s - self._unread_since_s >= READS_WITHIN_S:
            self.send_away(f"answers must be read within {READS_WITHIN_S:g} s")

    def _send(self) -> None:
        try:
            sent = self.socket.send(self._output, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._end()
            return
        del self._output[:sent]

    def _end(self) -> None:
        if not self.ended:
            self.ended = True
            self.session.close()
            self.socket.close()


def _cost(request: Request) -> float:
    """How many messages a request counts for."""
    if isinstance(request, StatusOfAll):
        return STATUS_COSTS
    if isinstance(request, Train):
        return TRAIN_COSTS
    return ROUND_COSTS if isinstance(request, TrainingRound) else 1.0
