"""How long rounds take: least, mean, most and spread, kept without keeping the rounds."""

import math

from rm.daemon.status import LoopTimes


class RunningTimes:
    """Welford's running mean and variance of durations, seconds."""

    __slots__ = ("_least_s", "_mean_s", "_most_s", "_squares", "count")

    def __init__(self) -> None:
        self.count = 0
        self._mean_s = 0.0
        self._squares = 0.0
        self._least_s = math.inf
        self._most_s = 0.0

    def add(self, duration_s: float) -> None:
        """Another round.

        >>> times = RunningTimes()
        >>> for duration_s in (1.0, 2.0, 3.0): times.add(duration_s)
        >>> shown = times.summary(missed_rounds=0)
        >>> shown.least_s, shown.mean_s, shown.most_s, shown.sd_s
        (1.0, 2.0, 3.0, 1.0)
        """
        self.count += 1
        step_s = duration_s - self._mean_s
        self._mean_s += step_s / self.count
        self._squares += step_s * (duration_s - self._mean_s)
        if duration_s < self._least_s:
            self._least_s = duration_s
        if duration_s > self._most_s:
            self._most_s = duration_s

    def summary(self, *, missed_rounds: int) -> LoopTimes:
        """What the status shows; zeros before the first round."""
        return LoopTimes(
            rounds=self.count,
            missed_rounds=missed_rounds,
            least_s=self._least_s if self.count else 0.0,
            mean_s=self._mean_s,
            most_s=self._most_s,
            sd_s=math.sqrt(self._squares / (self.count - 1)) if self.count > 1 else 0.0,
        )
