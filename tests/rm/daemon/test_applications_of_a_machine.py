"""Tests of applications with real processes, and with those of a whole fake machine."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms.linux.processes.processes import ProcessTable
from rm.daemon.applications.applications import Applications
from rm.daemon.configuration.settings import ApplicationRule
from tests.platforms.linux.fake_root import FakeRoot
from tests.rm.daemon.served import NOBODY, Daemon

RULE = ApplicationRule(
    name="worker",
    command_line="ilgov-test-worker$",
    target=30.0,
    target_unit="heartbeats/s",
)
REGISTER = {"type": "register", "target": 30.0, "unit": "heartbeats/s"}


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits, of another user where that can be."""
    user = NOBODY if os.geteuid() == 0 else None
    running = subprocess.Popen(
        ["/bin/sh", "-c", "echo up; read line", "ilgov-test-worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        user=user,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdout.readline()
    yield running
    running.kill()
    running.wait()
    running.stdin.close()
    running.stdout.close()


def pids(applications: Applications) -> list[int]:
    """The processes that are managed."""
    return [managed.key.pid for managed in applications.managed()]


def test_a_real_process_is_found_and_its_end_is_noticed_by_the_next_scan(
    worker: subprocess.Popen[bytes],
) -> None:
    """Dead, though nobody has waited for it yet, it is gone."""
    table = ProcessTable(Path("/"))
    applications = Applications((RULE,), table)
    applications.update(table.scan(), 0.0)
    assert [worker.pid] == pids(applications)
    table.watched = frozenset(pids(applications))
    worker.kill()
    os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
    applications.update(table.scan(), 0.5)
    assert [] == pids(applications)


def test_a_real_process_is_registered_by_root_and_goes_with_its_end(
    tmp_path: Path, worker: subprocess.Popen[bytes]
) -> None:
    """The connection that registered it stays, for the others that it speaks for."""
    table = ProcessTable(Path("/"))
    daemon = Daemon(tmp_path / "socket", table)
    with daemon.peer() as peer:
        assert worker.pid == peer.ask({**REGISTER, "pid": worker.pid})["pid"]
        worker.kill()
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
        daemon.applications.update(table.scan(), 0.0)
        assert [] == pids(daemon.applications)
        asked = peer.ask({"type": "state", "pid": worker.pid})
        assert "pid must be that of a process registered here" in asked["error"]
        asked = peer.ask({**REGISTER, "pid": worker.pid})
        assert f"pid must be that of a running process (got {worker.pid})" == asked["error"]
    daemon.server.close()


def test_200_processes_of_a_machine_are_matched_and_come_and_go(tmp_path: Path) -> None:
    """Half by a rule, half registered by one client of root."""
    root = FakeRoot(tmp_path / "root")
    for number in range(200):
        cmdline = ("w", "ilgov-test-worker") if number % 2 else ("w", "other")
        root.add_process(1000 + number, name="w", cmdline=cmdline, uid=1000)
    table = ProcessTable(root.path)
    daemon = Daemon(tmp_path / "socket", table, rules=(RULE,))
    daemon.applications.update(table.scan(), 0.0)
    assert 100 == len(pids(daemon.applications))
    with daemon.peer() as peer:
        for number in range(0, 200, 2):
            assert "registered" == peer.ask({**REGISTER, "pid": 1000 + number})["type"]
        assert set(range(1000, 1200)) == set(pids(daemon.applications))
        for number in range(50):
            root.remove_process(1000 + number)
        daemon.applications.update(table.scan(), 0.5)
        assert set(range(1050, 1200)) == set(pids(daemon.applications))
    daemon.turn_until(lambda: len(pids(daemon.applications)) == 75)
    daemon.server.close()
