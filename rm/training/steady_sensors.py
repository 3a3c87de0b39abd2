"""What the sensors show without their noise, and without waiting where they show alarm."""

import math
from collections import deque

from platforms.platform import Observation
from rm.safety.plausible import is_plausible

READINGS = 4
"""The mean goes over so many: half of one reading's noise, a few seconds late at most."""

ALARM_K = 2.0
"""A reading so far above the mean counts as it is: four times the noise of the shipped boards'
sensors."""


class SteadySensors:
    """Listens to every observation."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._readings: dict[str, deque[tuple[float, float]]] = {}

    @property
    def hottest_c(self) -> float:
        """The hottest sensor's temperature, degC; before the first reading as cold as can be."""
        return max(map(_steady_c, self._readings.values()), default=-math.inf)

    def hear(self, observation: Observation) -> None:
        """Take in a round; a sensor shows a reading until the next one."""
        for reading in observation.temperatures:
            if not is_plausible(reading.temp_c):
                continue
            taken_s = observation.time_s - reading.age_s
            kept = self._readings.get(reading.sensor)
            if kept is None:
                kept = self._readings[reading.sensor] = deque(maxlen=READINGS)
            if not kept or taken_s > kept[-1][0] + 1e-6:
                kept.append((taken_s, reading.temp_c))


def _steady_c(kept: deque[tuple[float, float]]) -> float:
    last_c = kept[-1][1]
    mean_c = sum(temp_c for _, temp_c in kept) / len(kept)
    return last_c if last_c > mean_c + ALARM_K else mean_c
