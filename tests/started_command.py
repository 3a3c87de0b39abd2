"""Start ``ilgov`` as a terminal does, in a process group of its own, to interrupt or kill it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60.0


class StartedCommand:
    """A running command line."""

    def __init__(self, *words: object) -> None:
        """Start it."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rm.main", *map(str, words)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return when the condition holds; fail when the command ends before, or in vain."""
        end_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, f"ended before {what}"
            assert time.monotonic() < end_s, f"waited in vain for {what}"
            time.sleep(0.005)

    def send(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal to the whole group; exit code, stdout and stderr."""
        os.killpg(self.process.pid, number)
        stdout, stderr = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, stdout, stderr

    def leaves_nobody(self) -> bool:
        """Whether no process of the group is left, or will be in a moment."""
        end_s = time.monotonic() + 10.0
        while self._members():
            if time.monotonic() > end_s:
                return False
            time.sleep(0.01)
        return True

    def kill(self) -> None:
        """End what is left of the group."""
        for process in self._members():
            process.kill()
        self.process.communicate()

    def _members(self) -> list[psutil.Process]:
        """The processes of the group; those that ended but were not collected count no more."""
        found = []
        for process in psutil.process_iter():
            try:
                is_member = os.getpgid(process.pid) == self.process.pid
                if is_member and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        return found


@contextmanager
def started(*words: object) -> Iterator[StartedCommand]:
    """Start ``ilgov`` with these words; nothing of it is left when the block ends."""
    command = StartedCommand(*words)
    try:
        yield command
    finally:
        command.kill()
