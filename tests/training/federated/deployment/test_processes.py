"""Tests of programs in the background: nothing outlives us, and why one ended is told."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from platforms.errors import InvalidInput
from training.federated.engine.deployment.processes import (
    DeploymentFailed,
    Program,
    done,
    free_ports,
    listens,
    stopped_at_the_end,
    wait_until,
)

WITHIN_S = 30.0
CHILD = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path({told!r}).write_text(str(child.pid) + "\\n")
time.sleep(600)
"""
RUNAWAY = CHILD.replace('time.sleep(600)"])', 'time.sleep(600)"], start_new_session=True)')
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + CHILD


def start(tmp_path: Path, text: str) -> Program:
    """A program in Python; it writes what it has to tell to ``told``."""
    line = [sys.executable, "-c", text.format(told=str(tmp_path / "told"))]
    return Program("test", line, dict(os.environ), tmp_path / "log")


def until(holds: Callable[[], bool]) -> None:
    """Wait for it, but not for ever."""
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def told(tmp_path: Path) -> int:
    """The process that was told of."""
    path = tmp_path / "told"
    until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


def is_gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("text", [CHILD, STUBBORN, RUNAWAY])
def test_programs_and_what_they_started_end_even_if_we_fail(tmp_path: Path, text: str) -> None:
    """Asked first, killed then."""
    started: list[Program] = []

    def fail() -> None:
        with stopped_at_the_end() as programs:
            programs.append(start(tmp_path, text))
            started.extend(programs)
            until((tmp_path / "told").exists)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not started[0].runs()
    until(lambda: is_gone(told(tmp_path)))


def test_programs_end_when_we_are_killed(tmp_path: Path) -> None:
    """Kill -9 leaves nobody time to tidy up: the kernel does it."""
    script = f"""
import os, pathlib, sys, time
from training.federated.engine.deployment.processes import Program
program = Program("x", [sys.executable, "-c", "import time; time.sleep(600)"], dict(os.environ),
                  pathlib.Path({str(tmp_path / "log")!r}))
pathlib.Path({str(tmp_path / "told")!r}).write_text(str(program.pid) + "\\n")
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", script])
    child = told(tmp_path)
    parent.kill()
    parent.wait()
    until(lambda: is_gone(child))


def test_waiting_ends_with_the_log_of_a_program_that_ended(tmp_path: Path) -> None:
    """Rather than when time is up."""
    program = start(tmp_path, "print('no such port'); raise SystemExit(3)")
    with pytest.raises(DeploymentFailed, match="test ended:\nno such port"):
        wait_until(lambda: False, within_s=WITHIN_S, what="it listens", of=[program])


def test_waiting_has_an_end(tmp_path: Path) -> None:
    """It says what did not come."""
    with stopped_at_the_end() as programs:
        programs.append(start(tmp_path, CHILD))
        with pytest.raises(DeploymentFailed, match=r"it listens: not within 0\.1 s"):
            wait_until(lambda: False, within_s=0.1, what="it listens", of=programs)


def test_ports_are_free_and_different() -> None:
    """Nobody listens at them."""
    ports = free_ports(5)
    assert 5 == len(set(ports))
    assert not any(listens("127.0.0.1", port) for port in ports)


def test_a_command_that_fails_tells_all_it_said() -> None:
    """Both outputs."""
    line = [sys.executable, "-c", "import sys; print('out'); sys.exit('error')"]
    with pytest.raises(DeploymentFailed, match="out\nerror"):
        done(line, dict(os.environ), within_s=WITHIN_S)


def test_a_program_that_is_not_there_is_a_matter_of_installation(tmp_path: Path) -> None:
    """With the way out."""
    with pytest.raises(InvalidInput, match=r"pip install 'ilgov\[federated\]'"):
        Program("x", ["/no/flower-superlink"], {}, tmp_path / "log")
