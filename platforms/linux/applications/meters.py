"""How an application's rate is measured: by counters, by its heartbeats, by both, or not at all.

Every meter gives instructions/s, since that is what policies compare. A target in heartbeats/s is
turned into instructions by how many instructions are in a heartbeat. Without counters that number
is set once, as if every clock cycle of the CPU time in a heartbeat were an instruction: it is wrong
by a constant factor, so that rates still compare over clusters and operating points.
"""

from typing import Literal, Protocol

from platforms.linux.applications.per_heartbeat import WorkPerHeartbeat
from platforms.linux.applications.recent_counts import RecentCounts
from platforms.linux.applications.recent_rate import RecentRate, window_for
from platforms.linux.counters.counters import Count, Counters
from platforms.linux.managed import Heartbeats, ProcessKey

MeasuredBy = Literal["counters", "heartbeats", "nothing"]

TYPICAL_L2D_PER_INSTRUCTION = 0.009
"""Accesses to the L2 data cache per instruction, where they are not counted: the median of the
applications that ship with ilgov."""

LEAST_BEATS = 5
"""Heartbeats from which the work in one is told without counters."""

_LEAST_COUNTED_SHARE = 0.01
_LEAST_RAN_S = 0.001

Offered = tuple[float, float, float, float]
"""What the clock of an application's cores offers: the time now, seconds since the previous read,
its frequency now in Hz, and its cycles since any time."""

Measured = tuple[float | None, float, float]
"""A rate and its target, both instructions/s, and L2D accesses/s. None: not known yet.

As a tuple, since one is made for every application in every round.
"""

UNKNOWN: Measured = (None, 0.0, 0.0)
"""Neither the rate is known yet nor, in instructions, the target."""


class Meter(Protocol):
    """Measures one application. `is_lost`: its counters are gone and have to be opened anew."""

    measured_by: MeasuredBy
    is_lost: bool

    @property
    def heartbeats_per_s(self) -> float | None:
        """Over the same window as the rate, None where none count: for who asks."""
        ...

    def read(self, offered: Offered) -> Measured:
        """Its rate now."""
        ...

    def moved(self) -> None:
        """It runs on other cores from now on."""
        ...

    def look(self, cpu_s: float) -> None:
        """Take note of the CPU time, seconds, that it has had so far."""
        ...


class InstructionMeter:
    """Counts instructions, for a target in instructions/s."""

    measured_by: MeasuredBy = "counters"
    heartbeats_per_s = None

    def __init__(self, counters: Counters, key: ProcessKey, target_ips: float) -> None:
        self._counters = counters
        self._key = key
        self._target_ips = target_ips
        self._counts_l2d = counters.counts_l2d
        self._last: Measured = (None, target_ips, 0.0)
        self.is_lost = False

    def read(self, offered: Offered) -> Measured:
        """The mean since the previous read; where nothing was counted, the one before."""
        window_s = offered[1]
        count = self._counters.read(self._key)
        if count is None:
            self.is_lost = True
        elif not is_starved(count):
            l2d_per_s = (count.l2d if self._counts_l2d else typical_l2d(count)) / window_s
            self._last = (count.instructions / window_s, self._target_ips, l2d_per_s)
        return self._last

    def moved(self) -> None:
        """Nothing changes: counters count on all cores."""

    def look(self, cpu_s: float) -> None:
        """Nothing changes."""


class CountedHeartbeatMeter:
    """Counts instructions, for a target in heartbeats/s."""

    __slots__ = (
        "_beats",
        "_counters",
        "_counts_l2d",
        "_heartbeats",
        "_key",
        "_per_beat",
        "_recent",
        "_target_per_s",
        "is_lost",
    )

    measured_by: MeasuredBy = "counters"

    def __init__(
        self,
        counters: Counters,
        key: ProcessKey,
        target_per_s: float,
        heartbeats: Heartbeats,
    ) -> None:
        self._counters = counters
        self._key = key
        self._target_per_s = target_per_s
        self._counts_l2d = counters.counts_l2d
        self._heartbeats = heartbeats
        self._beats = heartbeats.count
        self._per_beat = WorkPerHeartbeat()
        self._recent = RecentCounts(window_s=window_for(target_per_s))
        self.is_lost = False

    @property
    def heartbeats_per_s(self) -> float:
        """Over some heartbeats."""
        return self._recent.beats_per_s

    def read(self, offered: Offered) -> Measured:
        """The rate at this frequency over some heartbeats; not known before there are a few."""
        _, window_s, freq_hz, _ = offered
        count, per_beat = self._counters.read(self._key), self._per_beat
        before, self._beats = self._beats, (beats := self._heartbeats.count)
        if count is None or (
            count.counted_s < _LEAST_COUNTED_SHARE * count.ran_s and is_starved(count)
        ):
            self.is_lost = self.is_lost or count is None
            rate_ips, l2d_per_s = self._recent.at(freq_hz)
        else:
            work = count.instructions
            l2d = count.l2d if self._counts_l2d else work * TYPICAL_L2D_PER_INSTRUCTION
            new = beats - before if beats >= before else beats
            rate_ips, l2d_per_s = self._recent.add(new, work, l2d, window_s, freq_hz)
            per_beat.add(beats, work, window_s)
        if per_beat.value is None:
            return UNKNOWN
        return rate_ips, self._target_per_s * per_beat.value, l2d_per_s

    def moved(self) -> None:
        """The cycles of one core type say nothing of another's."""
        self._recent.clear()

    def look(self, cpu_s: float) -> None:
        """Nothing changes."""


