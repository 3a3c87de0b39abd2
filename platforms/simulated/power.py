"""Power: ``activity * dynamic + leakage(V, T)`` per core, and the clusters' shared part.

The board's busy power is that of a core at activity 1 and at the leakage's reference temperature;
its leakage share ``S V^3`` is what moves with temperature. Idle cores sleep where their cluster has
a sleep state (power-gated, 0 W in the EAS tables): at the periods that the governor looks at, an
idle core has long passed its sleep state's minimum residency. A cluster without a busy core sleeps
as well. Where a cluster has no sleep state its idle cores take their WFI power, and the cluster its
idle power while none of its cores is busy; both as they stand in the board file, at every
temperature and operating point.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board, Cluster, Leakage

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class LeakageShape:
    """Leakage relative to its value at the reference temperature, as a function of degC."""

    c0: float
    c1: float
    c2: float
    c3: float
    lowest: float
    highest: float

    @classmethod
    def build(cls, leakage: Leakage) -> "LeakageShape":
        """The shape of a board's leakage section, normalised at `ref_temp_c`."""
        c0, c1, c2, c3 = leakage.coefficients
        t = leakage.ref_temp_c
        at_ref = c0 + t * (c1 + t * (c2 + t * c3))
        low, high = leakage.lowest / at_ref, leakage.highest / at_ref
        return cls(c0 / at_ref, c1 / at_ref, c2 / at_ref, c3 / at_ref, low, high)

    def above(self, temp_c: float) -> "LeakageShape":
        """The same shape as a function of the kelvin above `temp_c`."""
        c0 = self.c0 + temp_c * (self.c1 + temp_c * (self.c2 + temp_c * self.c3))
        c1 = self.c1 + temp_c * (2 * self.c2 + temp_c * 3 * self.c3)
        c2 = self.c2 + temp_c * 3 * self.c3
        return LeakageShape(c0, c1, c2, self.c3, self.lowest, self.highest)

    def value(self, temp_c: Vector) -> Vector:
        """The factor on the reference leakage."""
        raw = self.c0 + temp_c * (self.c1 + temp_c * (self.c2 + temp_c * self.c3))
        clipped: Vector = np.minimum(np.maximum(raw, self.lowest), self.highest)
        return clipped

    def slope(self, temp_c: Vector) -> Vector:
        """Derivative of `value` by temperature, 1/K (0 where clamped)."""
        raw = self.c0 + temp_c * (self.c1 + temp_c * (self.c2 + temp_c * self.c3))
        inside = (raw > self.lowest) & (raw < self.highest)
        slope: Vector = inside * (self.c1 + temp_c * (2 * self.c2 + temp_c * 3 * self.c3))
        return slope


def busy_activity(cluster: Cluster, activity: float, busy_share: float) -> float:
    """Activity of a core that does not stall for `busy_share` of its time.

    The cluster's `activity_floor` is what a core that only waits for memory still switches.
    """
    return activity * (cluster.activity_floor + (1.0 - cluster.activity_floor) * busy_share)


@dataclass(frozen=True)
class Load:
    """What the cores do: power without leakage per node (W), leakage at reference per core (W)."""

    dynamic_w: Vector
    leakage_w: Vector


class PowerModel:
    """Turns operating points and activities into power per thermal node.

    `core_nodes` is the node of every core, `cluster_node` that of the clusters' shared parts.
    """

    def __init__(self, board: Board) -> None:
        """Look the board's tables up once."""
        names = [node.name for node in board.thermal.nodes]
        self._node_count = len(names)
        self.cluster_node = names.index(board.thermal.cluster_node)
        nodes = {node.core: i for i, node in enumerate(board.thermal.nodes)}
        self.core_nodes = np.array([nodes[core] for core in range(board.core_count)])
        self.shape = LeakageShape.build(board.leakage)
        self._owner = board.cluster_of_core
        self._dynamic_w: list[list[float]] = []
        self._leakage_w: list[list[float]] = []
        self._shared_w = [[opp.cluster_busy_w for opp in c.opps] for c in board.clusters]
        self._idle_w = [0.0 if c.idle_states else c.core_wfi_w for c in board.clusters]
        self._idle_shared_w = [0.0 if c.idle_states else c.cluster_idle_w for c in board.clusters]
        for cluster in board.clusters:
            leak = [cluster.leakage_w_per_v3 * opp.volt_v**3 for opp in cluster.opps]
            self._leakage_w.append(leak)
            busy = zip(cluster.opps, leak, strict=True)
            self._dynamic_w.append([opp.core_busy_w - at_ref for opp, at_ref in busy])

    def core_dynamic_w(self, cluster: int, opp: int) -> float:
        """Dynamic power of one core at activity 1."""
        return self._dynamic_w[cluster][opp]

    def core_leakage_w(self, cluster: int, opp: int) -> float:
        """Leakage of one powered core at the reference temperature."""
        return self._leakage_w[cluster][opp]

    def cluster_shared_w(self, cluster: int, opp: int) -> float:
        """The shared part of a cluster with at least one busy core."""
        return self._shared_w[cluster][opp]

    def idle_core_w(self, cluster: int) -> float:
        """What an idle core takes."""
        return self._idle_w[cluster]

    def idle_shared_w(self, cluster: int) -> float:
        """The shared part of a cluster without a busy core."""
        return self._idle_shared_w[cluster]

    def load(
        self,
        opp_index: Sequence[int],
        core_activity: Sequence[float | None],
        core_busy: Sequence[float] | None = None,
    ) -> Load:
        """Power of cores with these activities (None: idle) at these operating points.

        A core that is busy for a share of the time only (`core_busy`) sleeps for the rest, and so
        does its cluster when no other core is busier.
        """
        dynamic = np.zeros(self._node_count)
        leakage = np.zeros(len(self.core_nodes))
        awake = [0.0] * len(self._idle_shared_w)
        for core, activity in enumerate(core_activity):
            cluster, busy = self._owner[core], 0.0
            if activity is not None:
                busy = core_busy[core] if core_busy else 1.0
                opp = opp_index[cluster]
                if busy > awake[cluster]:
                    awake[cluster] = busy
                dynamic[self.core_nodes[core]] += activity * self._dynamic_w[cluster][opp]
                leakage[core] = busy * self._leakage_w[cluster][opp]
            if busy < 1.0 and self._idle_w[cluster] > 0.0:
                dynamic[self.core_nodes[core]] += (1.0 - busy) * self._idle_w[cluster]
        shared_w = 0.0
        for cluster, busy in enumerate(awake):
            shared_w += busy * self._shared_w[cluster][opp_index[cluster]]
            shared_w += (1.0 - busy) * self._idle_shared_w[cluster]
        dynamic[self.cluster_node] += shared_w
        return Load(dynamic, leakage)
