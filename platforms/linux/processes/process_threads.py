"""The threads of an application: of its process and of all that descend from it."""

import os
from collections.abc import Hashable, Mapping, Set
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from platforms.linux.managed import ProcessKey
from platforms.linux.processes.process_files import (
    TICKS_PER_S,
    core_in,
    read_once,
    read_stat,
    runs_since,
    start_text,
)
from platforms.linux.processes.processes import ProcessTable

MOST_THREADS = 256
"""Threads that are looked at one by one; what an application has above them is not seen as busy."""

BUSY_SHARE = 0.5
"""A thread becomes busy when it runs at least so much of what the busiest thread runs: an
application's workers share its work evenly, whether that fills their cores or not."""

IDLE_SHARE = 0.2
"""A busy thread is busy no more below this share of what the busiest thread runs."""

LEAST_SHARE = 0.01
"""A thread that has less of a core than this is not busy, whatever the others do."""


_Thread = tuple[int, int]


class _Member(Struct, gc=False):
    """A process of an application: its folder of threads, and what followed from the last list.

    `names` are the entries as listed, `tids` their numbers; `threads` has the file ``schedstat`` of
    each.
    """

    pid: int
    folder: str
    names: list[str] = []
    tids: tuple[int, ...] = ()
    threads: tuple[tuple[_Thread, str], ...] = ()

    def has(self, names: list[str]) -> None:
        """Take down a list that is not the one before."""
        self.names = names
        self.tids = tuple([int(name) for name in names])
        self.threads = tuple(
            [((self.pid, tid), f"{self.folder}/{tid}/schedstat") for tid in self.tids]
        )


class ThreadsOf:
    """The threads of the process `key` and its descendants, as of `table`'s last scan of processes.

    `cpu_s` is the CPU time that `busy` has seen so far, seconds. Processes in `without` are not
    part of it, nor are their descendants, but for the process itself.
    """

    def __init__(self, root: Path, key: ProcessKey, *, table: ProcessTable | None = None) -> None:
        """Without `table` the descendants are not known: the process alone is looked at."""
        self._proc = str(root / "proc")
        self._key = key
        self._stat = f"{self._proc}/{key.pid}/stat"
        self._start = start_text(key.start_ticks)
        self._table = table
        self._family: tuple[int, ...] = ()
        self._members: tuple[_Member, ...] = ()
        self._seen: dict[_Thread, float] | None = None
        self._busy: set[_Thread] = set()
        self._line = b""
        self._busiest: tuple[int, int] = (key.pid, key.pid)
        self.without: frozenset[int] = frozenset()
        self.cpu_s = 0.0

    def tids(self) -> tuple[int, ...]:
        """All threads that there are now; none when the process has ended."""
        return tuple([tid for member in self._listed() for tid in member.tids])

    def by_process(self) -> tuple[tuple[ProcessKey, tuple[int, ...]], ...]:
        """All threads that there are now, by process, the application's own first."""
        members = self._listed()
        if len(members) == 1 and members[0].pid == self._key.pid:
            return ((self._key, members[0].tids),)
        keys = [(self._key_of(member.pid), member.tids) for member in members]
        return tuple([(key, tids) for key, tids in keys if key is not None])

    @property
    def busiest(self) -> int:
        """The thread that ran most in the last window; the process's first thread before."""
        return self._busiest[1]

    def busy(self, window_s: float) -> int:
        """How many threads were busy since the previous call, `window_s` ago; at least one.

        The first call only starts the first window.
        """
        before, seen = self._seen, self._cpu_times_s()
        self._seen = seen
        if before is not None and window_s > 0.0:
            shares = {}
            for thread, cpu_s in seen.items():
                used_s = cpu_s - before.get(thread, 0.0)
                if used_s < 0.0:
                    used_s = 0.0
                shares[thread] = used_s / window_s
                self.cpu_s += used_s
            self._note(shares)
        return len(self._busy) or 1

    def last_core(self) -> int | None:
        """The core that the busiest thread last ran on; None when it is gone."""
        pid, tid = self._busiest
        if tid == self._key.pid and self._line:
            return core_in(self._line, self._start)  # just read
        stat = read_stat(f"{self._proc}/{pid}/task/{tid}/stat")
        return None if stat is None else stat.core

    def _note(self, shares: dict[tuple[int, int], float]) -> None:
        self._busy = busy_threads(shares, self._busy)
        if any(shares.values()):
            self._busiest = max(shares, key=shares.__getitem__)
        elif self._busiest not in shares:
            self._busiest = (self._key.pid, self._key.pid)

    def _listed(self) -> list[_Member]:
        """Every process that has threads, with their numbers."""
        self._line = b""
        try:
            self._line = read_once(self._stat)
        except OSError:  # it has ended
            return []
        if not runs_since(self._line, self._start):
            return []
        family = self._family_now()
        if family != self._family:
            before = {member.pid: member for member in self._members}
            self._members = tuple([before.get(pid) or self._member(pid) for pid in family])
            self._family = family
        found = []
        for member in self._members:
            try:
                names = os.listdir(member.folder)  # noqa: PTH208 - in every scan
            except OSError:  # it has ended
                continue
            if names:
                if names != member.names:
                    member.has(names)
                found.append(member)
        return found

    def _member(self, pid: int) -> _Member:
        return _Member(pid, f"{self._proc}/{pid}/task")

    def _cpu_times_s(self) -> dict[_Thread, float]:
        """CPU time of each thread so far, seconds, at most `MOST_THREADS` of them."""
        members = self._listed()
        if len(members) == 1:
            threads = members[0].threads
        else:
            threads = tuple([thread for member in members for thread in member.threads])
        found = {}
        for thread, path in threads[:MOST_THREADS]:
            cpu_s = _cpu_s(path)
            if cpu_s is not None:
                found[thread] = cpu_s
        return found

    def _key_of(self, pid: int) -> ProcessKey | None:
        if pid == self._key.pid or self._table is None:
            return self._key
        return self._table.key_of(pid)

    def _family_now(self) -> tuple[int, ...]:
        pid = self._key.pid
        return (pid,) if self._table is None else self._table.family(pid, without=self.without)


def _cpu_s(schedstat: str) -> float | None:
    """Nanoseconds out of ``schedstat``; a kernel without it has clock ticks in ``stat``."""
    try:
        return 1e-9 * int(read_once(schedstat, 128).split(None, 1)[0])
    except (OSError, ValueError, IndexError):
        stat = read_stat(f"{schedstat.removesuffix('schedstat')}stat")
        return None if stat is None else stat.cpu_ticks / TICKS_PER_S


Thread = TypeVar("Thread", bound=Hashable)


def busy_threads(shares: Mapping[Thread, float], busy: Set[Thread]) -> set[Thread]:
    """Which threads are busy now, `shares` being what each had of a core, `busy` those before.

    >>> sorted(busy_threads({1: 0.9, 2: 0.5, 3: 0.3, 4: 0.001}, set()))
    [1, 2]
    >>> sorted(busy_threads({1: 0.9, 2: 0.3, 3: 0.3}, {1, 2}))
    [1, 2]
    >>> busy_threads({1: 0.0}, {1})
    set()
    """
    if len(shares) == 1:  # it is the busiest, whichever bound holds
        return {tid for tid, share in shares.items() if share >= LEAST_SHARE}
    most = max(shares.values(), default=0.0)
    join, leave = max(BUSY_SHARE * most, LEAST_SHARE), max(IDLE_SHARE * most, LEAST_SHARE)
    return {tid for tid, share in shares.items() if share >= (leave if tid in busy else join)}
