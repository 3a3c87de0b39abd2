"""How much work is in a heartbeat: a running median, so that one odd stretch changes nothing."""

from collections import deque
from statistics import median

KEPT = 15
"""Stretches that the median goes over."""


class WorkPerHeartbeat:
    """Work per heartbeat over stretches of at least `least_s` seconds, from beat to beat.

    `value` is None until the first stretch is complete.
    """

    def __init__(self, *, least_s: float = 0.25) -> None:
        self._least_s = least_s
        self._last: int | None = None
        self._begin: int | None = None
        self._work = self._time_s = 0.0
        self._samples: deque[float] = deque(maxlen=KEPT)
        self.value: float | None = None

    def add(self, beats: int, work: float, time_s: float) -> None:
        """`work` was done in `time_s` seconds, after which `beats` heartbeats had come in all.

        What was done before the first heartbeat is not counted.
        """
        self._work += work
        self._time_s = passed_s = self._time_s + time_s
        begin, last, self._last = self._begin, self._last, beats
        if begin is not None and beats > begin:
            if passed_s < self._least_s or beats == last or self._work <= 0.0:
                return  # as mostly
            self._samples.append(self._work / (beats - begin))
            self.value = median(self._samples)
        elif last is None or beats == last:
            return
        self._begin = beats
        self._work = self._time_s = 0.0
