"""What the governor knows of its applications: rates against targets, threads, cores.

`read` is for every DVFS period: one system call per counter group and one for the mask of each
application. `rescan` is for the migration period: it looks for new threads and children. Both have
a bound on what they do in one go; what is left comes in the next.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from pathlib import Path

from platforms.linux.applications.followed_application import FollowedApplication
from platforms.linux.applications.meters import (
    TYPICAL_L2D_PER_INSTRUCTION,
    CountedHeartbeatMeter,
    HeartbeatMeter,
    InstructionMeter,
    Meter,
    NoMeter,
    Offered,
)
from platforms.linux.counters.counters import Counters
from platforms.linux.knobs.system_calls import SchedulerCalls, calls_for
from platforms.linux.managed import ManagedProcess, ProcessKey
from platforms.linux.processes.cpusets import Cpusets, SeenGroups
from platforms.linux.processes.process_threads import ThreadsOf
from platforms.linux.processes.processes import ProcessTable
from platforms.linux.processes.seen_cores import Clusters, CoreMap
from platforms.platform import Clock

logger = logging.getLogger(__name__)

NEWCOMERS_PER_READ = 1
NEWCOMERS_PER_RESCAN = 16
"""Applications that are looked at for the first time in one go."""

LOOKED_AT_PER_RESCAN = 64
"""Applications whose threads are looked at in one rescan; with more they take turns."""


class ApplicationReader:
    """Measures applications; those that are not managed any more are forgotten at a rescan.

    `others` are processes that are part of no application, whoever has started them: training jobs.
    """

    def __init__(
        self,
        root: Path,
        counters: Counters,
        clock: Clock,
        *,
        clusters: Clusters,
        table: ProcessTable | None = None,
        calls: SchedulerCalls | None = None,
    ) -> None:
        """`clusters` are the board's cores per cluster. A `table` is scanned by who gives it."""
        self._root = root
        self._counters = counters
        self._clock = clock
        self._board = CoreMap(clusters)
        self._cycles = [0.0] * len(clusters)  # that each cluster's clock has offered so far
        self._table = ProcessTable(root) if table is None else table
        self._has_own_table = table is None
        self._calls = calls_for(root) if calls is None else calls
        self._cpusets = Cpusets(root)
        self._known: dict[int, FollowedApplication] = {}
        self._said: set[tuple[int, str]] = set()
        self._turn = 0
        self._pids: frozenset[int] = frozenset()
        self._only: tuple[ManagedProcess, ...] | None = None
        self._arranged_for: Sequence[ManagedProcess] | None = None
        self._order: list[FollowedApplication] = []
        self.others: frozenset[int] = frozenset()
        if table is None:
            self._table.scan()
        else:
            table.update()
        _say_what_is_missing(counters)

    def read(
        self, managed: Sequence[ManagedProcess], freqs_hz: Sequence[float], window_s: float
    ) -> tuple[FollowedApplication, ...]:
        """All of `managed` that run and were looked at already, at most a newcomer more; in order.

        `freqs_hz` is the frequency of each cluster now, `window_s` the time since the previous
        call. A newcomer's rate is the mean since it was first looked at.
        """
        now_s = self._clock.now_s()
        if managed is not self._arranged_for:
            self._arrange(managed, now_s)
        offered: list[Offered] = []
        for cluster, freq_hz in enumerate(freqs_hz):
            self._cycles[cluster] = cycles = self._cycles[cluster] + window_s * freq_hz
            offered.append((now_s, window_s, freq_hz, cycles))
        found = []
        for app in self._order:
            if app.read(offered):
                found.append(app)
        return tuple(found)

    def rescan(self, managed: Sequence[ManagedProcess]) -> None:
        """Look for new threads and children, in turns, and at newcomers; forget who is not managed.

        A table that was given to the constructor is to be scanned before.
        """
        now_s = self._clock.now_s()
        self._forget_others(managed)
        self._table.watched = self._pids
        if self._has_own_table:
            self._table.scan()
        newcomers = [process for process in managed if self._recognised(process) is None]
        others, groups = self._pids | self.others, SeenGroups()
        for known in self._next_in_turn():
            known.threads.without = others
            self._look(known, now_s, groups)
        for process in newcomers[:NEWCOMERS_PER_RESCAN]:
            self._meet(process, now_s)

    def threads_of(self, process: ManagedProcess) -> Sequence[tuple[ProcessKey, tuple[int, ...]]]:
        """The processes of an application, its own first, with the threads that they have now.

        Without those of other managed applications; none when it has ended.
        """
        known = self._known.get(process.id)
        threads = self._threads(process) if known is None else known.threads
        return threads.by_process()

    def close(self) -> None:
        """Stop to count."""
        for known in self._known.values():
            self._counters.release(known.process.key)
        self._known.clear()
        self._arranged_for = None

    def _arrange(self, managed: Sequence[ManagedProcess], now_s: float) -> None:
        """Put those that are known in this order; the next time as well, as long as all are."""
        allowance = NEWCOMERS_PER_READ
        order = []
        for process in managed:
            known = self._recognised(process)
            if known is None and allowance:
                allowance -= 1
                known = self._meet(process, now_s)
            if known is not None:
                order.append(known)
        self._order = order
        is_final = isinstance(managed, tuple) and len(order) == len(managed)
        self._arranged_for = managed if is_final else None

    def _recognised(self, process: ManagedProcess) -> FollowedApplication | None:
        """The application if it is known, with the same target and the same heartbeats."""
        known = self._known.get(process.id)
        if known is None or (known.process is not process and known.process != process):
            return None
        known.process = process
        return known

    def _meet(self, process: ManagedProcess, now_s: float) -> FollowedApplication:
        """Look at an application for the first time, or at one whose target is new."""
        self._pids |= {process.key.pid}
        self._only = self._arranged_for = None
        threads = self._threads(process)
        known = FollowedApplication(
            process,
            self._meter(process, threads),
            threads,
            board=self._board,
            calls=self._calls,
            now_s=now_s,
        )
        self._known[process.id] = known
        known.look(now_s, self._cpusets.effective_cores(process.key.pid))
        return known

    def _look(self, known: FollowedApplication, now_s: float, groups: SeenGroups) -> None:
        """Look at a known application's threads, and open its counters if there are none."""
        process = known.process
        known.look(now_s, self._cpusets.effective_cores(process.key.pid, groups))
        wants_counters = known.meter.measured_by != "counters" and self._counters.reason is None
        if known.meter.is_lost or wants_counters:
            meter = self._meter(process, known.threads)
            if known.meter.is_lost or meter.measured_by == "counters":
                known.measure_by(meter, now_s)

    def _meter(self, process: ManagedProcess, threads: ThreadsOf) -> Meter:
        """The best that there is for this application; what it has to do without is said once."""
        target, key, beats = process.target, process.key, process.heartbeats
        in_beats = target.unit == "heartbeats/s"
        if in_beats and beats is None:
            return self._unmeasured(process, "its target is in heartbeats/s and it sends none")
        why = self._counters.follow(key, self._lister(threads))
        if why is None:
            if beats is not None and in_beats:
                return CountedHeartbeatMeter(self._counters, key, target.value, beats)
            return InstructionMeter(self._counters, key, target.value)
        if beats is not None and in_beats:
            self._say_once(process, f"measured by its heartbeats alone: no counters ({why})")
            return HeartbeatMeter(target.value, beats)
        return self._unmeasured(process, f"its target is in instructions/s: no counters ({why})")

    def _unmeasured(self, process: ManagedProcess, why: str) -> NoMeter:
        self._say_once(process, f"cannot be measured and is left alone: {why}")
        return NoMeter(process.target.value, why)

    def _say_once(self, process: ManagedProcess, what: str) -> None:
        if (process.id, what) not in self._said:
            self._said.add((process.id, what))
            logger.warning("application %d (%s): %s", process.id, process.name, what)

    def _threads(self, process: ManagedProcess) -> ThreadsOf:
        threads = ThreadsOf(self._root, process.key, table=self._table)
        threads.without = self._pids | self.others
        return threads

    def _lister(self, threads: ThreadsOf) -> Callable[[], Iterable[int]]:
        """Lists threads; from the second time on with children that have been born meanwhile."""
        calls = count()

        def tids() -> Iterable[int]:
            if next(calls):
                self._table.update()
            return threads.tids()

        return tids

    def _forget_others(self, managed: Sequence[ManagedProcess]) -> None:
        """Nothing is to be done where the last time it was for the same, and nobody came since."""
        only = tuple(managed)
        if only == self._only:
            return
        self._only, self._arranged_for = only, None
        present = {process.id for process in managed}
        gone = [self._known.pop(number).process.key for number in self._known.keys() - present]
        still = {known.process.key for known in self._known.values()} if gone else ()
        for key in gone:
            if key not in still:  # it may have become another application, with a new id
                self._counters.release(key)
        self._said = {(number, what) for number, what in self._said if number in present}
        self._pids = frozenset([process.key.pid for process in managed])

    def _next_in_turn(self) -> Sequence[FollowedApplication]:
        """The applications to look at in this rescan."""
        everyone = list(self._known.values())
        if len(everyone) <= LOOKED_AT_PER_RESCAN:
            return everyone
        first = self._turn % len(everyone)
        self._turn = first + LOOKED_AT_PER_RESCAN
        return (everyone[first:] + everyone[:first])[:LOOKED_AT_PER_RESCAN]


def _say_what_is_missing(counters: Counters) -> None:
    """Which features are only typical values on this machine."""
    typical = (
        f"accesses to the L2 cache are taken as {TYPICAL_L2D_PER_INSTRUCTION} per instruction, "
        "a typical share"
    )
    if counters.reason is not None:
        logger.warning(
            "no counters: %s; rates come from heartbeats, applications with a target in "
            "instructions/s are left alone, and %s",
            counters.reason,
            typical,
        )
    elif not counters.counts_l2d:
        logger.warning("the counters have no event for the L2 cache: %s", typical)
