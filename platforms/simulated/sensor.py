"""A temperature sensor as the board shows it: a mean of nodes, noisy, quantised, periodic."""

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board, Sensor
from platforms.platform import TemperatureReading


class SimulatedSensor:
    """Samples the field every `period_s` and shows the last sample until the next."""

    def __init__(self, board: Board, sensor: Sensor, rng: np.random.Generator) -> None:
        """`rng` draws the noise."""
        nodes = [node.name for node in board.thermal.nodes]
        self.weights = np.array([sensor.weights.get(name, 0.0) for name in nodes])
        self._sensor = sensor
        self._rng = rng
        self._value_c = 0.0
        self._sampled_s = 0.0
        self.due_s = 0.0

    def true_c(self, field_c: NDArray[np.float64]) -> float:
        """The temperature where the sensor sits, without noise or quantisation."""
        return float(self.weights @ field_c)

    def sample(self, now_s: float, true_c: float) -> float:
        """Take a sample of `true_c`; returns the value shown, degC."""
        self._value_c = self.look(true_c)
        self._sampled_s = now_s
        self.due_s = now_s + self._sensor.period_s
        return self._value_c

    def look(self, true_c: float) -> float:
        """What the hardware would tell now, degC, as noisy and quantised; shows it to nobody."""
        sensor = self._sensor
        noisy = true_c + sensor.noise_k * self._rng.standard_normal()
        steps = round((noisy - sensor.offset_c) / sensor.step_k)
        return sensor.offset_c + sensor.step_k * steps

    def reading(self, now_s: float) -> TemperatureReading:
        """The value shown now, and its age."""
        return TemperatureReading(self._sensor.name, self._value_c, now_s - self._sampled_s)
