"""Who sits where: puts all threads of an application onto its cores, and keeps them there.

A process cannot be pinned as a whole: every thread has a mask of its own, a new one inherits its
parent's, and a program may change its own at any time. So masks are looked at once in a migration
period, and put right where they differ. An application that has a control group to itself can be
placed by the group's cpuset instead, which its threads cannot leave. Cores that are unplugged are
replaced by their neighbours.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from msgspec import Struct

from platforms.board import Board
from platforms.linux.errors import WriteRefused
from platforms.linux.files.cpu_list import format_cpu_list
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.system_calls import SchedulerCalls
from platforms.linux.managed import ManagedProcess, ProcessKey

logger = logging.getLogger(__name__)

Processes = Sequence[tuple[ProcessKey, Sequence[int]]]
ThreadsOf = Callable[[ManagedProcess], Processes]
"""The processes of an application, its own first, each with its threads' numbers."""

OwnCpuset = Callable[[Collection[int]], str | None]
"""The ``cpuset.cpus`` of the control group that holds exactly these processes, if there is one."""


def no_cpuset(pids: Collection[int]) -> str | None:
    """Place by masks alone."""
    return None


class Seated(Struct, frozen=True):
    """What became of a move: whether all threads went, and what went otherwise, in words."""

    moved: bool
    problems: tuple[str, ...] = ()


class _Seat(Struct):
    """The cores of an application, whose process is `key`: those it was given, and those it has.

    They differ while a core is unplugged. `cpuset` is what keeps it there, if anything does.
    """

    key: ProcessKey
    wanted: frozenset[int]
    cores: frozenset[int]
    cpuset: str | None = None


