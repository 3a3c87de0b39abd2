"""Stop a process and let it go on (SIGSTOP, SIGCONT): the kernel's calls, and their stand-in.

Methods raise OSError as the kernel does: ESRCH where the process is gone or another one has its
number, EPERM where it may not be signalled.
"""

import errno
import os
import signal
from pathlib import Path
from typing import Protocol

from platforms.linux.knobs.process_start import read_life
from platforms.linux.managed import ProcessKey
from platforms.linux.processes.process_files import read_stat

STOPPED_FOLDER = "ilgov-stopped"


class StopCalls(Protocol):
    """Stops processes."""

    def stop(self, key: ProcessKey) -> None:
        """Stop all threads of a process."""
        ...

    def go_on(self, key: ProcessKey) -> None:
        """Let a stopped process go on."""
        ...

    def is_stopped(self, pid: int) -> bool:
        """Whether a process is stopped, by whomever."""
        ...


class KernelStops:
    """The kernel's own signals; a process that got another's number is never hit."""

    def stop(self, key: ProcessKey) -> None:
        """Stop all threads of a process."""
        _signal(key, signal.SIGSTOP)

    def go_on(self, key: ProcessKey) -> None:
        """Let a stopped process go on."""
        _signal(key, signal.SIGCONT)

    def is_stopped(self, pid: int) -> bool:
        """Whether a process is stopped, by whomever."""
        stat = read_stat(f"/proc/{pid}/stat")
        return stat is not None and stat.state == "T"


class RecordedStops:
    """Text files in place of the kernel: ``ROOT/ilgov-stopped/PID`` for each stopped process."""

    def __init__(self, root: Path) -> None:
        """`root` is the root of the file system."""
        self._root = root
        self._folder = root / STOPPED_FOLDER

    def stop(self, key: ProcessKey) -> None:
        """Stop all threads of a process."""
        self._must_be(key)
        self._folder.mkdir(exist_ok=True)
        (self._folder / str(key.pid)).write_text("stopped\n")

    def go_on(self, key: ProcessKey) -> None:
        """Let a stopped process go on."""
        self._must_be(key)
        (self._folder / str(key.pid)).unlink(missing_ok=True)

    def is_stopped(self, pid: int) -> bool:
        """Whether a process is stopped, by whomever."""
        return (self._folder / str(pid)).exists()

    def _must_be(self, key: ProcessKey) -> None:
        life = read_life(self._root, key.pid)
        if life is None or life.start_ticks != key.start_ticks:
            raise _gone()


def stops_for(root: Path) -> StopCalls:
    """The kernel's calls for the machine's own root, recorded ones for any other folder."""
    return KernelStops() if root.resolve() == Path("/") else RecordedStops(root)


def _signal(key: ProcessKey, number: signal.Signals) -> None:
    """Send by a descriptor of the process, which no other one gets; before Linux 5.3 by number."""
    try:
        descriptor = os.pidfd_open(key.pid)
    except OSError as error:
        if error.errno not in {errno.ENOSYS, errno.EPERM}:
            raise
        _check(key)
        os.kill(key.pid, number)
        return
    try:
        _check(key)
        signal.pidfd_send_signal(descriptor, number)
    finally:
        os.close(descriptor)


def _check(key: ProcessKey) -> None:
    life = read_life(Path("/"), key.pid)
    if life is None or life.start_ticks != key.start_ticks:
        raise _gone()


def _gone() -> ProcessLookupError:
    return ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
