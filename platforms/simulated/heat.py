"""The thermal network: ``C dT/dt = -G (T - T_amb) + P``, advanced exactly.

With ``S = C^(-1/2) G C^(-1/2)`` symmetric and positive definite, its eigenvectors decouple the
network into modes that decay each with its own rate. A step of constant power is then exact for any
length: it is the matrix exponential, taken in the eigenbasis.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from platforms.board import CoolingSetup, Thermal

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class HeatNetwork:
    """A thermal network under one cooling setup. Arrays are indexed by node, in the board's order.

    `conductance` is G in W/K (ambient conductance on its diagonal), `capacity` is C in J/K.
    """

    names: tuple[str, ...]
    capacity: Vector
    conductance: Matrix
    ambient_c: float

    @classmethod
    def build(cls, thermal: Thermal, cooling: CoolingSetup) -> "HeatNetwork":
        """The network of a board's thermal section under a cooling setup."""
        names = tuple(node.name for node in thermal.nodes)
        index = {name: i for i, name in enumerate(names)}
        conductance = np.zeros((len(names), len(names)))
        for link in thermal.links:
            a, b = (index[name] for name in link.between)
            conductance[[a, b], [a, b]] += link.conductance_w_per_k
            conductance[[a, b], [b, a]] -= link.conductance_w_per_k
        for node, share in thermal.shares_of_air.items():
            conductance[index[node], index[node]] += share * cooling.conductance_w_per_k
        capacity = np.array([node.capacity_j_per_k for node in thermal.nodes])
        return cls(names, capacity, conductance, cooling.ambient_c)

    @cached_property
    def _eigen(self) -> tuple[Vector, Matrix]:
        root = 1.0 / np.sqrt(self.capacity)
        symmetric: Matrix = root[:, None] * self.conductance * root[None, :]
        rates, vectors = np.linalg.eigh(symmetric)
        return rates, vectors

    @property
    def decay_rates(self) -> Vector:
        """Decay rate of each mode in 1/s, slowest first; its inverse is a time constant."""
        return self._eigen[0]

    @cached_property
    def rise_of_modes(self) -> Matrix:
        """Temperature rise over ambient (K) per unit of each mode: ``rise = rise_of_modes @ z``."""
        return self._eigen[1] / np.sqrt(self.capacity)[:, None]

    @cached_property
    def modes_of_power(self) -> Matrix:
        """Drive of each mode per watt at each node: ``dz/dt = -rates z + modes_of_power @ P``."""
        return np.ascontiguousarray((self._eigen[1] / np.sqrt(self.capacity)[:, None]).T)

    @cached_property
    def resistance(self) -> Matrix:
        """Inverse of G: steady rise in K at a node (row) per watt at another (column)."""
        return np.asarray(np.linalg.inv(self.conductance), dtype=np.float64)

    def modes(self, temp_c: Vector) -> Vector:
        """The mode amplitudes of a temperature field."""
        rise: Vector = temp_c - self.ambient_c
        amplitudes: Vector = self._eigen[1].T @ (np.sqrt(self.capacity) * rise)
        return amplitudes

    def temperatures(self, modes: Vector) -> Vector:
        """The temperature field (degC) of mode amplitudes."""
        field: Vector = self.ambient_c + self.rise_of_modes @ modes
        return field

    def kernel(self, step_s: float) -> tuple[Vector, Vector]:
        """Per mode the factor that is left after `step_s`, and the gain of a constant drive."""
        exponent = self.decay_rates * step_s
        gain: Vector = -np.expm1(-exponent) / self.decay_rates
        return np.exp(-exponent), gain

    def step(self, temp_c: Vector, power_w: Vector, step_s: float) -> Vector:
        """The field after `step_s` seconds of constant `power_w` (W per node), exactly."""
        left, gain = self.kernel(step_s)
        return self.temperatures(left * self.modes(temp_c) + gain * (self.modes_of_power @ power_w))

    def steady(self, power_w: Vector) -> Vector:
        """The field that constant `power_w` (W per node) settles at."""
        field: Vector = self.ambient_c + self.resistance @ power_w
        return field
