"""Processes that end with us: each leads a group of its own, and the whole group is stopped."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from platforms.errors import InvalidInput

GRACE_S = 3.0
_POLL_S = 0.1
_LAST_LINES = 15
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class DeploymentFailed(Exception):
    """A program of Flower's did not do what it should; the message has its last lines."""


class Program:
    """A program in the background with its log in a file."""

    def __init__(
        self, name: str, line: Sequence[str], environment: Mapping[str, str], log: Path
    ) -> None:
        """Start it."""
        self.name, self.log = name, log
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    line,
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=end_with_parent,  # noqa: PLW1509  # it only makes a system call
                )
        except FileNotFoundError as error:
            raise InvalidInput(
                f"{line[0]} must be there; pip install 'ilgov[federated]'"
            ) from error

    @property
    def pid(self) -> int:
        """Its process, which leads its group."""
        return self._process.pid

    def runs(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._process.wait()

    def ask_to_end(self) -> None:
        """What `systemctl stop` sends."""
        self._signal(signal.SIGTERM)

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End it and all that it started: asked first, then killed."""
        everybody = self.family()
        self.ask_to_end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_s)
        self._signal(signal.SIGKILL)
        _kill(everybody)
        self._process.wait()

    def kill(self) -> None:
        """As a power cut would: it and all that it started, at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def family(self) -> list[psutil.Process]:
        """It and all processes that it started, as far as they are there."""
        try:
            leader = psutil.Process(self.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def last_lines(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:])

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def _kill(processes: Sequence[psutil.Process]) -> None:
    """End what is left of them: some have left the group, or lost their parent by now."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def end_with_parent() -> None:
    """Have the kernel end this process when the one that started it is gone, however it went."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@contextlib.contextmanager
def stopped_at_the_end() -> Iterator[list[Program]]:
    """A list of programs; whatever happens, all in it are stopped, the last first."""
    programs: list[Program] = []
    try:
        yield programs
    finally:
        everybody = [process for program in programs for process in program.family()]
        for program in programs:
            program.ask_to_end()
        deadline = time.monotonic() + GRACE_S
        for program in reversed(programs):
            program.stop(max(0.0, deadline - time.monotonic()))
        _kill(everybody)


def wait_until(
    holds: Callable[[], bool], *, within_s: float, what: str, of: Sequence[Program]
) -> None:
    """Wait until something holds; DeploymentFailed if time is up or a program ends before."""
    deadline = time.monotonic() + within_s
    while not holds():
        for program in of:
            if not program.runs():
                raise DeploymentFailed(f"{program.name} ended:\n{program.last_lines()}")
        if time.monotonic() > deadline:
            logs = "\n".join(f"{program.name}:\n{program.last_lines()}" for program in of)
            raise DeploymentFailed(f"{what}: not within {within_s:g} s\n{logs}")
        time.sleep(_POLL_S)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens at now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def listens(host: str, port: int) -> bool:
    """Whether somebody answers there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def done(line: Sequence[str], environment: Mapping[str, str], *, within_s: float) -> str:
    """Run a program to its end; gives its output, DeploymentFailed if it fails."""
    try:
        ended = subprocess.run(
            line,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DeploymentFailed(f"{' '.join(line)}: not done within {within_s:g} s") from error
    if ended.returncode != 0:
        raise DeploymentFailed(f"{' '.join(line)}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout
