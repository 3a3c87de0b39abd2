"""Programs that run while a scenario is recorded, and that nothing of is left after it.

Each runs in a loop in a session of its own, so that a short one is always there; a guard kills all
of them when the recorder is gone, however it ended.
"""

import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol

from platforms.linux.managed import ProcessKey
from platforms.linux.processes.process_files import read_stat
from traces.linux.programs import Program

_LOOP = 'while :; do "$@" || exit $?; done'
"""Begins the program anew when it ends well; ends with its exit code where it fails."""

_GUARD = """
groups=
while read -r group; do
    case $group in -) groups= ;; *) groups="$groups $group" ;; esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"""
"""Reads the process groups to kill, ``-`` for none, until its input ends with the recorder."""

_ENVIRONMENT = ("PATH", "HOME", "LANG")


class Started(Protocol):
    """A program that was started."""

    @property
    def key(self) -> ProcessKey:
        """Its process."""
        ...

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        ...

    def pause(self, paused: bool) -> None:
        """Stop it, or let it go on."""
        ...

    def stop(self) -> None:
        """End it, with all that it has started."""
        ...


Start = Callable[[Program], Started]


class StartedProgram:
    """A program as a process group on this machine."""

    def __init__(self, program: Program, log: Path) -> None:
        """Start it; what it says goes to `log`. OSError where it cannot be started."""
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _LOOP, "sh", *program.argv],
                cwd=program.cwd,
                env=environment | program.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._log = log
        pid = self._process.pid
        stat = read_stat(f"/proc/{pid}/stat")
        self.key = ProcessKey(pid, 0 if stat is None else stat.start_ticks)

    def ended(self) -> str | None:
        """How it ended, in words; None while it runs."""
        code = self._process.poll()
        return None if code is None else f"ended with exit code {code}; see {self._log}"

    def pause(self, paused: bool) -> None:
        """Stop it, or let it go on."""
        self._send(signal.SIGSTOP if paused else signal.SIGCONT)

    def stop(self) -> None:
        """End it, with all that it has started."""
        self._send(signal.SIGKILL)
        self._process.wait()

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class Programs:
    """Starts programs under a guard: they end with this process, even where it is killed."""

    def __init__(self, log: Path) -> None:
        """What they say goes to the file `log`."""
        self._log = log
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD], stdin=subprocess.PIPE, start_new_session=True
        )
        self._running: list[StartedProgram] = []

    def __enter__(self) -> "Programs":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop_all()
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

    def start(self, program: Program) -> StartedProgram:
        """Start one; OSError where that fails."""
        started = StartedProgram(program, self._log)
        self._tell(str(started.key.pid))
        self._running.append(started)
        return started

    def stop_all(self) -> None:
        """End all that run."""
        for started in self._running:
            started.stop()
        self._running.clear()
        self._tell("-")

    def _tell(self, line: str) -> None:
        if self._guard.stdin is not None:
            with suppress(BrokenPipeError):
                self._guard.stdin.write(f"{line}\n".encode())
                self._guard.stdin.flush()
