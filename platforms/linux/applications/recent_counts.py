"""What an application's counters and heartbeats say together, over the same last window.

As `platforms.linux.applications.recent_rate` for one kind of work, and for the same reason:
heartbeats come in lumps, and work is set against the clock cycles that were offered.
"""

import math
from collections import deque

from platforms.linux.applications.recent_rate import COUNT_ANEW_AFTER_S

_Sums = tuple[int, float, float, float, float]
"""Heartbeats, instructions, L2D accesses, seconds, clock cycles."""


class RecentCounts:
    """Instructions, L2D accesses and heartbeats of the last `window_s`.

    >>> counts = RecentCounts(window_s=1.0)
    >>> for _ in range(10):
    ...     _ = counts.add(3, 2e8, 1e6, time_s=0.1, freq_hz=1e9)
    >>> round(counts.beats_per_s), counts.at(2e9)
    (30, (4000000000.0, 20000000.0))
    """

    def __init__(self, *, window_s: float) -> None:
        self._window_s = window_s - 1e-9
        self._sums: _Sums
        self._begin: _Sums
        self._marks: deque[_Sums]
        self._next_s: float
        self.clear()

    def add(
        self, beats: int, instructions: float, l2d: float, time_s: float, freq_hz: float
    ) -> tuple[float, float]:
        """So much was done in `time_s` seconds while the cores ran at `freq_hz`.

        Returns the rates at that frequency, as `at` does.
        """
        marks, window_s, next_s = self._marks, self._window_s, self._next_s
        beats_before, instructions_before, l2d_before, before_s, cycles_before = self._sums
        now_s = before_s + time_s
        instructions += instructions_before
        l2d += l2d_before
        cycles = cycles_before + time_s * freq_hz
        self._sums = (beats_before + beats, instructions, l2d, now_s, cycles)
        marks.append(self._sums)
        while now_s - next_s >= window_s:
            self._begin = marks.popleft()
            self._next_s = next_s = marks[0][3]
        _, instructions_before, l2d_before, _, cycles_before = self._begin
        if now_s > COUNT_ANEW_AFTER_S:
            self._count_anew()
        if cycles <= cycles_before:
            return 0.0, 0.0
        share = freq_hz / (cycles - cycles_before)
        return (instructions - instructions_before) * share, (l2d - l2d_before) * share

    def clear(self) -> None:
        """Begin a new window: what was seen is not comparable with what comes."""
        # Sums over all time, as they were after each part. The window begins at `_begin`; `_marks`
        # come after it, the first of them at `_next_s`: as soon as there is one.
        self._sums = self._begin = (0, 0.0, 0.0, 0.0, 0.0)
        self._marks = deque([self._begin])
        self._next_s = -math.inf

    @property
    def beats_per_s(self) -> float:
        """Heartbeats/s, whatever the frequencies were; 0 before anything was added."""
        first, last = self._begin, self._sums
        passed_s = last[3] - first[3]
        return (last[0] - first[0]) / passed_s if passed_s > 0.0 else 0.0

    def at(self, freq_hz: float) -> tuple[float, float]:
        """Instructions/s and L2D accesses/s at this frequency; 0 before anything was added."""
        first, last = self._begin, self._sums
        cycles = last[4] - first[4]
        if cycles <= 0.0:
            return 0.0, 0.0
        share = freq_hz / cycles
        return (last[1] - first[1]) * share, (last[2] - first[2]) * share

    def _count_anew(self) -> None:
        """Let the sums begin with the window, so that they stay exact."""
        beats, instructions, l2d, time_s, cycles = self._begin
        self._begin, *marks = [
            (b - beats, i - instructions, a - l2d, t - time_s, c - cycles)
            for b, i, a, t, c in (self._begin, *self._marks)
        ]
        self._marks, self._sums, self._next_s = deque(marks), marks[-1], marks[0][3]
