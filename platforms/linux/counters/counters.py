"""Instructions, cycles and accesses to the L2 cache of whole applications, or why there are none.

An application's threads are attached to once, when it is first seen; what they start later inherits
the counters, and an ended thread's count stays in that of its ancestor. So nothing is lost between
two scans, short-lived children included, and an application costs descriptors for the threads that
it had at first only. Threads that are born while the others are being attached to would count twice
or not at all: then everything is done again, until a list of threads stays the same.
"""

import errno
import logging
import os
import resource
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from platforms.linux.counters.perf_event import Event, close_all, open_group
from platforms.linux.counters.pmus import CYCLES, INSTRUCTIONS, L2D, Pmu, find_pmus, uncovered_cores
from platforms.linux.counters.thread_counters import Count, ThreadCounters
from platforms.linux.managed import ProcessKey

__all__ = [
    "Count",
    "Counters",
    "NoCounters",
    "PerfCounters",
    "counters_of",
    "open_counters",
]

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""Lists of threads that are tried before the last one has to do (for storms of new processes)."""

RESERVED_DESCRIPTORS = 256
"""Descriptors that counters leave to the rest of the daemon: files, sockets, connections."""


_ROLES = (INSTRUCTIONS, CYCLES, L2D)
_L2D = _ROLES.index(L2D)


class Counters(Protocol):
    """Counts what processes do. `reason` says why it cannot, None where it can."""

    @property
    def reason(self) -> str | None:
        """Why nothing is counted, in words; None where something is."""
        ...

    @property
    def counts_l2d(self) -> bool:
        """Whether accesses to the L2 data cache are counted."""
        ...

    def follow(self, key: ProcessKey, tids: Callable[[], Iterable[int]]) -> str | None:
        """Count for a process and its descendants from now on; `tids` lists their threads now.

        Returns why not, in words, None where it does.
        """
        ...

    def read(self, key: ProcessKey) -> Count | None:
        """What was done since the previous read; None where it is not, or no longer, followed."""
        ...

    def release(self, key: ProcessKey) -> None:
        """Stop to count for a process; unknown ones are passed over."""
        ...

    def close(self) -> None:
        """Stop to count."""
        ...


class NoCounters:
    """Counts nothing, for `reason`."""

    counts_l2d = False

    def __init__(self, reason: str) -> None:
        self.reason: str | None = reason

    def follow(self, key: ProcessKey, tids: Callable[[], Iterable[int]]) -> str | None:
        """Say why not."""
        return self.reason

    def read(self, key: ProcessKey) -> Count | None:
        """Nothing is known."""
        return None

    def release(self, key: ProcessKey) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class PerfCounters:
    """Counters by perf_event_open, one group of events per thread and PMU.

    `descriptors` is how many it may hold open at once, `in_use` how many it does.
    """

    reason: str | None = None

    def __init__(self, groups: Sequence[Sequence[Event]], *, descriptors: int) -> None:
        """`groups` has for each PMU its events for instructions, cycles and L2D.

        What one PMU does not have, at the end of its events, is counted on none.
        """
        least = min(len(group) for group in groups)
        self._groups = tuple([tuple(group[:least]) for group in groups])
        self._grouped = True
        self._followed: dict[ProcessKey, ThreadCounters] = {}
        self._descriptors = descriptors
        self.in_use = 0

    @property
    def counts_l2d(self) -> bool:
        """Whether every PMU counts accesses to the L2 data cache."""
        return len(self._groups[0]) > _L2D

    @property
    def per_thread(self) -> int:
        """Descriptors that a thread costs."""
        return sum(map(len, self._groups))

    def follow(self, key: ProcessKey, tids: Callable[[], Iterable[int]]) -> str | None:
        """Count for a process from now on; see `Counters.follow`."""
        self.release(key)
        try:
            counters = self._attach(tids)
        except OSError as error:
            return _why(error)
        if not counters.threads:
            counters.close()
            return "it has ended"
        self.in_use += counters.descriptors
        self._followed[key] = counters
        return None

    def read(self, key: ProcessKey) -> Count | None:
        """What was done since the previous read; see `Counters.read`."""
        counters = self._followed.get(key)
        if counters is None:
            return None
        try:
            return counters.read()
        except OSError as error:
            logger.info("counters of process %s are opened anew (%s)", key.pid, error)
            self.release(key)
            return None

    def release(self, key: ProcessKey) -> None:
        """Stop to count for a process."""
        counters = self._followed.pop(key, None)
        if counters is not None:
            self.in_use -= counters.descriptors
            counters.close()

    def close(self) -> None:
        """Stop to count."""
        for key in list(self._followed):
            self.release(key)

    def _attach(self, tids: Callable[[], Iterable[int]]) -> ThreadCounters:
        """Counters for all threads that `tids` lists, and through them for their descendants."""
        for _ in range(ATTEMPTS - 1):
            try:
                counters = self._open(tids, grouped=self._grouped, final=False)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ECHILD, errno.ENODEV):
                    raise
                # EINVAL: a kernel before 4.13, where every event is read by itself. ECHILD: a
                # thread was born between two events of a group, and has one of them only; EINVAL
                # as well, where the kernel has exchanged the counters of the two meanwhile. ENODEV
                # (seen on 6.18 in a storm of children): the first event of a group is gone by the
                # time of the second.
                self._grouped = self._grouped and error.errno != errno.EINVAL
                continue
            if counters is not None:
                return counters
        counters = self._open(tids, grouped=False, final=True)
        assert counters is not None
        return counters

    def _open(
        self, tids: Callable[[], Iterable[int]], *, grouped: bool, final: bool
    ) -> ThreadCounters | None:
        """Counters for the threads that there are; None if there are more when that is done.

        With `final` these must do: they are taken to be inherited. A group that is incomplete in
        them can only be read event by event.
        """
        wanted = frozenset(tids())
        self._check_budget(len(wanted))
        counters = ThreadCounters(self._groups, grouped=grouped)
        try:
            for tid in sorted(wanted):
                counters.add(tid)
            if final or frozenset(tids()) <= wanted:
                counters.start()
                return counters
        except OSError:
            counters.close()
            raise
        counters.close()
        return None

    def _check_budget(self, threads: int) -> None:
        needed = threads * self.per_thread
        if self.in_use + needed > self._descriptors:
            raise OSError(errno.EMFILE, f"{needed} descriptors needed, {self.in_use} in use")


def open_counters(root: Path, *, descriptors: int | None = None) -> Counters:
    """The machine's counters; `NoCounters` with the reason where they cannot be used.

    At most `descriptors` are held open; without a number what the process's limit allows, less
    `RESERVED_DESCRIPTORS`.
    """
    if root.resolve() != Path("/"):
        return NoCounters("counters belong to the machine, not to the files under another root")
    pmus = find_pmus(root)
    if not pmus:
        return NoCounters("the kernel shows no hardware counters of the cores (PMU)")
    missing = uncovered_cores(root, pmus)
    if missing:
        return NoCounters(f"no hardware counters on cores {sorted(missing)}")
    return counters_of(pmus, descriptors=descriptors)


def counters_of(pmus: Sequence[Pmu], *, descriptors: int | None = None) -> Counters:
    """Counters on these PMUs, with those of their events that open together."""
    groups = []
    for pmu in pmus:
        try:
            groups.append(_openable(pmu))
        except OSError as error:
            return NoCounters(f"{pmu.name} cannot count instructions ({_why(error)})")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    allowed = max(0, limit - RESERVED_DESCRIPTORS) if descriptors is None else descriptors
    return PerfCounters(groups, descriptors=allowed)


def _openable(pmu: Pmu) -> list[Event]:
    """As many of a PMU's events as can be counted together; OSError where it cannot count at all.

    Which events exist differs between core types, and how many fit into the hardware at once.
    """
    events = [pmu.events[role] for role in takewhile(pmu.events.__contains__, _ROLES)]
    while True:
        try:
            _try_out(events)
            return events
        except OSError:
            if len(events) == 1:
                raise
            events.pop()


def _try_out(events: Sequence[Event]) -> None:
    try:
        close_all(open_group(events, os.getpid(), grouped=True))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        close_all(open_group(events, os.getpid(), grouped=False))


def _why(error: OSError) -> str:
    """A refusal in words that tell what to do."""
    match error.errno:
        case errno.EMFILE | errno.ENFILE:
            return "too few file descriptors; raise LimitNOFILE"
        case errno.EACCES | errno.EPERM:
            return "not permitted; run as root or with CAP_PERFMON"
        case _:
            return error.strerror or str(error)
