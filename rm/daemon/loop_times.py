"""How long rounds take: least, mean, most and spread, kept without keeping the rounds."""

import math

from rm.daemon.status import LoopTimes


class RunningTimes:
    """Welford's running mean and variance of durations, seconds.

    Durations are put into `new`, and taken into account by `take_in` now and then.
    """

    __slots__ = ("_count", "_least_s", "_mean_s", "_most_s", "_squares", "new")

    def __init__(self) -> None:
        self.new: list[float] = []
        self._count = 0
        self._mean_s = 0.0
        self._squares = 0.0
        self._least_s = math.inf
        self._most_s = 0.0

    def take_in(self) -> None:
        """Account for what is `new`.

        >>> times = RunningTimes()
        >>> times.new += (1.0, 2.0, 3.0)
        >>> shown = times.summary(missed_rounds=0)
        >>> shown.least_s, shown.mean_s, shown.most_s, shown.sd_s
        (1.0, 2.0, 3.0, 1.0)
        """
        for duration_s in self.new:
            self._count += 1
            step_s = duration_s - self._mean_s
            self._mean_s += step_s / self._count
            self._squares += step_s * (duration_s - self._mean_s)
            self._least_s = min(self._least_s, duration_s)
            self._most_s = max(self._most_s, duration_s)
        self.new.clear()

    def summary(self, *, missed_rounds: int) -> LoopTimes:
        """What the status shows; zeros before the first round."""
        self.take_in()
        count = self._count
        return LoopTimes(
            rounds=count,
            missed_rounds=missed_rounds,
            least_s=self._least_s if count else 0.0,
            mean_s=self._mean_s,
            most_s=self._most_s,
            sd_s=math.sqrt(self._squares / (count - 1)) if count > 1 else 0.0,
        )
