"""What an application's counters and heartbeats say together, over the same last window.

As `platforms.linux.applications.recent_rate` for one kind of work, and for the same reason:
heartbeats come in lumps, and work is set against the clock cycles that were offered.
"""

from collections import deque

from platforms.linux.applications.recent_rate import PARTS

COUNT_ANEW_AFTER_S = 1000.0
"""Sums begin anew after so long, before what is added gets lost in them."""

_Sums = tuple[int, float, float, float, float]
"""Heartbeats, instructions, L2D accesses, seconds, clock cycles."""


class RecentCounts:
    """Instructions, L2D accesses and heartbeats of the last `window_s`, or two `PARTS` more.

    >>> counts = RecentCounts(window_s=1.0)
    >>> for _ in range(10):
    ...     _ = counts.add(3, 2e8, 1e6, time_s=0.1, freq_hz=1e9)
    >>> round(counts.beats_per_s), counts.at(2e9)
    (30, (4000000000.0, 20000000.0))
    """

    __slots__ = (
        "_beats",
        "_begin",
        "_cycles",
        "_due_s",
        "_instructions",
        "_l2d",
        "_marks",
        "_step_s",
        "_time_s",
        "_window_s",
    )

    def __init__(self, *, window_s: float) -> None:
        self._window_s = window_s - 1e-9
        self._step_s = window_s / PARTS - 1e-9
        self._beats: int
        self._instructions: float
        self._l2d: float
        self._time_s: float
        self._cycles: float
        self._begin: _Sums
        self._marks: deque[_Sums]
        self._due_s: float
        self.clear()

    def add(
        self, beats: int, instructions: float, l2d: float, time_s: float, freq_hz: float
    ) -> tuple[float, float]:
        """So much was done in `time_s` seconds while the cores ran at `freq_hz`.

        Returns the rates at that frequency, as `at` does.
        """
        self._beats += beats
        self._instructions = instructions = self._instructions + instructions
        self._l2d = l2d = self._l2d + l2d
        self._time_s = now_s = self._time_s + time_s
        self._cycles = cycles = self._cycles + time_s * freq_hz
        if now_s >= self._due_s:
            self._mark()
            return self.at(freq_hz)
        _, instructions_before, l2d_before, _, cycles_before = self._begin
        if cycles <= cycles_before:
            return 0.0, 0.0
        share = freq_hz / (cycles - cycles_before)
        return (instructions - instructions_before) * share, (l2d - l2d_before) * share

    def clear(self) -> None:
        """Begin a new window: what was seen is not comparable with what comes."""
        # Sums over all time. The window begins at `_begin`; `_marks` are the sums as they were now
        # and then since.
        self._beats = 0
        self._instructions = self._l2d = self._time_s = self._cycles = 0.0
        self._begin = (0, 0.0, 0.0, 0.0, 0.0)
        self._marks = deque()
        self._due_s = self._step_s

    @property
    def beats_per_s(self) -> float:
        """Heartbeats/s, whatever the frequencies were; 0 before anything was added."""
        beats, _, _, time_s, _ = self._begin
        passed_s = self._time_s - time_s
        return (self._beats - beats) / passed_s if passed_s > 0.0 else 0.0

    def at(self, freq_hz: float) -> tuple[float, float]:
        """Instructions/s and L2D accesses/s at this frequency; 0 before anything was added."""
        _, instructions, l2d, _, cycles = self._begin
        passed = self._cycles - cycles
        if passed <= 0.0:
            return 0.0, 0.0
        share = freq_hz / passed
        return (self._instructions - instructions) * share, (self._l2d - l2d) * share

    def _mark(self) -> None:
        """Remember the sums as they are, and let the window begin later."""
        marks, now_s = self._marks, self._time_s
        marks.append((self._beats, self._instructions, self._l2d, now_s, self._cycles))
        while now_s - marks[0][3] >= self._window_s:
            self._begin = marks.popleft()
        if now_s > COUNT_ANEW_AFTER_S:
            self._count_anew()
        self._due_s = self._time_s + self._step_s

    def _count_anew(self) -> None:
        """Let the sums begin with the window, so that they stay exact."""
        beats, instructions, l2d, time_s, cycles = self._begin
        self._begin, *marks = [
            (b - beats, i - instructions, a - l2d, t - time_s, c - cycles)
            for b, i, a, t, c in (self._begin, *self._marks)
        ]
        self._marks = deque(marks)
        self._beats, self._instructions, self._l2d, self._time_s, self._cycles = marks[-1]
