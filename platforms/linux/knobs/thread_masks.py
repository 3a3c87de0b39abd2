"""Threads onto cores, and back to where they could run before.

What is undone is a process with its descendants: those who were born after the move have inherited
it. They get the old cores of the process they come from.
"""

import errno
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

from msgspec import Struct

from platforms.linux.errors import Unreadable
from platforms.linux.knobs.journal_entries import ThreadMask
from platforms.linux.knobs.process_start import (
    Life,
    read_all_lives,
    read_life,
    start_of_thread,
    threads_of,
    threads_of_family,
)
from platforms.linux.knobs.system_calls import SchedulerCalls
from platforms.linux.managed import ProcessKey
from platforms.linux.online_cores import OnlineCores

_MOST_ANCESTORS = 64

Masks = Mapping[int, ThreadMask]


class Placed(Struct, frozen=True):
    """How many threads of a process were moved, were gone, could not be moved."""

    moved: int
    vanished: int
    refused: int


class MasksUndone(Struct, frozen=True):
    """Threads given back, processes that are gone, and what went wrong, by process."""

    restored: int
    gone: int
    problems: dict[ProcessKey, str]


class ThreadMasks:
    """Reads and sets threads' cores under one root."""

    def __init__(self, root: Path, calls: SchedulerCalls) -> None:
        self._root = root
        self._calls = calls
        self._online = OnlineCores(root)

    def read_old(self, key: ProcessKey, tids: Iterable[int]) -> dict[int, ThreadMask]:
        """Return the present cores of these threads; those that are gone are left out.

        A thread that may use every core that is online may use the others as well: where its
        control group has lost them the kernel does not tell, and a core that is unplugged now must
        not be lost for it.
        """
        found: dict[int, ThreadMask] = {}
        for tid in tids:
            start = start_of_thread(self._root, key.pid, tid)
            if start is None:
                continue
            try:
                cores = self._calls.get_mask(tid)
            except OSError:
                continue
            found[tid] = ThreadMask(start, self._widened(cores))
        return found

    def set(self, tids: Iterable[int], cores: Iterable[int]) -> Placed:
        """Let these threads run on these cores only; what the kernel refuses is counted."""
        moved = vanished = refused = 0
        wanted = frozenset(cores)
        for tid in tids:
            try:
                self._calls.set_affinity(tid, wanted)
                moved += 1
            except ProcessLookupError:
                vanished += 1
            except OSError:
                refused += 1
        return Placed(moved, vanished, refused)

    def undo(
        self,
        old: Mapping[ProcessKey, Masks],
        placed: Mapping[ProcessKey, Set[frozenset[int]]],
    ) -> MasksUndone:
        """Give threads of these processes, and of their descendants, their old cores.

        `placed` are the cores that ilgov has put each process on: a thread that is not in `old` was
        born later, and has inherited its cores if it is found on these.
        """
        alive = {key: masks for key, masks in old.items() if self._has_survivors(key, masks)}
        lives = read_all_lives(self._root) if alive else {}
        children = _children(lives)
        families = {key: _family(key, masks, lives, children) for key, masks in alive.items()}
        known = {tid: mask for masks in alive.values() for tid, mask in masks.items()}
        done: set[int] = set()
        problems: dict[ProcessKey, str] = {}
        restored = 0
        for key, family in families.items():
            masks = {**known, **alive[key]}
            for tid, cores in self._old_cores(key, masks, family, placed.get(key, set())):
                if tid not in done:
                    done.add(tid)
                    try:
                        restored += self._give_back(tid, cores)
                    except OSError as error:
                        problems[key] = _problem(tid, key, error)
        return MasksUndone(restored, len(old) - len(alive), problems)

    def close(self) -> None:
        """Close the files that it keeps open; they are opened anew where they are needed."""
        self._online.close()

    def is_alive(self, tid: int, thread_start: int) -> bool:
        """Whether this is still the same thread."""
        return start_of_thread(self._root, tid, tid) == thread_start

    def possible(self) -> frozenset[int]:
        """Return every core that could be plugged in; none where the kernel does not tell."""
        try:
            return self._online.possible()
        except Unreadable:
            return frozenset()

    def of_family(self, pid: int) -> list[int]:
        """Return the threads that a process and its descendants have now."""
        return threads_of_family(self._root, pid)

    def is_another(self, key: ProcessKey) -> bool:
        """Whether the process has ended and another has got its number."""
        life = read_life(self._root, key.pid)
        return life is not None and life.start_ticks != key.start_ticks

    def is_on(self, tid: int, placed: Set[frozenset[int]]) -> bool:
        """Whether a thread may only run where ilgov has put its process."""
        try:
            cores = self._calls.get_affinity(tid)
        except OSError:
            return False
        return any(cores <= chosen for chosen in placed)

    def ancestors(self, pid: int) -> Iterator[int]:
        """Yield the pids of a process's parent, its parent's parent and so on."""
        for _ in range(_MOST_ANCESTORS):
            life = read_life(self._root, pid)
            if life is None or life.parent <= 1:
                return
            pid = life.parent
            yield pid

    def _widened(self, cores: frozenset[int]) -> frozenset[int]:
        try:
            return self._online.possible() if cores >= self._online.read() else cores
        except Unreadable:
            return cores

    def _has_survivors(self, key: ProcessKey, masks: Masks) -> bool:
        life = read_life(self._root, key.pid)
        if life is not None and life.start_ticks == key.start_ticks:
            return True
        return any(self.is_alive(tid, mask.thread_start) for tid, mask in masks.items())

    def _old_cores(
        self,
        key: ProcessKey,
        masks: Masks,
        family: Iterable[int],
        placed: Set[frozenset[int]],
    ) -> Iterator[tuple[int, frozenset[int]]]:
        """Yield the threads of a family with the cores that they should have."""
        for pid in family:
            inherited = inherited_mask(masks, pid, key.pid)
            for tid in threads_of(self._root, pid):
                if tid in masks:
                    yield tid, masks[tid].cores
                elif self.is_on(tid, placed):
                    yield tid, inherited

    def _give_back(self, tid: int, cores: frozenset[int]) -> int:
        """Set a thread's old cores; where none of them is left to it, all that its cpuset has."""
        try:
            try:
                self._calls.set_affinity(tid, cores)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._calls.set_affinity(tid, self._online.possible())
        except ProcessLookupError:
            return 0
        return 1


