"""A daemon's socket for tests, served in the test's own thread or in another one."""

import contextlib
import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from platforms.board_file import load_board
from rm.daemon.applications.applications import Applications, Processes
from rm.daemon.clients.served_clock import MonotonicClock
from rm.daemon.clients.server import Server
from rm.daemon.configuration.settings import ApplicationRule, TrainingSettings
from rm.daemon.training.training_desk import TrainingDesk
from rm.training.jobs import TrainingJobs
from tests.rm.daemon.fake_table import FakeTable, process

NOBODY = 65534
STATUS = b'{"schema":1}'


def own_process() -> FakeTable:
    """A table with the process of the test and a few others'."""
    return FakeTable(
        process(os.getpid(), uid=os.geteuid()), process(2, uid=NOBODY), process(3, uid=1000)
    )


class SkippingClock(MonotonicClock):
    """The kernel's clock, with what a test has skipped added."""

    skipped_s = 0.0

    def now_s(self) -> float:
        """Seconds, the skipped ones too."""
        return super().now_s() + self.skipped_s

    def sleep_until(self, time_s: float) -> None:
        """Sleep what is left."""
        super().sleep_until(time_s - self.skipped_s)


class Daemon:
    """A server with its applications; `turn` serves it for a while."""

    def __init__(
        self,
        path: Path,
        processes: Processes | None = None,
        *,
        rules: Iterable[ApplicationRule] = (),
        status: Callable[[], bytes] = lambda: STATUS,
        settings: TrainingSettings | None = None,
        binding: bool = True,
    ) -> None:
        """Training jobs are let in where `settings` are given for them."""
        self.clock = SkippingClock()
        processes = processes or own_process()
        self.jobs = TrainingJobs(load_board("hikey970"))
        self.desk = TrainingDesk(
            self.jobs, processes, settings or TrainingSettings(), binding=binding
        )
        self.applications = Applications(rules, processes, trains=self.desk.trains)
        self.server = Server(
            path,
            self.applications,
            status,
            self.clock,
            training=None if settings is None else self.desk,
        )
        self.path = path

    def turn(self, duration_s: float = 0.005) -> None:
        """Serve for so long."""
        self.server.serve_until(self.clock.now_s() + duration_s)

    def turn_until(self, done: Callable[[], bool], *, patience_s: float = 60.0) -> None:
        """Serve until something has come about."""
        end_s = self.clock.now_s() + patience_s
        while not done():
            assert self.clock.now_s() < end_s, "it did not come about"
            self.turn()

    def peer(self) -> "Peer":
        """A connection that nobody has looked at yet."""
        return Peer(self)

    def names(self) -> list[str]:
        """The applications' names."""
        return [managed.name for managed in self.applications.managed()]


class Peer:
    """A client that says whatever a test wants."""

    def __init__(self, daemon: Daemon) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(daemon.path))
        self.socket.setblocking(False)
        self._daemon = daemon
        self._read = b""
        self.hung_up = False

    def send(self, *lines: bytes | dict[str, Any]) -> None:
        """Send lines, objects as JSON."""
        texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        self.socket.sendall(b"".join(text + b"\n" for text in texts))

    def try_to_send(self, data: bytes, dice: random.Random) -> None:
        """Send bytes in one piece or two, while the daemon is served; it may hang up on us."""
        middle = dice.choice((0, len(data), dice.randint(0, len(data))))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, BlockingIOError):
            self.socket.send(data[:middle])
            self._daemon.server.serve_pending()
            self.socket.send(data[middle:])

    def answer(self) -> dict[str, Any]:
        """The next answer, while the daemon is served."""
        self._daemon.turn_until(lambda: self._take() or self.hung_up)
        line, _, self._read = self._read.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, message: bytes | dict[str, Any]) -> dict[str, Any]:
        """The answer to a line."""
        self.send(message)
        return self.answer()

    def is_closed(self) -> bool:
        """Whether the daemon has hung up, and everything it said was read."""
        self._daemon.turn()
        self._take()
        return self.hung_up

    def _take(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            while not self.hung_up:
                try:
                    data = self.socket.recv(1 << 20)
                except ConnectionResetError:
                    data = b""
                self._read += data
                self.hung_up = not data
        return b"\n" in self._read

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextlib.contextmanager
def in_background(daemon: Daemon) -> Iterator[Daemon]:
    """Serve it in a thread, for clients that wait."""
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            daemon.turn(0.01)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield daemon
    finally:
        ended.set()
        thread.join()
        daemon.server.close()


@contextlib.contextmanager
def as_user(uid: int) -> Iterator[None]:
    """Be another user for a while, as to who connects."""
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)


def wait_until(done: Callable[[], bool], *, patience_s: float = 60.0) -> None:
    """Wait for another thread or process."""
    end_s = time.monotonic() + patience_s
    while not done():
        assert time.monotonic() < end_s, "it did not come about"
        time.sleep(0.002)
