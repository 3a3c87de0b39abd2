"""One application that is being measured: its meter, its threads, and where they are."""

from collections.abc import Sequence, Set

from msgspec import Struct

from platforms.linux.applications.meters import UNKNOWN, Measured, MeasuredBy, Meter, Offered
from platforms.linux.knobs.system_calls import SchedulerCalls
from platforms.linux.managed import ManagedProcess
from platforms.linux.processes.process_threads import ThreadsOf
from platforms.linux.processes.seen_cores import CoreMap, seen_cores
from platforms.platform import ApplicationReading

LEAST_WINDOW_S = 0.001
"""Over a shorter window no rate is measured: the one before still holds."""


class ReadApplication(Struct, frozen=True, gc=False):
    """An application as of now; rates are means over the last window or a few heartbeats.

    `rate_ips` is None as long as it is not known, and for ever where nothing measures the
    application (`measured_by`); policies must not be shown it then, and `target_ips` is no figure
    to compare with. `cores` and `threads` fit together as `platforms.decision_check` asks:
    one core for one thread, several of one cluster for several. `heartbeats_per_s` is None where
    none count.
    """

    id: int
    name: str
    target_ips: float
    rate_ips: float | None
    l2d_per_s: float
    cores: tuple[int, ...]
    threads: int
    heartbeats_per_s: float | None
    measured_by: MeasuredBy


class FollowedApplication:
    """What is known of `process` since `met_s`.

    `reading` is what policies see of it, None as long as its rate is not known; `state` is all.
    """

    __slots__ = (
        "_board",
        "_busy",
        "_cluster",
        "_get_affinity",
        "_id",
        "_is_new",
        "_last_core",
        "_looked_s",
        "_mask",
        "_measured",
        "_met_s",
        "_name",
        "_place",
        "_placed_by",
        "_tid",
        "_usable",
        "meter",
        "process",
        "reading",
        "threads",
    )

    def __init__(
        self,
        process: ManagedProcess,
        meter: Meter,
        threads: ThreadsOf,
        *,
        board: CoreMap,
        calls: SchedulerCalls,
        now_s: float,
    ) -> None:
        self.process = process
        self._id, self._name = process.id, process.name
        self.meter = meter
        self.threads = threads
        self._board = board
        self._get_affinity = calls.get_affinity
        self._met_s = self._looked_s = now_s
        self._is_new = True
        self._busy = 1
        self._last_core: int | None = None
        self._usable: frozenset[int] | None = None
        self._mask: Set[int] = frozenset()
        self._tid = process.key.pid
        self._place: tuple[tuple[int, ...], int] = ((), 0)
        self._placed_by: tuple[object, ...] = ()
        self._cluster = 0
        self._measured: Measured | None = None
        self.reading: ApplicationReading | None = None

    def measure_by(self, meter: Meter, now_s: float) -> None:
        """Take another meter from now on."""
        self.meter = meter
        self._met_s = now_s
        self._is_new = True

    def look(self, now_s: float, usable: frozenset[int] | None) -> None:
        """Look at its threads anew; `usable` are the cores that its control group leaves it."""
        self._busy = self.threads.busy(now_s - self._looked_s)
        self._looked_s = now_s
        self._tid = self.threads.busiest
        last_core = self.threads.last_core()
        self._last_core = self._last_core if last_core is None else last_core
        self._usable = usable
        self._mask = self._read_mask() or self._mask
        self._settle()
        self.meter.look(self.threads.cpu_s)

    def read(self, offered: Sequence[Offered]) -> bool:
        """Read it; False when it has ended. `offered` is what each cluster's clock offers."""
        get_affinity = self._get_affinity  # called in place, Python would look for a method first
        try:
            mask: Set[int] | None = get_affinity(self._tid)
        except OSError:
            mask = self._read_mask()
        if mask is None:
            return False
        if mask != self._mask:
            self._mask = mask
            self._settle()
        here = offered[self._cluster]
        if self._is_new:
            here = self._since_met(here)
        if here[1] >= LEAST_WINDOW_S or self._measured is None:
            self._measured = self.meter.read(here)
        rate_ips, target_ips, l2d_per_s = self._measured
        if rate_ips is None:
            self.reading = None
        else:
            cores, threads = self._place
            self.reading = ApplicationReading(
                self._id, self._name, target_ips, rate_ips, l2d_per_s, cores, threads
            )
        return True

    @property
    def seat(self) -> tuple[tuple[int, ...], int]:
        """Its cores, and the number of threads that they are for, as in `state`."""
        return self._place

    def state(self) -> ReadApplication:
        """All that was read the last time."""
        rate_ips, target_ips, l2d_per_s = self._measured or UNKNOWN
        return ReadApplication(
            self.process.id,
            self.process.name,
            target_ips,
            rate_ips,
            l2d_per_s,
            *self._place,
            self.meter.heartbeats_per_s,
            self.meter.measured_by,
        )

    def _since_met(self, offered: Offered) -> Offered:
        """The same since it was met where that is later, for the first measurement some time."""
        now_s, window_s, freq_hz, cycles = offered
        age_s = now_s - self._met_s
        self._is_new = age_s < window_s
        least_s = LEAST_WINDOW_S if self._measured is None else 0.0
        return now_s, max(least_s, min(age_s, window_s)), freq_hz, cycles

    def _read_mask(self) -> Set[int] | None:
        """The mask of its busiest thread, or of its first; None when both are gone."""
        for tid in (self._tid, self.process.key.pid):
            try:
                return self._get_affinity(tid)
            except ProcessLookupError:
                continue
            except OSError:
                return self._mask
        return None

    def _settle(self) -> None:
        """Find out its cores from mask, threads and the core that it last ran on."""
        placed_by = (self._mask, self._busy, self._last_core, self._usable)
        if placed_by == self._placed_by:
            return
        self._placed_by = placed_by
        before = self._place[0]
        self._place = seen_cores(
            self._board,
            allowed=self._mask,
            threads=self._busy,
            last=self._last_core,
            usable=self._usable,
        )
        owner = self._board.owner
        self._cluster = owner[self._place[0][0]]
        if before and owner[before[0]] != self._cluster:
            self.meter.moved()
