"""Per-Entity Load Tracking (PELT): how much of the strongest core a task uses, seen over time.

Source: Documentation/scheduler/schedutil.rst @4f2c0a4acffb ("PELT", "Frequency / CPU Invariance",
"UTIL_EST") and kernel/sched/pelt.c @0b119045b79a, pelt.h and fair.c of Linux 6. A task's history is
a geometric series over periods of 1024 us, ``u_0 + u_1 y + u_2 y^2 + ...`` with ``y^32 = 1/2``,
divided by the series of ones. Utilisation is on the capacity scale: 1024 is a task that keeps the
strongest core busy at its highest frequency.

Here whole governor rounds (50 ms) are folded into the series at once where the kernel folds every
tick; within a round the running time is taken as evenly spread. Numbers are floats without the
kernel's rounding.
"""

from msgspec import Struct

CAPACITY_SCALE = 1024.0
"""The strongest core's capacity at its highest frequency (SCHED_CAPACITY_SCALE)."""

PERIOD_S = 1024e-6
"""One term of the series (pelt.c)."""

HALF_LIFE_PERIODS = 32
"""Periods after which a contribution counts half (LOAD_AVG_PERIOD): 32.8 ms."""

EST_WEIGHT = 0.25
"""Weight of the newest sample where the estimate sinks (UTIL_EST_WEIGHT_SHIFT 2)."""

EST_MARGIN = CAPACITY_SCALE / 100.0
"""An estimate this near to the sample is left as it is (UTIL_EST_MARGIN)."""


def decay(time_s: float) -> float:
    """What is left of a contribution after `time_s`.

    >>> decay(32 * 1024e-6)
    0.5
    """
    return float(0.5 ** (time_s / (HALF_LIFE_PERIODS * PERIOD_S)))


class Window(Struct, frozen=True):
    """What a task did in the last `time_s`.

    It ran for `share` of the time (0 to 1) on a core that was worth `speed` of the strongest core
    at its highest frequency (0 to 1). `idle` says whether the core had time left.
    """

    time_s: float
    share: float
    speed: float
    idle: bool


def advanced(util_avg: float, window: Window) -> float:
    """The utilisation after a window: invariant of the frequency and of the kind of core.

    A running task's clock runs at `speed` (update_rq_clock_pelt); when the core idles the clock
    catches up with the wall's, so that work of fixed size counts the same however fast it is done.
    A core that never idles catches nothing up: a task that runs all the time comes to 1024 on any
    core, the later the slower the core.
    """
    if window.idle:
        kept, target = decay(window.time_s), window.share * window.speed
    else:
        kept, target = decay(window.time_s * window.speed), window.share
    return util_avg * kept + CAPACITY_SCALE * target * (1.0 - kept)


class Utilisation(Struct, frozen=True):
    """A task's signals: the running average, and the estimate that outlives its sleep.

    `estimate` (util_est) is an average of what `average` was whenever the task went to sleep; it
    rises at once and sinks slowly (UTIL_EST_FASTUP). A task that never sleeps never updates it.
    """

    average: float
    estimate: float = 0.0

    @property
    def value(self) -> float:
        """What the scheduler reckons with (task_util_est)."""
        return max(self.average, self.estimate)

    def after(self, window: Window) -> "Utilisation":
        """The signals after a window; a task on a core with idle time slept in it."""
        average = advanced(self.average, window)
        return Utilisation(average, self._estimated(average) if window.idle else self.estimate)

    def _estimated(self, average: float) -> float:
        if self.estimate <= average:
            return average
        missing = self.estimate - average
        return self.estimate - (EST_WEIGHT * missing if missing >= EST_MARGIN else 0.0)
