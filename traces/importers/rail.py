"""Voltage, current and power of a rail that are given together: checked against each other."""

import numpy as np

from traces.importers.chunks import Chunk
from traces.importers.quantities import CURRENT_A, RAIL_W, VOLT_V

_FEWEST_A = 0.05
"""Below this current a sensor's rounding is larger than what it shows."""
_MOST_OFF = 1.4
"""Power is voltage times current within this factor: the voltage is cut to 0.1 V there."""


def rail(chunk: Chunk, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The rail's voltage, as power over current (NaN where that says nothing), and its power."""
    volt_v = chunk.number(f"{name} Voltage(V)", VOLT_V)
    current_a = chunk.number(f"{name} Current(A)", CURRENT_A)
    power_w = chunk.number(f"{name} Power(W)", RAIL_W)
    tells = current_a >= _FEWEST_A
    product_w = volt_v * np.where(tells, current_a, 1.0)
    ratio = np.where(tells, power_w, product_w) / product_w
    chunk.require(
        (ratio <= _MOST_OFF) & (ratio >= 1 / _MOST_OFF),
        f"{name} Power(W)",
        lambda row: (
            f"must be voltage times current, {product_w[row]:.3g} W, within a factor of "
            f"{_MOST_OFF} (got {power_w[row]:.6g}); is one of them in another unit?"
        ),
    )
    return np.where(tells, power_w / np.where(tells, current_a, 1.0), np.nan), power_w
