"""The open counters of some threads, read together: one system call per group of events."""

import errno
import os
import struct
from collections.abc import Sequence

from msgspec import Struct

from platforms.linux.counters.counter_scaling import scaled
from platforms.linux.counters.perf_event import Event, close_all, open_group

_ENABLED, _RUNNING, _VALUES = 0, 1, 2
"""A group reads as: time enabled and time running in ns, a value per event. The number of events,
which comes first, is passed over."""

_ALL_COUNTED = 0.998
"""A share of the time above this is all of it: PMUs are read one after the other."""


class Count(Struct, frozen=True, gc=False):
    """What threads did since the previous read, all together; 0 for what is not counted.

    `ran_s` is the time that they ran, summed over threads, `counted_s` the part that was counted.
    """

    ran_s: float
    counted_s: float
    instructions: float
    cycles: float = 0.0
    l2d: float = 0.0


NOTHING = Count(0.0, 0.0, 0.0)
"""What threads did that slept."""


class ThreadCounters:
    """Counters of the threads that were added, and of all that these start.

    `threads` and `descriptors` are how many of each there are.
    """

    def __init__(self, groups: Sequence[Sequence[Event]], *, grouped: bool) -> None:
        """`groups` has the same number of events for every PMU, three at most.

        Without `grouped` every event is read by itself, for kernels before 4.13.
        """
        self._groups = groups
        self._grouped = grouped
        self._open: list[list[list[int]]] = []
        self._leaders: list[int] = []
        group = struct.Struct(f"=8x{_VALUES + len(groups[0])}Q")
        self._unpack, self._size = group.unpack, group.size
        self._events = len(groups[0])
        self._last: list[tuple[int, ...]] = []

    @property
    def threads(self) -> int:
        """How many threads there are."""
        return len(self._open)

    @property
    def descriptors(self) -> int:
        """How many descriptors are open."""
        return sum(len(group) for thread in self._open for group in thread)

    def add(self, tid: int) -> None:
        """Count for one more thread; one that has ended is passed over. OSError as the kernel's."""
        opened: list[list[int]] = []
        try:
            for events in self._groups:
                opened.append(open_group(events, tid, grouped=self._grouped))
        except OSError as error:
            for descriptors in opened:
                close_all(descriptors)
            if error.errno != errno.ESRCH:
                raise
            return
        self._open.append(opened)

    def start(self) -> None:
        """Prepare to read; what was counted before does not matter."""
        self._leaders = [group[0] for thread in self._open for group in thread]
        self._last = self._read()

    def read(self) -> Count:
        """What was done since the previous read; OSError where the kernel gives no count."""
        last, self._last = self._last, self._read()
        now = self._last
        enabled, running, instructions, cycles, l2d = _steps(now, last, self._events)
        if not enabled:
            return NOTHING
        ran = enabled / len(self._groups)  # all PMUs are enabled all the time
        if running < _ALL_COUNTED * ran or instructions < 0 or cycles < 0 or l2d < 0:
            return Count(ran * 1e-9, running * 1e-9, *self._scaled(now, last))
        return Count(ran * 1e-9, running * 1e-9, instructions, cycles, l2d)

    def close(self) -> None:
        """Close all descriptors."""
        for thread in self._open:
            for group in thread:
                close_all(group)
        self._open, self._leaders = [], []

    def _read(self) -> list[tuple[int, ...]]:
        """What every group shows, PMU after PMU of one thread after the other."""
        if not self._grouped:
            return [_together(group) for thread in self._open for group in thread]
        read, unpack, size = os.read, self._unpack, self._size
        try:
            return [unpack(read(leader, size)) for leader in self._leaders]
        except struct.error as error:
            raise OSError(errno.EIO, "a counter shows nothing") from error

    def _scaled(
        self, now: Sequence[tuple[int, ...]], last: Sequence[tuple[int, ...]]
    ) -> list[float]:
        """Each thread's counts, scaled by its own times over all PMUs."""
        steps = [
            [max(0, x - y) for x, y in zip(after, before, strict=True)]
            for after, before in zip(now, last, strict=True)
        ]
        pmus = len(self._groups)
        done = [0.0] * len(self._groups[0])
        for first in range(0, len(steps), pmus):
            thread = steps[first : first + pmus]
            running = [step[_RUNNING] for step in thread]
            for index in range(len(done)):
                values = [step[_VALUES + index] for step in thread]
                done[index] += scaled(values, thread[0][_ENABLED], running)
        return done


def _steps(
    now: Sequence[tuple[int, ...]], last: Sequence[tuple[int, ...]], events: int
) -> tuple[int, int, int, int, int]:
    """From one reading to the next, over all groups: enabled, running, and three values."""
    if len(now) == 2:  # one thread on a board with two core types, as most
        (a, b), (c, d) = now, last
        if a[_RUNNING] == c[_RUNNING]:
            a, b, c, d = b, a, d, c
        if b[_RUNNING] == d[_RUNNING]:  # it stayed with one of them: the other has not counted
            return (
                a[_ENABLED] - c[_ENABLED] + b[_ENABLED] - d[_ENABLED],
                a[_RUNNING] - c[_RUNNING],
                a[_VALUES] - c[_VALUES],
                a[_VALUES + 1] - c[_VALUES + 1] if events > 1 else 0,
                a[_VALUES + 2] - c[_VALUES + 2] if events > 2 else 0,
            )
    totals = [map(sum, zip(*readings, strict=True)) for readings in (now, last)]
    enabled, running, *values = [after - before for after, before in zip(*totals, strict=True)]
    instructions, cycles, l2d, *_ = *values, 0, 0
    return enabled, running, instructions, cycles, l2d


def _together(descriptors: Sequence[int]) -> tuple[int, ...]:
    """Events that are read by themselves, each as value and times, in the form of a group."""
    parts = []
    for descriptor in descriptors:
        data = os.read(descriptor, 24)
        if len(data) < 24:
            raise OSError(errno.EIO, "a counter shows nothing")
        parts.append(struct.unpack("=3Q", data))
    _, enabled, running = parts[0]
    return (enabled, running, *[value for value, _, _ in parts])
