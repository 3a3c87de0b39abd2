"""The daemon's socket, served in the governor's own thread while it would sleep.

Nothing here waits for a client. What one wake-up does is bounded, and the clock is looked at
between any two requests: however much comes in, the governor's next round begins in time.
"""

import contextlib
import errno
import logging
import math
import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path

from platforms.platform import Clock
from rm.daemon.applications.applications import Applications
from rm.daemon.clients.connection import Connection
from rm.daemon.clients.door import Door
from rm.daemon.clients.messages import Error, encode
from rm.daemon.clients.peer import peer_of
from rm.daemon.clients.session import Service, Session
from rm.daemon.clients.socket_file import SocketFile
from rm.daemon.clients.token_bucket import TokenBucket
from rm.daemon.status import ApplicationStatus
from rm.daemon.training.training_desk import TrainingDesk

ACCEPTS_PER_TURN = 8
LEAST_TURN_S = 0.0005
"""So long is served when the governor is late already."""

SHORTEST_PAUSE_S = 0.005
"""Peers over their limit are looked at again no sooner."""

LONGEST_WAIT_S = 60.0

WAKE_UPS_PER_S = 200.0
BURST_WAKE_UPS = 100.0
"""How often the process wakes for clients, in the long run and at once. What comes oftener is
served together: a flood of small messages costs no more wake-ups than this."""

_MILLISECOND_S = 0.001
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_SAY_AGAIN_S = 10.0

_log = logging.getLogger(__name__)


