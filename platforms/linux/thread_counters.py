"""The open counters of some threads, read together: one system call per group, one unpacking."""

import errno
import os
import struct
from collections.abc import Sequence

from platforms.linux.counter_scaling import scaled
from platforms.linux.perf_event import Event, close_all, open_group

_EVENTS = 3
# A group reads as: number of events, time enabled, time running, and a value per event. An event by
# itself reads as: value, time enabled, time running. Every event then has a place of its own.
_GROUP_WORDS = 3 + _EVENTS
_SINGLE_WORDS = 3 * _EVENTS
_NS_PER_S = 1e9
_ALL_COUNTED = 0.998
"""A share of the time above this is all of it: PMUs are read one after the other."""


class ThreadCounters:
    """Counters of the threads that were added, and of all that these start.

    `threads` and `descriptors` are how many of each there are.
    """

    def __init__(self, groups: Sequence[Sequence[Event | None]], *, grouped: bool) -> None:
        """`groups` has per PMU `_EVENTS` events, None for those at its end that are not counted."""
        self._groups = groups
        self._grouped = grouped
        self._open: list[list[list[int]]] = []
        self._reads: list[tuple[int, list[memoryview]]] = []
        self._buffer = bytearray()
        self._unpack = struct.Struct("").unpack_from
        self._last: tuple[int, ...] = ()

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
            for group in self._groups:
                events = [event for event in group if event is not None]
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
        words = _GROUP_WORDS if self._grouped else _SINGLE_WORDS
        count = len(self._groups) * len(self._open)
        self._buffer = bytearray(8 * words * count)
        view = memoryview(self._buffer)
        place = 0
        for index, group in enumerate(self._groups):
            for thread in self._open:
                self._reads += self._places(view[place : place + 8 * words], group, thread[index])
                place += 8 * words
        self._unpack = struct.Struct(f"={words * count}Q").unpack_from
        self._last = self._read()

    def read(self) -> tuple[float, float, float, float, float]:
        """Instructions, cycles, L2D, seconds run and seconds counted since the previous read.

        OSError when the kernel gives no count any more.
        """
        now, last = self._read(), self._last
        self._last = now
        words = _GROUP_WORDS if self._grouped else _SINGLE_WORDS
        first_pmu = words * len(self._open)
        ran = sum(now[1:first_pmu:words]) - sum(last[1:first_pmu:words])
        counted = sum(now[2::words]) - sum(last[2::words])
        if counted < _ALL_COUNTED * ran:
            return (*self._scaled(now, last), ran / _NS_PER_S, counted / _NS_PER_S)
        done = [
            max(0, sum(now[value::words]) - sum(last[value::words])) for value in self._values()
        ]
        return (done[0], done[1], done[2], ran / _NS_PER_S, counted / _NS_PER_S)

    def close(self) -> None:
        """Close all descriptors."""
        for thread in self._open:
            for group in thread:
                close_all(group)
        self._open, self._reads = [], []

    def _values(self) -> range:
        return range(3, _GROUP_WORDS) if self._grouped else range(0, _SINGLE_WORDS, 3)

    def _places(
        self, view: memoryview, group: Sequence[Event | None], descriptors: Sequence[int]
    ) -> list[tuple[int, list[memoryview]]]:
        """Which descriptor is read to which place; what is not counted stays zero."""
        if self._grouped:
            return [(descriptors[0], [view])]
        counted = [index for index, event in enumerate(group) if event is not None]
        return [
            (descriptor, [view[24 * index : 24 * index + 24]])
            for index, descriptor in zip(counted, descriptors, strict=True)
        ]

    def _read(self) -> tuple[int, ...]:
        readv = os.readv
        for descriptor, place in self._reads:
            readv(descriptor, place)
        return self._unpack(self._buffer)

    def _scaled(self, now: Sequence[int], last: Sequence[int]) -> tuple[float, float, float]:
        """Each thread's counts, scaled by its own times over all PMUs."""
        words = _GROUP_WORDS if self._grouped else _SINGLE_WORDS
        step = [max(0, after - before) for after, before in zip(now, last, strict=True)]
        per_pmu = words * len(self._open)
        totals = [0.0] * _EVENTS
        for thread in range(0, per_pmu, words):
            starts = range(thread, len(step), per_pmu)
            running = [step[start + 2] for start in starts]
            for index, value in enumerate(self._values()):
                totals[index] += scaled(
                    [step[start + value] for start in starts], step[thread + 1], running
                )
        return (totals[0], totals[1], totals[2])
