"""Tests of the clock that serves the socket while the governor waits."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms.platform import Clock
from rm.daemon.clients.served_clock import MonotonicClock, ServedClock
from tests.rm.daemon.served import Daemon

PERIOD_S = 0.01
LATE_S = 0.05
"""Far above what is seen on an idle machine (below 1 ms), far below what a stuck loop would need:
machines that run tests are busy."""

FLOOD = """
import itertools, socket, sys
def connected():
    line = socket.socket(socket.AF_UNIX)
    line.connect(sys.argv[1])
    line.setblocking(False)
    return line
kind = sys.argv[2]
lines = [connected() for _ in range(8)]
data = {
    "beats": b'{"type":"heartbeat"}\\n' * 1000,
    "states": b'{"type":"status"}\\n' * 1000,
    "bytes": b" ",
    "garbage": b"x" * 100_000,
    "visits": b"{",
}[kind]
for number in itertools.count():
    place = number % len(lines)
    try:
        lines[place].send(data)
        if kind == "visits":
            lines[place].close()
    except BlockingIOError:
        pass
    except OSError:
        try:
            lines[place] = connected()
        except OSError:
            pass
"""


@contextlib.contextmanager
def flooded(daemon: Daemon, kind: str) -> Iterator[None]:
    """While eight connections of another process send all they can."""
    flood = subprocess.Popen(
        [sys.executable, "-c", FLOOD, str(daemon.path), kind], stderr=subprocess.DEVNULL
    )
    try:
        daemon.turn_until(lambda: daemon.server.connections >= 8)
        yield
    finally:
        flood.kill()
        flood.wait()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose status is as long as a real one."""
    daemon = Daemon(tmp_path / "socket", status=lambda: b'"' + b"x" * 50_000 + b'"')
    yield daemon
    daemon.server.close()


def lateness_s(clock: Clock, rounds: int) -> list[float]:
    """How late a loop wakes, that waits by a clock as the governor does."""
    start_s = clock.now_s()
    late_s = []
    for number in range(1, rounds + 1):
        clock.sleep_until(start_s + number * PERIOD_S)
        late_s.append(clock.now_s() - start_s - number * PERIOD_S)
    return late_s


def served(daemon: Daemon) -> ServedClock:
    """The governor's clock."""
    return ServedClock(daemon.server, daemon.clock)


def median_s(values_s: list[float]) -> float:
    """The middle one."""
    return sorted(values_s)[len(values_s) // 2]


def test_it_wakes_in_time_when_nobody_calls(daemon: Daemon) -> None:
    """Never too early."""
    late_s = lateness_s(served(daemon), 50)
    assert min(late_s) >= 0.0
    assert LATE_S / 10 > median_s(late_s)


@pytest.mark.parametrize("kind", ["beats", "states", "bytes", "garbage", "visits"])
def test_it_wakes_in_time_however_much_comes_in(daemon: Daemon, kind: str) -> None:
    """Work between two looks at the clock is bounded, and most of the flood is not even read."""
    late_s: list[float] = []
    asleep_s: list[float] = []
    cpu_s = 0.0
    with flooded(daemon, kind):
        for _ in range(10):
            asleep_s += lateness_s(daemon.clock, 5)
            cpu_s -= time.process_time()
            late_s += lateness_s(served(daemon), 5)
            cpu_s += time.process_time()
    logging.getLogger(__name__).info(
        "flood of %s: %.2f ms late in the middle, %.2f ms at most (a sleep: %.2f and %.2f), "
        "%.0f %% of a core",
        kind,
        *(
            1e3 * late
            for late in (median_s(late_s), max(late_s), median_s(asleep_s), max(asleep_s))
        ),
        cpu_s / (50 * PERIOD_S) * 100,
    )
    assert min(late_s) >= 0.0
    assert LATE_S + 3 * median_s(asleep_s) > median_s(late_s)
    assert 0.8 > cpu_s / (50 * PERIOD_S)


def test_a_time_that_has_passed_serves_a_little_all_the_same(daemon: Daemon) -> None:
    """A governor that is always late must still be asked for its status."""
    with daemon.peer() as peer:
        peer.send({"type": "heartbeat"}, b"rubbish")
        for _ in range(5):
            daemon.server.serve_until(daemon.clock.now_s() - 1.0)
        assert 1 == daemon.server.closed_for_cause


def test_nothing_is_waited_for_when_only_what_is_there_is_served(daemon: Daemon) -> None:
    """For loops on a clock that is not the kernel's."""
    start_s = time.monotonic()
    for _ in range(100):
        daemon.server.serve_pending()
    assert 1.0 > time.monotonic() - start_s


def test_a_stopped_client_keeps_nobody(daemon: Daemon) -> None:
    """It asked and went to sleep."""
    script = (
        "import socket, sys, os, signal\n"
        "line = socket.socket(socket.AF_UNIX)\n"
        "line.connect(sys.argv[1])\n"
        'line.sendall(b\'{"type":"status"}\\n\' * 20)\n'
        "os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    stopped = subprocess.Popen([sys.executable, "-c", script, str(daemon.path)])
    os.waitpid(stopped.pid, os.WUNTRACED)
    assert LATE_S > median_s(lateness_s(served(daemon), 20))
    stopped.send_signal(signal.SIGKILL)
    stopped.wait()


def test_a_signal_is_handled_while_it_waits(daemon: Daemon) -> None:
    """And the wait goes on."""
    got = []
    before = signal.signal(signal.SIGUSR1, lambda *_: got.append(time.monotonic()))
    try:
        timer = threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        timer.start()
        end_s = daemon.clock.now_s() + 0.1
        daemon.server.serve_until(end_s)
        timer.join()
        assert daemon.clock.now_s() >= end_s
        assert 1 == len(got)
        assert end_s > got[0]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_daemon_that_is_to_stop_waits_no_longer(daemon: Daemon) -> None:
    """The knobs are not to be held for what is left of a period. Later waits end as well."""
    before = signal.signal(signal.SIGUSR1, lambda *_: daemon.server.end_waits())
    try:
        timer = threading.Timer(0.02, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        start_s = daemon.clock.now_s()
        timer.start()
        for _ in range(2):
            daemon.server.serve_until(start_s + 20.0)
        assert 0.02 <= daemon.clock.now_s() - start_s < 10.0
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_second_signal_to_stop_hurts_nothing(tmp_path: Path) -> None:
    """Whenever it comes: the socket may be gone already."""
    ended = Daemon(tmp_path / "other")
    ended.server.end_waits()
    ended.server.close()
    ended.server.end_waits()


def test_the_monotonic_clock_never_wakes_too_early() -> None:
    """A sleep may be cut short; the time has come all the same."""
    clock = MonotonicClock()
    end_s = clock.now_s() + 0.01
    clock.sleep_until(end_s)
    assert clock.now_s() >= end_s
    clock.sleep_until(end_s - 1.0)
