"""What an application's counters and heartbeats say together, over the same last window.

As `platforms.linux.applications.recent_rate` for one kind of work, and for the same reason:
heartbeats come in lumps, and work is set against the clock cycles that were offered.
"""

from collections import deque


class RecentCounts:
    """Instructions, L2D accesses and heartbeats of the last `window_s`.

    >>> counts = RecentCounts(window_s=1.0)
    >>> for _ in range(10):
    ...     counts.add(3, 2e8, 1e6, time_s=0.1, freq_hz=1e9)
    >>> round(counts.beats_per_s), counts.at(2e9)
    (30, (4000000000.0, 20000000.0))
    """

    def __init__(self, *, window_s: float) -> None:
        self._window_s = window_s - 1e-9
        self._parts: deque[tuple[int, float, float, float, float]] = deque()
        self._begin()

    def add(
        self, beats: int, instructions: float, l2d: float, time_s: float, freq_hz: float
    ) -> None:
        """So much was done in `time_s` seconds while the cores ran at `freq_hz`."""
        cycles, parts = time_s * freq_hz, self._parts
        parts.append((beats, instructions, l2d, time_s, cycles))
        self._beats += beats
        self._instructions += instructions
        self._l2d += l2d
        self._time_s += time_s
        self._cycles += cycles
        while self._time_s - parts[0][3] >= self._window_s:
            beats, instructions, l2d, time_s, cycles = parts.popleft()
            self._beats -= beats
            self._instructions -= instructions
            self._l2d -= l2d
            self._time_s -= time_s
            self._cycles -= cycles

    def clear(self) -> None:
        """Begin a new window: what was seen is not comparable with what comes."""
        self._parts.clear()
        self._begin()

    @property
    def beats_per_s(self) -> float:
        """Heartbeats/s, whatever the frequencies were; 0 before anything was added."""
        return self._beats / self._time_s if self._time_s > 0.0 else 0.0

    def at(self, freq_hz: float) -> tuple[float, float]:
        """Instructions/s and L2D accesses/s at this frequency; 0 before anything was added."""
        if self._cycles <= 0.0:
            return 0.0, 0.0
        share, instructions, l2d = freq_hz / self._cycles, self._instructions, self._l2d
        return (
            instructions * share if instructions > 0.0 else 0.0,
            l2d * share if l2d > 0.0 else 0.0,
        )

    def _begin(self) -> None:
        self._beats = 0
        self._instructions = self._l2d = self._time_s = self._cycles = 0.0
