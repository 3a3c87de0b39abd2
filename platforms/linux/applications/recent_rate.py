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
"""Where a window may begin: totals are remembered so many times in the last one. More would let it
be shorter by a part and cost twice as much in every round."""

_Totals = tuple[float, float, float]
"""Work, seconds, clock cycles: since any time, but all since the same."""


def window_for(target_per_s: float) -> float:
    """Seconds over which to look at something that is to come `target_per_s` times a second.

    >>> window_for(20.0), window_for(1000.0), window_for(0.1)
    (0.5, 0.2, 30.0)
    """
    return min(max(LUMPS / target_per_s, LEAST_WINDOW_S), MOST_WINDOW_S)


class RecentRate:
    """Work per second, at a steady rate over `WINDOWS` times `window_s`, else over the last one.

    It is told totals, which somebody else adds up, and remembers them as they were now and then. A
    window is up to two of its `PARTS` longer than that. What counts begins at `begin_s`.

    >>> rate = RecentRate(window_s=1.0)
    >>> rate.begin(0.0, 0.0, 0.0)
    >>> round(rate.at(30.0, time_s=1.0, cycles=1e9, freq_hz=2e9))
    60
    """

    __slots__ = (
        "_begin_cycles",
        "_begin_work",
        "_due_s",
        "_last_begin_cycles",
        "_last_begin_s",
        "_last_begin_work",
        "_last_count",
        "_longest_s",
        "_marks",
        "_settled_s",
        "_step_s",
        "_window_s",
        "begin_s",
    )

    def __init__(self, *, window_s: float) -> None:
        self._window_s = window_s - 1e-9
        self._longest_s = max(window_s, min(WINDOWS * window_s, MOST_WINDOW_S)) - 1e-9
        self._step_s = window_s / PARTS - 1e-9
        # What counts has a begin, and so has its last window; `_marks` are the totals as they were
        # since the former, `_last_count` of them since the latter.
        self._marks: deque[_Totals]
        self.begin(0.0, 0.0, 0.0)

    def begin(self, work: float, time_s: float, cycles: float) -> None:
        """Begin a new window at these totals: what was before is not comparable with what comes."""
        self._begin_work = self._last_begin_work = work
        self.begin_s = self._last_begin_s = time_s
        self._begin_cycles = self._last_begin_cycles = cycles
        self._marks, self._last_count = deque(), 0
        self._due_s, self._settled_s = time_s + self._step_s, time_s

    def at(self, work: float, time_s: float, cycles: float, freq_hz: float) -> float:
        """Work per second at this frequency, the totals being these by now; 0 before any time."""
        if time_s >= self._due_s:
            self._mark(work, time_s, cycles)
        passed = cycles - self._begin_cycles
        if passed <= 0.0:
            return self.mean_per_s(work, time_s)
        per_cycle = (work - self._begin_work) / passed
        passed, done = cycles - self._last_begin_cycles, work - self._last_begin_work
        if -UNLIKE <= done - per_cycle * passed <= UNLIKE:
            return per_cycle * freq_hz
        self._forget_all_but_the_last(time_s)
        return done / passed * freq_hz if passed > 0.0 else self.mean_per_s(work, time_s)

    def mean_per_s(self, work: float, time_s: float) -> float:
        """Work per second, whatever the frequencies were; 0 before any time."""
        passed_s = time_s - self.begin_s
        return (work - self._begin_work) / passed_s if passed_s > 0.0 else 0.0

    def _mark(self, work: float, time_s: float, cycles: float) -> None:
        """Remember these totals, and let the windows begin later."""
        marks, count, window_s = self._marks, self._last_count + 1, self._window_s
        marks.append((work, time_s, cycles))
        while time_s - (mark := marks[-count])[1] >= window_s:
            self._last_begin_work, self._last_begin_s, self._last_begin_cycles = mark
            count -= 1
        self._last_count = count
        longest_s = self._longest_s if time_s >= self._settled_s else window_s
        while time_s - marks[0][1] >= longest_s:
            self._begin_work, self.begin_s, self._begin_cycles = marks.popleft()
        self._due_s = time_s + self._step_s

    def _forget_all_but_the_last(self, now_s: float) -> None:
        """Let what counts be the last window; for another one that is not to grow."""
        self._begin_work, self.begin_s = self._last_begin_work, self._last_begin_s
        self._begin_cycles = self._last_begin_cycles
        while len(self._marks) > self._last_count:
            self._marks.popleft()
        self._settled_s = now_s + self._window_s