class Server:
    """Counts `connections` and `closed_for_cause`."""

    def __init__(
        self,
        path: Path,
        applications: Applications,
        status: Callable[[], bytes],
        clock: Clock,
        *,
        application_status: Callable[[int], ApplicationStatus | None] = lambda _id: None,
        training: TrainingDesk | None = None,
    ) -> None:
        """Listen at `path`; raises InvalidInput where that cannot be.

        `status` gives the daemon's status as JSON, `application_status` an application's by its id.
        `clock` must be a real one: sockets wait in the kernel's time. Without `training` no process
        may register a training job.
        """
        self.connections = 0
        self.closed_for_cause = 0
        self._clock = clock
        self._service = Service(
            applications, status, application_status, training=training, now_s=clock.now_s
        )
        self._door = Door(clock.now_s())
        self._open: dict[int, Connection] = {}
        self._wake_ups = TokenBucket(WAKE_UPS_PER_S, BURST_WAKE_UPS, clock.now_s())
        self._turn = 0
        self._said_s = -math.inf
        self._file = SocketFile(path)
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}
        self._watch(self._file.socket, selectors.EVENT_READ)
        self._is_over = False
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def serve_until(self, time_s: float) -> None:
        """Serve until the clock shows `time_s` or `end_waits`; at least a little in any case."""
        deadline_s = max(time_s, self._clock.now_s() + LEAST_TURN_S)
        self._serve_once(time_s, deadline_s)
        while self._clock.now_s() < time_s and not self._is_over:
            self._serve_once(time_s, deadline_s)

    def serve_pending(self) -> None:
        """Serve what is there without waiting, for a loop on another clock."""
        self._serve_once(-math.inf, self._clock.now_s() + LEAST_TURN_S)

    def end_waits(self) -> None:
        """Wait no more, now and from now on; safe to call from a signal handler."""
        self._is_over = True
        if self._bell >= 0:
            os.eventfd_write(self._bell, 1)  # it stays readable, so that no wait begins again

    def close(self) -> None:
        """End all connections and their grants, and remove the socket."""
        for connection in list(self._open.values()):
            connection.send_away("the daemon ends")
        self._open.clear()
        self._selector.close()
        self._file.close()
        bell, self._bell = self._bell, -1  # at once: a signal may still come
        os.close(bell)

    def _serve_once(self, time_s: float, deadline_s: float) -> None:
        ready = self._wait(time_s)
        due = self._due(self._clock.now_s())
        for number in self._in_turns([*ready, *due]):
            if self._clock.now_s() >= deadline_s:
                break
            if number == self._file.socket.fileno():
                self._accept(deadline_s)
            elif number in self._open:
                self._serve(self._open[number], ready.get(number, 0), deadline_s)
        self._watch_all()

    def _wait(self, time_s: float) -> dict[int, int]:
        """The file descriptors that are ready, and for what, before `time_s`."""
        now_s = self._clock.now_s()
        if not self._wake_ups.take(now_s):
            now_s = min(max(time_s, now_s), now_s + self._wake_ups.ready_s(now_s))
            self._clock.sleep_until(now_s)
            self._wake_ups.take(now_s)
        turn_s = self._next_turn_s(now_s)
        turn_s = max(turn_s, SHORTEST_PAUSE_S) if turn_s else 0.0
        wait_s = max(0.0, min(time_s - now_s, turn_s, LONGEST_WAIT_S))
        whole_s = math.floor(wait_s / _MILLISECOND_S) * _MILLISECOND_S
        ready = {key.fd: mask for key, mask in self._selector.select(whole_s)}
        if not ready and 0.0 < wait_s < _MILLISECOND_S:  # epoll would sleep a millisecond
            self._clock.sleep_until(now_s + wait_s)
        return ready

    def _next_turn_s(self, now_s: float) -> float:
        turns = [connection.next_turn_s(now_s) for connection in self._open.values()]
        waits_s = [turn_s for turn_s in turns if turn_s is not None]
        closed_s = self._door.opens_in_s(now_s)
        return min([*waits_s, *([closed_s] if closed_s > 0.0 else ())], default=math.inf)

    def _due(self, now_s: float) -> list[int]:
        return [n for n, connection in self._open.items() if connection.next_turn_s(now_s) == 0.0]

    def _in_turns(self, numbers: list[int]) -> list[int]:
        """Each once, another one first every time: a deadline cuts off the last ones."""
        once = list(dict.fromkeys(numbers))
        self._turn += 1
        first = self._turn % len(once) if once else 0
        return once[first:] + once[:first]

    def _serve(self, connection: Connection, mask: int, deadline_s: float) -> None:
        now_s = self._clock.now_s()
        if mask & selectors.EVENT_READ and connection.wants_to_read(now_s):
            connection.receive(now_s)
        connection.serve(self._clock.now_s, deadline_s)
        if connection.ended:  # forgotten at once: the next connection gets the same number
            self._forget(connection)

    def _accept(self, deadline_s: float) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            now_s = self._clock.now_s()
            if now_s >= deadline_s or self._door.opens_in_s(now_s) > 0.0:
                return
            try:
                new, _address = self._file.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:
                    self._door.shut(now_s)
                return
            self._admit(new, now_s)

    def _admit(self, new: socket.socket, now_s: float) -> None:
        new.setblocking(False)
        self.connections += 1
        peer = peer_of(new)
        present = (connection.session.peer for connection in self._open.values())
        why = self._door.refusal(peer, present, now_s)
        if why is None:
            self._open[new.fileno()] = Connection(new, Session(peer, self._service), now_s)
            return
        with contextlib.suppress(OSError):
            new.send(encode(Error(error=why, closing=True)), socket.MSG_NOSIGNAL)
        new.close()
        self._count_closed(why, peer.pid, peer.uid)

    def _watch_all(self) -> None:
        """Watch every connection for what it waits for."""
        now_s = self._clock.now_s()
        for connection in self._open.values():
            reads = selectors.EVENT_READ if connection.wants_to_read(now_s) else 0
            writes = selectors.EVENT_WRITE if connection.wants_to_write else 0
            self._watch(connection.socket, reads | writes)
        opens = self._door.opens_in_s(now_s) == 0.0
        self._watch(self._file.socket, selectors.EVENT_READ if opens else 0)

    def _watch(self, watched: socket.socket, mask: int) -> None:
        number = watched.fileno()
        before = self._watched.get(number, 0)
        if mask == before:
            return
        self._watched[number] = mask
        if not before:
            self._selector.register(number, mask)
        elif not mask:
            self._selector.unregister(number)
        else:
            self._selector.modify(number, mask)

    def _forget(self, connection: Connection) -> None:
        """The kernel has forgotten the closed descriptor already."""
        del self._open[connection.number]
        if self._watched.pop(connection.number, 0):
            self._selector.unregister(connection.number)
        if connection.closed_for is not None:
            peer = connection.session.peer
            self._count_closed(connection.closed_for, peer.pid, peer.uid)

    def _count_closed(self, why: str, pid: int, uid: int) -> None:
        self.closed_for_cause += 1
        now_s = self._clock.now_s()
        level = logging.WARNING if now_s - self._said_s >= _SAY_AGAIN_S else logging.DEBUG
        if level == logging.WARNING:
            self._said_s = now_s
        _log.log(level, "connection of process %d, user %d, closed: %s", pid, uid, why)
