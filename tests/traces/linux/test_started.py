"""Tests of programs that really run: in a loop, paused, and gone whatever ends the recorder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from platforms.linux.processes.process_files import read_stat
from traces.linux.programs import Program
from traces.linux.started import Programs

PATIENCE_S = 20.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Until it holds; fails where it never does."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def program(script: str, **other: object) -> Program:
    """A shell script."""
    return Program(name="p", argv=("/bin/sh", "-c", script), **other)  # type: ignore[arg-type]


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is not dead."""
    stat = read_stat(f"/proc/{pid}/stat")
    return stat is not None and not stat.is_dead


def state(pid: int) -> str:
    """One letter, as in ps; T is stopped."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0]


def test_a_program_that_ends_well_begins_anew_and_one_that_fails_is_told(tmp_path: Path) -> None:
    """With its exit code, and where to read what it said."""
    counted, log = tmp_path / "counted", tmp_path / "log"
    script = f"echo x >> {counted}; echo said; test $(wc -l < {counted}) -lt 3 || exit 7"
    with Programs(log) as programs:
        started = programs.start(program(script))
        wait_until(lambda: started.ended() is not None)
        assert f"ended with exit code 7; see {log}" == started.ended()
    assert ["x"] * 3 == counted.read_text().split()
    assert ["said"] * 3 == log.read_text().split()


def test_a_program_runs_in_its_folder_with_its_variables_alone(tmp_path: Path) -> None:
    """Nothing of the recorder's own environment changes what is measured."""
    seen = tmp_path / "seen"
    os.environ["ILGOV_TEST_SECRET"] = "1"
    try:
        with Programs(tmp_path / "log") as programs:
            script = f"pwd > {seen}.part; env >> {seen}.part; mv {seen}.part {seen}; sleep 60"
            programs.start(program(script, cwd=str(tmp_path), env={"MINE": "2"}))
            wait_until(seen.exists)
    finally:
        del os.environ["ILGOV_TEST_SECRET"]
    lines = seen.read_text().splitlines()
    assert str(tmp_path) == lines[0]
    assert "MINE=2" in lines
    assert "ILGOV_TEST_SECRET" not in seen.read_text()


def test_a_paused_program_stands_still_and_a_stopped_one_is_gone(tmp_path: Path) -> None:
    """With its children."""
    child = tmp_path / "child"
    with Programs(tmp_path / "log") as programs:
        started = programs.start(program(f"sleep 60 & echo $! > {child}; wait"))
        wait_until(lambda: child.exists() and child.read_text() != "")
        pid = int(child.read_text())
        started.pause(True)
        wait_until(lambda: state(pid) == "T")
        started.pause(False)
        wait_until(lambda: state(pid) == "S")
        started.stop()
        wait_until(lambda: not is_running(pid))


RECORDER = """
import sys, time
from pathlib import Path
from traces.linux.programs import Program
from traces.linux.started import Programs
with Programs(Path(sys.argv[1])) as programs:
    script = "sleep 60 & echo $! > %s.part; mv %s.part %s; wait" % ((sys.argv[2],) * 3)
    started = programs.start(Program(name="p", argv=("/bin/sh", "-c", script)))
    started.pause(False)
    if sys.argv[3] == "paused":
        while not Path(sys.argv[2]).exists():
            time.sleep(0.01)
        started.pause(True)
    Path(sys.argv[2] + ".ready").touch()
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["running", "paused"])
def test_no_program_outlives_a_recorder_that_is_killed(tmp_path: Path, how: str) -> None:
    """SIGKILL leaves nobody time to clean up, and a paused program could not end by itself."""
    child = tmp_path / "child"
    words = [sys.executable, "-c", RECORDER, str(tmp_path / "log"), str(child), how]
    recorder = subprocess.Popen(words)
    wait_until(lambda: child.exists() and Path(f"{child}.ready").exists())
    pid = int(child.read_text())
    assert is_running(pid)
    recorder.send_signal(signal.SIGKILL)
    recorder.wait()
    wait_until(lambda: not is_running(pid))


def test_a_program_that_is_not_there_fails_at_once(tmp_path: Path) -> None:
    """The shell says which."""
    with Programs(tmp_path / "log") as programs:
        started = programs.start(Program(name="p", argv=("/nowhere/p",)))
        wait_until(lambda: started.ended() is not None)
        assert "exit code 127" in (started.ended() or "")
    assert "/nowhere/p" in (tmp_path / "log").read_text()