class Seating:
    """Places applications; `writer` stores every old value before it changes one.

    Counts `writes`: masks and cpusets that were set.
    """

    def __init__(
        self,
        board: Board,
        writer: KnobWriter,
        calls: SchedulerCalls,
        threads_of: ThreadsOf,
        *,
        own_cpuset: OwnCpuset = no_cpuset,
    ) -> None:
        self._board = board
        self._writer = writer
        self._calls = calls
        self._threads_of = threads_of
        self._own_cpuset = own_cpuset
        self._looks_for_cpusets = own_cpuset is not no_cpuset
        self._seats: dict[int, _Seat] = {}
        self.writes = 0

    def seat(self, process: ManagedProcess, cores: Iterable[int], online: frozenset[int]) -> Seated:
        """Move all threads of an application; JournalUnusable where that could not be undone."""
        wanted = frozenset(cores)
        seat = self._seats.get(process.id)
        chosen = self._usable(wanted, online, seat)
        problems = []
        if chosen != wanted:
            problems.append(
                f"core {_listed(wanted - online)} is offline, core {_listed(chosen)} taken instead"
            )
        if seat is None:
            seat = self._seats[process.id] = _Seat(process.key, wanted, chosen)
        seat.wanted, seat.cores = wanted, chosen
        refused = self._place(process, seat)
        if refused:
            problems.append(
                f"{refused} threads may not run on core {_listed(chosen)}; its cpuset may have "
                "shrunk"
            )
        told = tuple(f"application {process.id}: {problem}" for problem in problems)
        for problem in told:
            logger.warning("%s", problem)
        return Seated(moved=not refused, problems=told)

    def hold(
        self,
        processes: Sequence[ManagedProcess],
        seen: Mapping[int, Sequence[int]],
        online: frozenset[int],
    ) -> None:
        """Keep everybody seated; newcomers where they were `seen`; those that left are let go.

        A newcomer of one thread that was seen on somebody's core gets a free one beside it, as the
        kernel would give it in a moment.
        """
        present = {process.id: process for process in processes}
        for number in [number for number in self._seats if number not in present]:
            self._dismiss(self._seats.pop(number))
        self._remember([present[n] for n in present if n not in self._seats and n in seen])
        for number, process in present.items():
            seat = self._seats.get(number)
            if seat is None:
                if number in seen:
                    self.seat(process, self._beside(frozenset(seen[number]), online), online)
            elif self._is_as_it_should_be(seat, online):
                self._place(process, seat)
            else:
                self.seat(process, seat.wanted, online)

    def forget(self) -> None:
        """Everything is as it was before: nobody has a seat."""
        self._seats.clear()

    def _remember(self, newcomers: Sequence[ManagedProcess]) -> None:
        """Journal the cores of several with one wait for the disk, before they are moved."""
        if len(newcomers) > 1:
            found = {process.key: self._threads_of(process) for process in newcomers}
            self._writer.remember_processes(
                {
                    key: [tid for _, tids in members for tid in tids]
                    for key, members in found.items()
                    if self._own_cpuset([member.pid for member, _ in members]) is None
                }
            )

    def _place(self, process: ManagedProcess, seat: _Seat) -> int:
        """Put those threads right that are elsewhere; how many the kernel refused.

        All belong to the application's own process in the journal: who was born after the first
        move has inherited cores that ilgov chose, and gets those back that the application had.
        """
        members = self._threads_of(process)
        if self._looks_for_cpusets and self._place_by_cpuset(seat, members):
            return 0
        astray = self._astray(members, seat.cores)
        if not astray:
            return 0
        placed = self._writer.place(seat.key, astray, seat.cores)
        self.writes += placed.moved
        return placed.refused

    def _place_by_cpuset(self, seat: _Seat, members: Processes) -> bool:
        """Whether the application's control group keeps it on its cores; a shared one is let go."""
        knob = self._own_cpuset([key.pid for key, _ in members])
        if seat.cpuset is not None and knob != seat.cpuset:
            self._let_go(seat)
        if knob is None:
            return False
        try:
            self._writer.write(knob, format_cpu_list(seat.cores))
        except WriteRefused as error:
            logger.warning("%s; masks are used instead", error)
            self._let_go(seat)
            return False
        self.writes += 1
        seat.cpuset = knob
        return True

    def _astray(self, members: Processes, cores: frozenset[int]) -> list[int]:
        """The threads that may run on other cores than these."""
        get_affinity, found = self._calls.get_affinity, []
        for _, tids in members:
            for tid in tids:
                try:
                    if get_affinity(tid) != cores:
                        found.append(tid)
                except OSError:  # it ended
                    continue
        return found

    def _dismiss(self, seat: _Seat) -> None:
        """Give an application its old cores back, as it is not looked after any more."""
        self._let_go(seat)
        for problem in self._writer.restore_process(seat.key).problems:
            logger.warning("not restored yet: %s", problem)

    def _let_go(self, seat: _Seat) -> None:
        """Put the control group's cores back, if there still is one."""
        old = None if seat.cpuset is None else self._writer.old(seat.cpuset)
        if seat.cpuset is not None and old is not None:
            try:
                self._writer.write(seat.cpuset, old)
            except WriteRefused as error:
                logger.info("%s; the group is gone", error)
        seat.cpuset = None

    def _is_as_it_should_be(self, seat: _Seat, online: frozenset[int]) -> bool:
        """Whether these are the cores that a seat would get now."""
        if seat.cores == seat.wanted and seat.cores <= online:
            return True
        return seat.cores == self._usable(seat.wanted, online, seat)

    def _usable(
        self, wanted: frozenset[int], online: frozenset[int], seat: _Seat | None
    ) -> frozenset[int]:
        """Those of `wanted` that run, else those taken instead before, else the nearest free ones.

        The nearest are of the same cluster.
        """
        running = wanted & online
        if running:
            return running
        if seat is not None and seat.wanted == wanted and seat.cores <= online:
            return seat.cores
        candidates = self._neighbours(wanted, online) or sorted(online)
        return frozenset((self._free(candidates) or candidates)[: len(wanted)])

    def _beside(self, seen: frozenset[int], online: frozenset[int]) -> frozenset[int]:
        """Where a newcomer sits that was seen on these cores."""
        if len(seen) > 1 or self._free(seen):
            return seen
        return frozenset(self._free(self._neighbours(seen, online))[:1]) or seen

    def _neighbours(self, cores: Iterable[int], online: frozenset[int]) -> list[int]:
        """The cores of the same clusters that run."""
        owner = self._board.cluster_of_core
        clusters = {owner[core] for core in cores}
        return [core for core in sorted(online) if owner[core] in clusters]

    def _free(self, cores: Iterable[int]) -> list[int]:
        """Those on which nobody was seated."""
        taken = {core for seat in self._seats.values() for core in seat.cores}
        return [core for core in cores if core not in taken]


def _listed(cores: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
