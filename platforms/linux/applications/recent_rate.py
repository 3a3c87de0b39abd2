"""The rate of something that comes in lumps, heartbeats above all, at the present frequency.

Over one DVFS period there may be one heartbeat or none. Over a longer window there are enough, but
then the rate would lag behind the frequency, and who scales the frequency by the rate would
overshoot. So work is set against the clock cycles that the application's cores offered in the
window, and the rate is work per cycle times the frequency now: right at once for what is bound by
computing, after a window for all else.
"""

from collections import deque

LEAST_WINDOW_S = 0.2
MOST_WINDOW_S = 30.0
LUMPS = 10
"""A window has room for so many heartbeats at the target: one more or less is a tenth."""


def window_for(target_per_s: float) -> float:
    """Seconds over which to look at something that is to come `target_per_s` times a second.

    >>> window_for(20.0), window_for(1000.0), window_for(0.1)
    (0.5, 0.2, 30.0)
    """
    return min(max(LUMPS / target_per_s, LEAST_WINDOW_S), MOST_WINDOW_S)


class RecentRate:
    """Work per second over the last `window_s`.

    >>> rate = RecentRate(window_s=1.0)
    >>> for _ in range(10):
    ...     rate.add(work=3.0, time_s=0.1, freq_hz=1e9)
    >>> round(rate.mean_per_s), round(rate.at(1e9)), round(rate.at(2e9))
    (30, 30, 60)
    """

    def __init__(self, *, window_s: float) -> None:
        self._window_s = window_s - 1e-9
        self._parts: deque[tuple[float, float, float]] = deque()
        self._work = self._time_s = self._cycles = 0.0

    def add(self, work: float, time_s: float, freq_hz: float) -> None:
        """`work` was done in `time_s` seconds while the application's cores ran at `freq_hz`."""
        cycles, parts = time_s * freq_hz, self._parts
        parts.append((work, time_s, cycles))
        self._work += work
        self._time_s += time_s
        self._cycles += cycles
        while self._time_s - parts[0][1] >= self._window_s:
            old_work, old_time_s, old_cycles = parts.popleft()
            self._work -= old_work
            self._time_s -= old_time_s
            self._cycles -= old_cycles

    def clear(self) -> None:
        """Begin a new window: what was seen is not comparable with what comes."""
        self._parts.clear()
        self._work = self._time_s = self._cycles = 0.0

    @property
    def time_s(self) -> float:
        """Seconds that the window holds so far."""
        return self._time_s

    @property
    def mean_per_s(self) -> float:
        """Work per second, whatever the frequencies were; 0 before anything was added."""
        return max(0.0, self._work) / self._time_s if self._time_s > 0.0 else 0.0

    def at(self, freq_hz: float) -> float:
        """Work per second at this frequency."""
        if self._cycles <= 0.0:
            return self.mean_per_s
        return self._work / self._cycles * freq_hz if self._work > 0.0 else 0.0
