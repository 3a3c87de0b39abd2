"""The open counters of some threads, read together: one system call per group of events."""

import errno
import os
import struct
from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

from platforms.linux.counters.counter_scaling import scaled
from platforms.linux.counters.perf_event import Event, close_all, open_group

_ENABLED, _RUNNING, _VALUES = 1, 2, 3
"""A group reads as words of 64 bits: the number of events, time enabled and time running in ns, a
value per event."""

_WORD_BYTES = 8
_MOST_WORDS = _VALUES + 3
_MOST_BYTES = _MOST_WORDS * _WORD_BYTES

_TRIES = 5
"""Reads of a group before it counts as refused. The kernel refuses (ECHILD, kernel/events/core.c)
while it takes the group of an ended child apart, event after event. Of 40 such refusals in storms
of children on 6.18, on a busy machine as well, all were over at the next read, 5 us later."""

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
        self._pmus = len(groups)
        self._grouped = grouped
        self._open: list[list[list[int]]] = []
        self._leaders: list[int] = []
        self._words = struct.Struct(f"={_VALUES + len(groups[0])}Q")
        self._last: list[bytes] = []
        self._sum = 0

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
        self._last, self._sum = self._read()
        self._parsed(self._last)

    def read(self) -> Count:
        """What was done since the previous read; OSError where the kernel gives no count."""
        last, before = self._last, self._sum
        self._last, self._sum = now, after = self._read()
        try:
            words = _steps((after - before).to_bytes(_MOST_BYTES, "little"))
        except OverflowError:  # the last of them went back
            return self._in_detail(now, last)
        number, enabled, running, instructions, cycles, l2d = words
        ran = enabled / self._pmus  # all PMUs are enabled all the time
        is_whole = not number and running >= _ALL_COUNTED * ran
        if not is_whole or instructions < 0 or cycles < 0 or l2d < 0:
            return self._in_detail(now, last)
        return Count(ran * 1e-9, running * 1e-9, instructions, cycles, l2d) if enabled else NOTHING

    def close(self) -> None:
        """Close all descriptors."""
        for thread in self._open:
            for group in thread:
                close_all(group)
        self._open, self._leaders = [], []

    def _read(self) -> tuple[list[bytes], int]:
        """What every group shows, PMU after PMU of one thread after the other, and their `_sum`."""
        if not self._grouped:
            groups = [_together(group) for thread in self._open for group in thread]
            return groups, _sum(groups)
        read, size, groups, total = os.read, self._words.size, [], 0
        try:
            for leader in self._leaders:
                group = read(leader, size)
                groups.append(group)
                total += _number(group, "little")  # as `_sum`, in the same walk
        except ChildProcessError:
            groups = [_read_again(leader, size) for leader in self._leaders]
            return groups, _sum(groups)
        return groups, total

    def _in_detail(self, now: Sequence[bytes], last: Sequence[bytes]) -> Count:
        """What was done, where it was not all counted or a count went back: group by group.

        OSError where the kernel gives no count.
        """
        steps = [
            [x - y for x, y in zip(after, before, strict=True)]
            for after, before in zip(self._parsed(now), self._parsed(last), strict=True)
        ]
        enabled = sum([step[_ENABLED] for step in steps])
        if not enabled:
            return NOTHING
        running = sum([step[_RUNNING] for step in steps])
        ran_s = enabled / self._pmus * 1e-9
        return Count(ran_s, running * 1e-9, *self._scaled(steps))

    def _parsed(self, data: Sequence[bytes]) -> list[tuple[int, ...]]:
        """The words of every group."""
        try:
            return [self._words.unpack(group) for group in data]
        except struct.error as error:
            raise OSError(errno.EIO, "a counter shows nothing") from error

    def _scaled(self, steps: Sequence[Sequence[int]]) -> list[float]:
        """Each thread's counts, scaled by its own times over all PMUs."""
        pmus = self._pmus
        done = [0.0] * len(self._groups[0])
        for first in range(0, len(steps), pmus):
            thread = [[max(0, step) for step in group] for group in steps[first : first + pmus]]
            running = [step[_RUNNING] for step in thread]
            for index in range(len(done)):
                values = [step[_VALUES + index] for step in thread]
                done[index] += scaled(values, thread[0][_ENABLED], running)
        return done


def _read_again(leader: int, size: int) -> bytes:
    """What a group shows; OSError where it is still refused after some tries."""
    for _ in range(_TRIES - 1):
        with suppress(ChildProcessError):
            return os.read(leader, size)
    return os.read(leader, size)


_number = int.from_bytes
_steps = struct.Struct(f"<{_MOST_WORDS}q").unpack


def _sum(groups: Sequence[bytes]) -> int:
    """All groups added up word by word, as one long number.

    Python adds and subtracts such numbers in a third of the time that their words would take. No
    word comes near 64 bits, so none carries into the next; one that went back takes from the next,
    and reads as negative itself. What the kernel does not show is missing in the first word.

    >>> both = [struct.pack("<3Q", 1, 5, 7), struct.pack("<3Q", 1, 20, 30)]
    >>> struct.unpack("<3Q", _sum(both).to_bytes(24, "little"))
    (2, 25, 37)
    """
    total = 0
    for group in groups:
        total += _number(group, "little")
    return total


def _together(descriptors: Sequence[int]) -> bytes:
    """Events that are read by themselves, each as value and times, in the form of a group."""
    parts = []
    for descriptor in descriptors:
        data = os.read(descriptor, 24)
        if len(data) < 24:
            raise OSError(errno.EIO, "a counter shows nothing")
        parts.append(struct.unpack("=3Q", data))
    _, enabled, running = parts[0]
    values = [value for value, _, _ in parts]
    return struct.pack(f"={_VALUES + len(values)}Q", len(values), enabled, running, *values)
