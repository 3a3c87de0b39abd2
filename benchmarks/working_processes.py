"""Processes that sleep, and work a little whenever they are told to: applications to be measured.

Between two rounds of a governor its applications run and time goes on, or counters and the kernel's
accounts would show the same as before, and a round would find nothing to do.
"""

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_PROGRAM = 'while read -r n; do while [ "$n" -gt 0 ]; do n=$((n - 1)); done; echo; done'


class WorkingProcesses:
    """So many shells, each of which counts down from the number that it reads."""

    def __init__(self, started: Sequence[subprocess.Popen[bytes]], *, steps: int) -> None:
        self._started = started
        self._steps = steps
        self.pids = [process.pid for process in started]

    def work(self, *, period_s: float = 0.05) -> None:
        """Let all of them work, one after the other, within a period of time."""
        end_s = time.monotonic() + period_s
        for process in self._started:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{self._steps}\n".encode())
            process.stdin.flush()
            process.stdout.readline()
        time.sleep(max(0.0, end_s - time.monotonic()))


@contextmanager
def working_processes(count: int, *, steps: int = 200) -> Iterator[WorkingProcesses]:
    """Start them, and end them; each counts so many `steps` when it is told to work."""
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(["sh", "-c", _PROGRAM], stdin=pipe, stdout=pipe) for _ in range(count)
    ]
    try:
        yield WorkingProcesses(started, steps=steps)
    finally:
        for process in started:
            process.kill()
            process.communicate()
