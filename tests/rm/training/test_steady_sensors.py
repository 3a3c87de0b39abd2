"""Tests of the sensors' mean: noise goes, alarm stays."""

import pytest

from platforms.platform import Observation, TemperatureReading
from rm.training.steady_sensors import READINGS, SteadySensors


def shown(time_s: float, *temps_c: float, age_s: float = 0.0) -> Observation:
    """A round in which sensors a, b, ... show this."""
    readings = tuple(
        TemperatureReading(chr(97 + at), temp_c, age_s) for at, temp_c in enumerate(temps_c)
    )
    return Observation(time_s, 0.05, (), (0, 0), (6, 8), (0.0,) * 8, readings)


def test_the_mean_goes_over_the_last_readings() -> None:
    """Older ones are forgotten."""
    sensors = SteadySensors()
    for number in range(10):
        sensors.hear(shown(float(number), 40.0 + 0.1 * number))
    last = [40.0 + 0.1 * number for number in range(10)][-READINGS:]
    assert pytest.approx(sum(last) / READINGS) == sensors.hottest_c


def test_a_reading_that_is_shown_for_long_counts_once() -> None:
    """Rounds come twenty times as often as readings."""
    sensors = SteadySensors()
    sensors.hear(shown(1.0, 40.0))
    for number in range(20):
        sensors.hear(shown(2.0 + 0.05 * number, 41.0, age_s=0.05 * number))
    assert pytest.approx(40.5) == sensors.hottest_c


def test_a_leap_upwards_counts_at_once() -> None:
    """A board that burns is not averaged away."""
    sensors = SteadySensors()
    for number in range(4):
        sensors.hear(shown(float(number), 40.0))
    sensors.hear(shown(4.0, 50.0))
    assert 50.0 == sensors.hottest_c


def test_the_hottest_sensor_counts_and_broken_ones_do_not() -> None:
    """Not a number is no temperature; nor is a thousand degrees."""
    sensors = SteadySensors()
    sensors.hear(shown(1.0, 40.0, 44.0, float("nan"), 1000.0))
    assert 44.0 == sensors.hottest_c
