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

PARTS = 5
"""Where a window may begin: sums are remembered so many times in the last one. More would let it be
shorter by a part and cost twice as much in every round."""

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

    A window is up to two of its `PARTS` longer than that.

    >>> rate = RecentRate(window_s=1.0)
    >>> for _ in range(10):
    ...     _ = rate.add(work=3.0, time_s=0.1, freq_hz=1e9)
    >>> round(rate.mean_per_s), round(rate.at(1e9)), round(rate.at(2e9))
    (30, 30, 60)
    """

    __slots__ = (
        "_begin",
        "_cycles",
        "_due_s",
        "_last",
        "_last_begin",
        "_longest_s",
        "_marks",
        "_settled_s",
        "_step_s",
        "_time_s",
        "_window_s",
        "_work",
    )

    def __init__(self, *, window_s: float) -> None:
        self._window_s = window_s - 1e-9
        self._longest_s = max(window_s, min(WINDOWS * window_s, MOST_WINDOW_S)) - 1e-9
        self._step_s = window_s / PARTS - 1e-9
        self._work: float
        self._time_s: float
        self._cycles: float
        self._begin: _Sums
        self._marks: deque[_Sums]
        self._last_begin: _Sums
        self._last: deque[_Sums]
        self._due_s: float
        self._settled_s: float
        self.clear()

    def add(self, work: float, time_s: float, freq_hz: float) -> float:
        """`work` was done in `time_s` seconds while the application's cores ran at `freq_hz`.

        Returns the rate at that frequency, as `at` does.
        """
        self._work = work = self._work + work
        self._time_s = now_s = self._time_s + time_s
        self._cycles = cycles = self._cycles + time_s * freq_hz
        if now_s >= self._due_s:
            work, now_s, cycles = self._mark(work, now_s, cycles)
        work_before, _, cycles_before = self._begin
        if cycles <= cycles_before:
            return self.mean_per_s
        per_cycle = (work - work_before) / (cycles - cycles_before)
        work_before, _, cycles_before = self._last_begin
        if -UNLIKE <= work - work_before - per_cycle * (cycles - cycles_before) <= UNLIKE:
            return per_cycle * freq_hz
        self._begin, self._marks = self._last_begin, self._last.copy()
        self._settled_s = now_s + self._window_s
        return self.at(freq_hz)

    def clear(self) -> None:
        """Begin a new window: what was seen is not comparable with what comes."""
        # Sums over all time. What counts begins at `_begin`; `_marks` are the sums as they were now
        # and then since. So with `_last` for the last window.
        self._work = self._time_s = self._cycles = 0.0
        self._begin = self._last_begin = (0.0, 0.0, 0.0)
        self._marks, self._last = deque(), deque()
        self._due_s, self._settled_s = self._step_s, 0.0

    @property
    def time_s(self) -> float:
        """Seconds over which the rate is a mean."""
        return self._time_s - self._begin[1]

    @property
    def mean_per_s(self) -> float:
        """Work per second, whatever the frequencies were; 0 before anything was added."""
        passed_s = self.time_s
        return (self._work - self._begin[0]) / passed_s if passed_s > 0.0 else 0.0

    def at(self, freq_hz: float) -> float:
        """Work per second at this frequency."""
        work_before, _, cycles_before = self._begin
        if self._cycles <= cycles_before:
            return self.mean_per_s
        return (self._work - work_before) / (self._cycles - cycles_before) * freq_hz

    def _mark(self, work: float, now_s: float, cycles: float) -> _Sums:
        """Remember these sums, and let the windows begin later; what the sums are after that."""
        marks, last = self._marks, self._last
        mark = (work, now_s, cycles)
        marks.append(mark)
        last.append(mark)
        while now_s - last[0][1] >= self._window_s:
            self._last_begin = last.popleft()
        longest_s = self._longest_s if now_s >= self._settled_s else self._window_s
        while now_s - marks[0][1] >= longest_s:
            self._begin = marks.popleft()
        if now_s > COUNT_ANEW_AFTER_S:
            mark = self._count_anew()
        self._due_s = mark[1] + self._step_s
        return mark

    def _count_anew(self) -> _Sums:
        """Let the sums begin with what counts, so that they stay exact; what they are now."""
        work, time_s, cycles = self._begin
        self._settled_s -= time_s
        (self._begin, *marks), (self._last_begin, *last) = [
            [(w - work, t - time_s, c - cycles) for w, t, c in (begin, *marks)]
            for begin, marks in ((self._begin, self._marks), (self._last_begin, self._last))
        ]
        self._marks, self._last = deque(marks), deque(last)
        self._work, self._time_s, self._cycles = marks[-1]
        return marks[-1]
