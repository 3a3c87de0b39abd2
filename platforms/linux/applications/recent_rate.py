"""The rate of something that comes in lumps, heartbeats above all, at the present frequency.

Over one DVFS period there may be one heartbeat or none. Over a longer window there are enough, but
then the rate would lag behind the frequency, and who scales the frequency by the rate would
overshoot. So work is set against the clock cycles that the application's cores offered in the
window, and the rate is work per cycle times the frequency now: right at once for what is bound by
computing, after a window for all else.

In a window of few heartbeats there is often one more or less than usual, and a clock that follows
goes to and fro. So the rate is taken over several windows for as long as the last one says the
same.
"""

import math
from collections import deque

LEAST_WINDOW_S = 0.2
MOST_WINDOW_S = 30.0
COUNT_ANEW_AFTER_S = 1000.0
"""Sums begin anew after so long, before what is added gets lost in them."""

LUMPS = 10
"""A window has room for so many heartbeats at the target: one more or less is a tenth."""

WINDOWS = 4
"""The rate is a mean over so many windows while it is steady (chosen: changes of the clock become
two to four times rarer, and a program that turns 15 % slower gets its clock in 1.2 s instead of
0.3 s at ten heartbeats/s, one that turns 30 % slower in 0.8 s instead of 0.7 s)."""

UNLIKE = 2.0
"""Heartbeats that the last window may differ by: more is a change, and for another window it alone
counts."""

_Sums = tuple[float, float, float]
"""Work, seconds, clock cycles."""


def window_for(target_per_s: float) -> float:
    """Seconds over which to look at something that is to come `target_per_s` times a second.

    >>> window_for(20.0), window_for(1000.0), window_for(0.1)
    (0.5, 0.2, 30.0)
    """
    return min(max(LUMPS / target_per_s, LEAST_WINDOW_S), MOST_WINDOW_S)


class RecentRate:
    """Work per second, at a steady rate over `WINDOWS` times `window_s`, else over the last one.

    >>> rate = RecentRate(window_s=1.0)
    >>> for _ in range(10):
    ...     _ = rate.add(work=3.0, time_s=0.1, freq_hz=1e9)
    >>> round(rate.mean_per_s), round(rate.at(1e9)), round(rate.at(2e9))
    (30, 30, 60)
    """

    def __init__(self, *, window_s: float) -> None:
        self._window_s = window_s - 1e-9
        self._sums: _Sums
        self._begin: _Sums
        self._marks: deque[_Sums]
        self._next_s: float
        self._last_begin: _Sums
        self._last: deque[_Sums]
        self._last_next_s: float
        self._settled_s: float
        self._longest_s = max(window_s, min(WINDOWS * window_s, MOST_WINDOW_S)) - 1e-9
        self.clear()

    def add(self, work: float, time_s: float, freq_hz: float) -> float:
        """`work` was done in `time_s` seconds while the application's cores ran at `freq_hz`.

        Returns the rate at that frequency, as `at` does.
        """
        work_before, before_s, cycles_before = self._sums
        if before_s > COUNT_ANEW_AFTER_S:
            work_before, before_s, cycles_before = self._count_anew()
        marks, last, window_s = self._marks, self._last, self._window_s
        work += work_before
        now_s = before_s + time_s
        cycles = cycles_before + time_s * freq_hz
        self._sums = mark = (work, now_s, cycles)
        marks.append(mark)
        last.append(mark)
        next_s = self._last_next_s
        while now_s - next_s >= window_s:
            self._last_begin = last.popleft()
            self._last_next_s = next_s = last[0][1]
        longest_s = self._longest_s if now_s >= self._settled_s else window_s
        next_s = self._next_s
        while now_s - next_s >= longest_s:
            self._begin = marks.popleft()
            self._next_s = next_s = marks[0][1]
        work_before, _, cycles_before = self._begin
        if cycles <= cycles_before:
            return self.mean_per_s
        per_cycle = (work - work_before) / (cycles - cycles_before)
        work_before, _, cycles_before = self._last_begin
        if abs(work - work_before - per_cycle * (cycles - cycles_before)) > UNLIKE:
            self._begin, self._marks, self._next_s = (
                self._last_begin,
                last.copy(),
                self._last_next_s,
            )
            self._settled_s = now_s + window_s
            return self.at(freq_hz)
        return per_cycle * freq_hz

    def clear(self) -> None:
        """Begin a new window: what was seen is not comparable with what comes."""
        # Sums over all time, as they were after each part. What counts begins at `_begin`; `_marks`
        # come after it, the first of them at `_next_s`: as soon as there is one. So with `_last`.
        self._sums = self._begin = self._last_begin = (0.0, 0.0, 0.0)
        self._marks, self._last = deque([self._begin]), deque([self._begin])
        self._next_s = self._last_next_s = -math.inf
        self._settled_s = 0.0

    @property
    def time_s(self) -> float:
        """Seconds over which the rate is a mean."""
        return self._sums[1] - self._begin[1]

    @property
    def mean_per_s(self) -> float:
        """Work per second, whatever the frequencies were; 0 before anything was added."""
        (work_before, before_s, _), (work, now_s, _) = self._begin, self._sums
        return (work - work_before) / (now_s - before_s) if now_s > before_s else 0.0

    def at(self, freq_hz: float) -> float:
        """Work per second at this frequency."""
        (work_before, _, cycles_before), (work, _, cycles) = self._begin, self._sums
        if cycles <= cycles_before:
            return self.mean_per_s
        return (work - work_before) / (cycles - cycles_before) * freq_hz

    def _count_anew(self) -> _Sums:
        """Let the sums begin with what counts, so that they stay exact; what they are now."""
        work, time_s, cycles = self._begin
        self._settled_s -= time_s
        (self._begin, *marks), (self._last_begin, *last) = [
            [(w - work, t - time_s, c - cycles) for w, t, c in (begin, *marks)]
            for begin, marks in ((self._begin, self._marks), (self._last_begin, self._last))
        ]
        self._marks, self._next_s = deque(marks), marks[0][1]
        self._last, self._last_next_s = deque(last), last[0][1]
        self._sums = marks[-1]
        return self._sums
