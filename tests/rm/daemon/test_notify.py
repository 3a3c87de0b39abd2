"""Tests of what systemd is told, against a real datagram socket and a small service manager."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rm.daemon.notify import Notifier
from tests.rm.daemon.service_manager import ServiceManager

ROOT = Path(__file__).parents[3]


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """Where the manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def notifier(heard: socket.socket, *, watchdog_s: float | None = None) -> Notifier:
    """One that talks to that socket."""
    return Notifier(heard.getsockname(), watchdog_s=watchdog_s)


def test_every_message_is_one_datagram_of_assignments(heard: socket.socket) -> None:
    """As sd_notify(3) wants them; a reload carries its time, microseconds."""
    with notifier(heard) as tell:
        tell.ready("normal")
        tell.status("hands-off: sensor soc is stuck")
        tell.reloading(12.5)
        tell.stopping()
        assert b"READY=1\nSTATUS=normal" == heard.recv(512)
        assert b"STATUS=hands-off: sensor soc is stuck" == heard.recv(512)
        assert b"RELOADING=1\nMONOTONIC_USEC=12500000" == heard.recv(512)
        assert b"STOPPING=1" == heard.recv(512)


def test_the_watchdog_is_fed_by_complete_rounds_but_not_by_each(heard: socket.socket) -> None:
    """20 rounds a second for 4 s, a limit of 4 s: a message each second."""
    with notifier(heard, watchdog_s=4.0) as tell:
        for round_number in range(80):
            tell.alive(round_number / 20)
    assert [b"WATCHDOG=1"] * 4 == [heard.recv(512) for _ in range(4)]
    with pytest.raises(BlockingIOError):
        heard.recv(512)


def test_who_is_not_watched_sends_no_sign_of_life(heard: socket.socket) -> None:
    """The manager would take it for noise."""
    with notifier(heard) as tell:
        tell.alive(1.0)
    with pytest.raises(BlockingIOError):
        heard.recv(512)


def test_a_status_of_several_lines_cannot_assign_anything_else(heard: socket.socket) -> None:
    """A reason may carry text that an application chose."""
    with notifier(heard) as tell:
        tell.status("bad\nSTOPPING=1")
    assert b"STATUS=bad STOPPING=1" == heard.recv(512)


def test_a_manager_that_does_not_read_delays_nothing(heard: socket.socket) -> None:
    """The queue of a datagram socket is short."""
    with notifier(heard, watchdog_s=1.0) as tell:
        started_s = time.monotonic()
        for _ in range(10_000):
            tell.status("x" * 100)
        assert tell.unsent > 0
        assert time.monotonic() - started_s < 5.0


def test_a_sign_of_life_that_was_not_sent_is_tried_again_next_round(tmp_path: Path) -> None:
    """The manager may just be starting anew."""
    tell = Notifier(str(tmp_path / "later"), watchdog_s=4.0)
    tell.alive(0.0)
    assert 1 == tell.unsent
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "later"))
        tell.alive(0.05)
        assert b"WATCHDOG=1" == listening.recv(512)
    tell.close()


def test_an_abstract_address_is_understood() -> None:
    """Containers use it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0ilgov-test-{os.getpid()}")
        with Notifier(f"@ilgov-test-{os.getpid()}") as tell:
            tell.ready()
        assert b"READY=1" == listening.recv(512)


def test_the_environment_is_read_once_and_not_handed_on() -> None:
    """A child that inherits it would speak in the daemon's name."""
    environment = {
        "NOTIFY_SOCKET": "@nobody",
        "WATCHDOG_USEC": "5000000",
        "WATCHDOG_PID": str(os.getpid()),
        "PATH": "/bin",
    }
    with Notifier.from_environment(environment) as tell:
        assert 5.0 == tell.watchdog_s
    assert {"PATH": "/bin"} == environment


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
    ],
)
def test_a_watchdog_for_somebody_else_or_none_is_no_watchdog(environment: dict[str, str]) -> None:
    """From a shell, or below another service."""
    assert Notifier.from_environment(environment).watchdog_s is None


def test_without_a_manager_nothing_is_sent_and_nothing_fails() -> None:
    """``ilgov run`` in a terminal."""
    with Notifier.from_environment({}) as tell:
        tell.ready("normal")
        tell.alive(1.0)
        tell.stopping()
        assert 0 == tell.unsent


CHILD = """
import sys, time
from rm.daemon.notify import Notifier
tell = Notifier.from_environment()
tell.ready("normal")
for _ in range(int(sys.argv[1])):
    time.sleep(0.02)
    tell.alive(time.monotonic())
if sys.argv[2] == "hang":
    time.sleep(60)
tell.stopping()
"""


def manage(*words: str, watchdog_s: float) -> ServiceManager:
    """Run a small daemon under the manager to its end."""
    with ServiceManager([sys.executable, "-c", CHILD, *words], watchdog_s, cwd=ROOT) as manager:
        manager.run(patience_s=30.0)
    return manager


def test_a_manager_sees_start_life_and_end() -> None:
    """The same datagrams as under systemd, from a process of its own."""
    manager = manage("100", "end", watchdog_s=1.0)
    assert "READY=1" == manager.heard[0]
    assert "STATUS=normal" in manager.heard
    assert manager.heard.count("WATCHDOG=1") in range(3, 11)
    assert "STOPPING=1" == manager.heard[-1]
    assert (0, False) == (manager.exit_status, manager.watchdog_fired)


def test_a_daemon_that_hangs_is_ended_by_the_watchdog() -> None:
    """Within the watchdog's time of its last sign of life, by SIGABRT."""
    manager = manage("10", "hang", watchdog_s=0.5)
    assert manager.watchdog_fired
    assert -6 == manager.exit_status
    assert manager.silent_s == pytest.approx(0.5, abs=0.4)


def test_importing_it_loads_no_library() -> None:
    """The standard library is all it takes."""
    script = "import sys, rm.daemon.notify; print('numpy' in sys.modules, 'msgspec' in sys.modules)"
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "False False\n" == ended.stdout
