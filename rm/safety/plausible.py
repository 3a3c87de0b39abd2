"""Which readings a working sensor of a running board can give at all."""

from platforms.board import Sensor

LOWEST_C, HIGHEST_C = -30.0, 130.0
"""Boards are specified from -25 degC or warmer, silicon is shut down at 105 ... 125 degC. Sensors
that fail show what lies outside: -40, -73.7, 0x7fff steps, or a raw counter."""


def is_plausible(temp_c: float) -> bool:
    """Whether it is a temperature that a running board can have; NaN is none.

    >>> is_plausible(85.0), is_plausible(float("nan")), is_plausible(-73.72)
    (True, False, False)
    """
    return LOWEST_C <= temp_c <= HIGHEST_C


STALE_AFTER_S = 5.0
"""A reading older than this tells nothing: a die's time constant is about 3 s."""


def stale_limit_s(sensor: Sensor, stale_after_s: float = STALE_AFTER_S) -> float:
    """The age from which a sensor's reading is stale: two refreshes at least, if it is slow."""
    return max(stale_after_s, 2.0 * sensor.period_s)