def inherited_mask(masks: Masks, pid: int, managed_pid: int) -> frozenset[int]:
    """Return the old cores for a thread of `pid` that was born after the move."""
    for candidate in (pid, managed_pid):
        if candidate in masks:
            return masks[candidate].cores
    return next(iter(masks.values())).cores


def _problem(tid: int, key: ProcessKey, error: OSError) -> str:
    what = f"thread {tid} of process {key.pid}"
    return f"{what} must get its cores back (got: {error.strerror or error})"


def _children(lives: Mapping[int, Life]) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for pid, life in lives.items():
        children.setdefault(life.parent, []).append(pid)
    return children


def _family(
    key: ProcessKey, masks: Masks, lives: Mapping[int, Life], children: Mapping[int, list[int]]
) -> list[int]:
    """Return the process if it is still the same one, its known descendants, and all theirs."""
    starts = {pid: life.start_ticks for pid, life in lives.items()}
    family = [key.pid] if starts.get(key.pid) == key.start_ticks else []
    family += [
        tid
        for tid, mask in masks.items()
        if tid != key.pid and starts.get(tid) == mask.thread_start
    ]
    seen = set(family)
    for pid in family:  # grows while it is walked
        new = [child for child in children.get(pid, ()) if child not in seen]
        family += new
        seen.update(new)
    return family
