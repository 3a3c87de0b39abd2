"""A network's temperatures under a power trace: exact steps, and steady states."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from platforms.errors import ThermalLimit
from platforms.floorplan.block_network import BlockNetwork

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

_LEAK_W_PER_M2, _LEAK_PER_K, _LEAK_AT_K = 1.5e4, 0.036, 383.15
_MOST_ROUNDS, _SETTLED_K, _RUNAWAY_K = 1000, 1e-6, 1000.0


class Stepper:
    """Steps a network by `step_s` of constant block powers; exact for any step length.

    It holds the amplitudes of the network's modes: a step multiplies each by what is left of it
    and adds what the powers drove.
    """

    def __init__(self, network: BlockNetwork, step_s: float, start_k: Vector) -> None:
        """`start_k` are the temperatures of all nodes of `network` at the start."""
        heat, n = network.heat, network.blocks
        self._ambient_k = network.ambient_k
        self._left, gain = heat.kernel(step_s)
        rise = heat.rise_of_modes[:n]
        self._drive = np.ascontiguousarray(rise * gain)
        self._rise = np.ascontiguousarray(rise.T)
        start_c = start_k[network.massive] - network.ambient_k + heat.ambient_c
        self._modes = heat.modes(start_c)

    def advance(self, power_w: Matrix) -> Matrix:
        """The blocks' temperatures (K) at the end of each step, for a row of powers per step."""
        modes: Matrix = power_w @ self._drive
        current, left = self._modes, self._left
        for row in modes:
            np.add(row, left * current, out=row)
            current = row
        self._modes = current.copy()
        temp_k: Matrix = modes @ self._rise
        temp_k += self._ambient_k
        return temp_k

    def over(self, batches: Iterable[Matrix]) -> Iterator[Matrix]:
        """`advance` for one batch of rows after another."""
        for power_w in batches:
            yield self.advance(power_w)


def steady_k(network: BlockNetwork, power_w: Vector, leaking_m2: Vector | None = None) -> Vector:
    """The steady temperatures (K) of all nodes; with `leaking_m2`, areas that leak as in HotSpot.

    HotSpot's leakage is 15 kW/m2 at 383.15 K and grows by 3.6 % per kelvin. Raises ThermalLimit
    where it grows faster than the package can cool.
    """
    rise = network.rise(power_w)
    if leaking_m2 is None:
        return network.ambient_k + rise
    n = network.blocks
    for _ in range(_MOST_ROUNDS):
        hot_k = network.ambient_k + rise[:n]
        if hot_k.max() > _RUNAWAY_K:
            break
        leaked = _LEAK_W_PER_M2 * leaking_m2 * np.exp(_LEAK_PER_K * (hot_k - _LEAK_AT_K))
        previous, rise = rise, network.rise(power_w + leaked)
        if np.abs(rise - previous).max() < _SETTLED_K:
            return network.ambient_k + rise
    raise ThermalLimit("thermal runaway: with HotSpot's leakage no steady state exists")


def clipped_k(start_k: Vector, network: BlockNetwork, highest_k: float) -> Vector:
    """A start scaled towards the ambient until no block is above `highest_k` (HotSpot's DTM)."""
    hottest = float(start_k[: network.blocks].max())
    if hottest <= highest_k:
        return start_k
    factor = (highest_k - network.ambient_k) / (hottest - network.ambient_k)
    return network.ambient_k + factor * (start_k - network.ambient_k)
