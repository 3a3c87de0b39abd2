"""Which cores a thread may run on: the system calls, and their stand-in for another root.

All raise OSError as the kernel does: ESRCH where the thread is gone, EINVAL where none of the cores
can be used (offline, or outside the thread's cpuset), EPERM where it may not be moved.
"""

import errno
import os
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Protocol

from platforms.linux.files.cpu_list import format_cpu_list, parse_cpu_list
from platforms.linux.online_cores import OnlineCores

AFFINITY_FOLDER = "ilgov-affinity"


class SchedulerCalls(Protocol):
    """Reads and sets the cores of one thread."""

    def get_affinity(self, tid: int) -> Set[int]:
        """Return the cores that the thread may run on, of those that are online."""
        ...

    def get_mask(self, tid: int) -> frozenset[int]:
        """Return the cores that the thread may run on, those that are unplugged among them."""
        ...

    def set_affinity(self, tid: int, cores: Iterable[int]) -> None:
        """Let the thread run on these cores only."""
        ...


class KernelCalls:
    """The kernel's own."""

    get_affinity = staticmethod(os.sched_getaffinity)  # as it is: it is asked for every round

    def get_mask(self, tid: int) -> frozenset[int]:
        """Return the cores that the thread may run on, those that are unplugged among them.

        The system call leaves out what is not active. A core that is being unplugged is no longer
        active long before it is offline, so nobody could tell that it is missing.
        """
        try:
            status = Path(f"/proc/{tid}/status").read_bytes()
        except FileNotFoundError as error:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from error
        _, _, rest = status.partition(b"\nCpus_allowed_list:\t")
        mask = frozenset(parse_cpu_list(rest.partition(b"\n")[0].decode()))
        if not mask:  # a thread that is ending
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        return mask

    def set_affinity(self, tid: int, cores: Iterable[int]) -> None:
        """Let the thread run on these cores only."""
        os.sched_setaffinity(tid, cores)


class RecordedCalls:
    """Text files in place of the kernel: ``ROOT/ilgov-affinity/TID`` holds the thread's cores.

    No file: all cores. A thread exists where ``ROOT/proc/*/task/TID`` does.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / AFFINITY_FOLDER
        self._online = OnlineCores(root)
        self._known: dict[int, Path] = {}

    def get_affinity(self, tid: int) -> frozenset[int]:
        """Return the cores that the thread may run on, of those that are online."""
        return self.get_mask(tid) & self._online.read()

    def get_mask(self, tid: int) -> frozenset[int]:
        """Return the cores that the thread may run on, those that are unplugged among them."""
        self._must_exist(tid)
        try:
            return frozenset(parse_cpu_list((self._folder / str(tid)).read_text()))
        except FileNotFoundError:
            return self._online.possible()

    def set_affinity(self, tid: int, cores: Iterable[int]) -> None:
        """Let the thread run on these cores only."""
        self._must_exist(tid)
        wanted = frozenset(cores) & self._online.possible()
        if not wanted & self._online.read():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        path = self._folder / str(tid)
        if wanted == self._online.possible():
            path.unlink(missing_ok=True)
            return
        self._folder.mkdir(exist_ok=True)
        new = self._folder / f".{tid}"
        new.write_text(format_cpu_list(wanted))
        new.rename(path)

    def _must_exist(self, tid: int) -> None:
        known = self._known.get(tid)
        if known is not None and known.exists():
            return
        found = next(self._root.glob(f"proc/[0-9]*/task/{tid}"), None)
        if found is None:
            self._known.pop(tid, None)
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        self._known[tid] = found


def calls_for(root: Path) -> SchedulerCalls:
    """Return the kernel's calls for the machine's own root, recorded ones for any other folder."""
    return KernelCalls() if root.resolve() == Path("/") else RecordedCalls(root)