class HeartbeatMeter:
    """Knows heartbeats and CPU time only."""

    __slots__ = (
        "_beats",
        "_begin",
        "_begins",
        "_cycles",
        "_heartbeats",
        "_now_s",
        "_rate",
        "_target_ips",
        "_target_per_s",
        "_time_s",
        "per_beat",
    )

    measured_by: MeasuredBy = "heartbeats"
    is_lost = False

    def __init__(self, target_per_s: float, heartbeats: Heartbeats) -> None:
        self._target_per_s = target_per_s
        self._heartbeats = heartbeats
        self._beats = heartbeats.count
        self._rate = RecentRate(window_s=window_for(target_per_s))
        self._begins = True
        self._now_s = 0.0
        self._time_s = self._cycles = 0.0
        self._begin: tuple[int, float] | None = None
        self.per_beat: float | None = None
        self._target_ips = 0.0

    @property
    def heartbeats_per_s(self) -> float:
        """Over some heartbeats."""
        return self._rate.mean_per_s(self._beats, self._now_s)

    def read(self, offered: Offered) -> Measured:
        """The rate at this frequency over some heartbeats; not known before there are a few."""
        time_s, window_s, freq_hz, cycles = offered
        self._now_s = time_s
        before, self._beats = self._beats, (beats := self._heartbeats.count)
        if self._begins or beats < before:
            first = before if beats >= before else 0  # a count that starts again: all of it
            self._rate.begin(first, time_s - window_s, cycles - window_s * freq_hz)
            self._begins = False
        at_freq, per_beat = self._rate.at(beats, time_s, cycles, freq_hz), self.per_beat
        if per_beat is None:
            self._time_s += window_s
            self._cycles += window_s * freq_hz
            return UNKNOWN
        rate_ips = at_freq * per_beat
        return rate_ips, self._target_ips, rate_ips * TYPICAL_L2D_PER_INSTRUCTION

    def moved(self) -> None:
        """The cycles of one core type say nothing of another's."""
        self._begins = True

    def look(self, cpu_s: float) -> None:
        """Set the work in a heartbeat as soon as enough of them have come."""
        if self.per_beat is not None:
            return
        beats = self._beats
        if self._begin is None:
            self._begin = (beats, cpu_s)
            self._time_s = self._cycles = 0.0
        elif beats - self._begin[0] >= LEAST_BEATS and self._time_s > 0.0:
            used_s = cpu_s - self._begin[1]
            cycles = self._cycles * (used_s / self._time_s if used_s > 0.0 else 1.0)
            self.per_beat = cycles / (beats - self._begin[0])
            self._target_ips = self._target_per_s * self.per_beat


class NoMeter:
    """Nothing measures this application; `why`, in words."""

    measured_by: MeasuredBy = "nothing"
    heartbeats_per_s = None
    is_lost = False

    def __init__(self, target: float, why: str) -> None:
        self._measured: Measured = (None, target, 0.0)
        self.why = why

    def read(self, offered: Offered) -> Measured:
        """No rate."""
        return self._measured

    def moved(self) -> None:
        """Nothing changes."""

    def look(self, cpu_s: float) -> None:
        """Nothing changes."""


def typical_l2d(count: Count) -> float:
    """Accesses to the L2 data cache, where they are not counted."""
    return count.instructions * TYPICAL_L2D_PER_INSTRUCTION


def is_starved(count: Count) -> bool:
    """Whether somebody else has the counters: it ran, and next to nothing of it was counted."""
    return count.counted_s < _LEAST_COUNTED_SHARE * count.ran_s and count.ran_s > _LEAST_RAN_S
