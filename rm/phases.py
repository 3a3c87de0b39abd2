"""What a program's phases have been: where its speed is going when it has just begun to change.

A window across the turn of a phase mixes two speeds, and nobody knows where in it the turn was. But
phases come again: who has seen where the speed went from here, that time, takes it to go there.
"""

from collections import deque
from collections.abc import Sequence

SAME = 0.04
"""Logarithms of levels this close are one level: traffic of others moves them a little (chosen)."""

TURNS_KEPT = 12
"""Turns that are remembered, the latest first."""


class Phases:
    """Hears of one program's level, window by window, and says how far it still has to go.

    >>> phases = Phases()
    >>> [phases.hear(level) for level in (0.0, 0.0, 0.3, 0.7, 0.7, 0.2, 0.0)]
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    >>> phases.hear(0.1)
    0.6
    """

    __slots__ = ("_level", "_turning", "_turns")

    def __init__(self) -> None:
        """Nothing is known."""
        self._level: float | None = None
        self._turning = False
        self._turns: deque[tuple[float, float]] = deque(maxlen=TURNS_KEPT)

    def hear(self, log_level: float) -> float:
        """The difference between where the level is going and the one just read, 0 if unknown."""
        return self.hear_all((log_level,))

    def hear_all(self, log_levels: Sequence[float]) -> float:
        """The same after several windows, one at least."""
        level, turning = self._level, self._turning
        for log_level in log_levels:
            if level is None or -SAME < log_level - level < SAME:
                level, turning = log_level, False
            elif turning:
                self._turns.append((level, log_level))
                level, turning = log_level, False
            else:
                turning = True
        self._level, self._turning = level, turning
        return self._where_to(level, log_level) if turning and level is not None else 0.0

    def _where_to(self, level: float, log_level: float) -> float:
        """How far it is to where it went from `level` the last time, beyond what was just read."""
        change = log_level - level
        for source, target in reversed(self._turns):
            if -SAME < source - level < SAME and (target - log_level) * change > 0.0:
                return target - log_level
        return 0.0
