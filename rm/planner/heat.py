"""How hot a board becomes, at most, when only the clusters' powers are known and not the seats.

A core of cluster x is no hotter than

    air + (self - mutual) x hottest core's power + mutual x sum of the cluster's cores
        + cross terms x sums of the other clusters' cores and accelerators + shared parts

with the largest resistances between any two cores, wherever a mapping's groups are seated. With
leakage taken at a temperature that this keeps, the field is an upper bound: leakage and heat only
grow with each other. That holds for the steady state, and for a field some time after a known one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board, Cluster, CoolingSetup
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.power import PowerModel

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reach:
    """Kelvin by power. Rows: clusters (hottest core), then accelerators.

    `base_c` (rows) is without power. `hot` (clusters) is per watt of the hottest core beside what
    `units` (rows, clusters and accelerators) says per watt of the sum of a unit, `shared` (rows)
    is per watt of the clusters' shared parts.
    """

    base_c: Floats
    hot: Floats
    units: Floats
    shared: Floats


@dataclass(frozen=True)
class Watts:
    """A cluster's powers by operating point (O,), and those of what is idle."""

    dynamic: Floats
    leakage: Floats
    shared: Floats
    idle: float
    idle_shared: float
    cores: int

    @classmethod
    def of(cls, power: PowerModel, cluster: Cluster, x: int) -> "Watts":
        """Those of the board's cluster x."""
        points = range(len(cluster.opps))
        return cls(
            np.array([power.core_dynamic_w(x, opp) for opp in points]),
            np.array([power.core_leakage_w(x, opp) for opp in points]),
            np.array([power.cluster_shared_w(x, opp) for opp in points]),
            power.idle_core_w(x),
            power.idle_shared_w(x),
            len(cluster.cores),
        )


class HeatModel:
    """A board under one cooling setup, in the steady state, or after a while (`after`).

    Where no limit says more, leakage is taken at `leak_c`; `bias_k` is added everywhere: what the
    model was seen to be off by. An accelerator without a thermal node heats nothing.
    """

    def __init__(
        self, board: Board, cooling: CoolingSetup, leak_c: float, bias_k: float = 0.0
    ) -> None:
        """The steady state."""
        self.board, self.leak_c, self.bias_k = board, leak_c, bias_k
        self.network = HeatNetwork.build(board.thermal, cooling)
        self.power = PowerModel(board)
        self.watts = [Watts.of(self.power, c, x) for x, c in enumerate(board.clusters)]
        self.warmest_c = -np.inf
        still = np.full(len(self.network.names), self.network.ambient_c)
        self.reach = self._reach(still, self.network.resistance)

    def after(self, field_c: Floats, horizon_s: float) -> "HeatModel":
        """The same, `horizon_s` after the nodes had these temperatures (degC)."""
        other = HeatModel.__new__(HeatModel)
        other.__dict__ |= self.__dict__
        network = self.network
        left, gain = network.kernel(horizon_s)
        base_c = network.temperatures(left * network.modes(field_c))
        rise = (network.rise_of_modes * gain) @ network.modes_of_power
        other.reach = self._reach(base_c, rise)
        other.warmest_c = float(field_c.max())
        return other

    def leaks(self, temp_c: float) -> float:
        """Leakage at a temperature, relative to its reference; never that of a colder field."""
        at_c = np.array(max(temp_c, self.warmest_c))
        return float(self.power.shape.value(at_c))

    def _reach(self, base_c: Floats, rise: Floats) -> Reach:
        board, names = self.board, self.network.names
        of_core = {node.core: i for i, node in enumerate(board.thermal.nodes)}
        groups = [[of_core[core] for core in cluster.cores] for cluster in board.clusters]
        for accelerator in board.accelerators:
            power = accelerator.power
            groups.append([] if power is None else [names.index(power.node)])
        units = np.array([[_largest(rise, mine, theirs) for theirs in groups] for mine in groups])
        mutual = units.diagonal().copy()
        hot = []
        for x in range(len(board.clusters)):
            own = rise[groups[x], groups[x]].max()
            hot.append(own - min(own, mutual[x]))
        shared = rise[:, names.index(board.thermal.cluster_node)]
        return Reach(
            np.array([max(base_c[nodes], default=-np.inf) for nodes in groups]) + self.bias_k,
            np.array(hot),
            units,
            np.array([max(shared[nodes], default=0.0) for nodes in groups]),
        )


def _largest(rise: Floats, mine: list[int], theirs: list[int]) -> float:
    """The largest rise of one of these nodes per watt in one of those, another where possible."""
    if not mine or not theirs:
        return 0.0
    block = rise[np.ix_(mine, theirs)]
    if mine == theirs and len(mine) > 1:
        block = block[~np.eye(len(mine), dtype=bool)]
    return float(block.max())
