"""A thermal network with its way to the air: nodes, heat capacities, links.

It may have nodes without a heat capacity (an edge of the spreader where the die is as wide): they
follow their neighbours at once, and elimination leaves an equivalent network without them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from platforms.simulated.heat import HeatNetwork

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

ZERO_CELSIUS_K = 273.15


@dataclass(frozen=True)
class BlockNetwork:
    """Nodes in HotSpot's order; the first `blocks` of them are the floorplan's blocks.

    `links` is symmetric, in W/K, with zeros on its diagonal; `to_air` in W/K per node.
    """

    names: tuple[str, ...]
    blocks: int
    capacity: Vector
    links: Matrix
    to_air: Vector
    ambient_k: float

    @cached_property
    def conductance(self) -> Matrix:
        """G of ``C dT/dt = P - G (T - T_ambient)``."""
        return np.diag(self.links.sum(axis=1) + self.to_air) - self.links

    def rise(self, power_w: Vector) -> Vector:
        """The steady rise over ambient (K) of every node, for the blocks' powers."""
        full = np.zeros(len(self.names))
        full[: self.blocks] = power_w
        return np.asarray(np.linalg.solve(self.conductance, full))

    @cached_property
    def massive(self) -> NDArray[np.bool_]:
        """Which nodes have a heat capacity."""
        return self.capacity > 0

    def without_massless(self) -> "BlockNetwork":
        """The equivalent network of the nodes that have a heat capacity.

        Exact, steady or not, as nothing heats the others: their heat flows in and out sum to zero
        at every time (Schur complement).
        """
        keep = self.massive
        if keep.all():
            return self
        G, out = self.conductance, ~keep
        inner = np.linalg.solve(G[np.ix_(out, out)], G[np.ix_(out, keep)])
        reduced = G[np.ix_(keep, keep)] - G[np.ix_(keep, out)] @ inner
        links = -(reduced + reduced.T) / 2
        np.fill_diagonal(links, 0.0)
        links[links < 1e-12 * links.max()] = 0.0
        to_air = self.to_air[keep] - inner.T @ self.to_air[out]
        names = tuple(name for name, kept in zip(self.names, keep, strict=True) if kept)
        return BlockNetwork(names, self.blocks, self.capacity[keep], links, to_air, self.ambient_k)

    @cached_property
    def heat(self) -> HeatNetwork:
        """The network to be stepped, in degC; without massless nodes."""
        mine = self.without_massless()
        return HeatNetwork(
            mine.names, mine.capacity, mine.conductance, self.ambient_k - ZERO_CELSIUS_K
        )
