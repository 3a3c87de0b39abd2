"""Where many mappings of one situation settle: the board's models, vectorised.

`oracle.whatif` does the same for one mapping exactly; this one takes every group on the core of its
number and goes round the feedback of leakage a fixed number of times.
"""

import numpy as np
from numpy.typing import NDArray

from oracle.whatif import WhatIf
from rm.mapping.packing import Mappings
from rm.mapping.rows import Described

FEEDBACKS = 12
"""Times that leakage follows the temperature that it makes."""

HIGHEST_C = 200.0
"""As hot as anything is said to get; thermal runaway ends here."""

Floats = NDArray[np.float64]


class SteadyHeats:
    """The models of one board under one cooling setup."""

    def __init__(self, models: WhatIf) -> None:
        """Look their tables up once."""
        self._models = models
        power = models.power
        self._points = [
            np.array(
                [
                    (
                        power.core_dynamic_w(x, opp),
                        power.core_leakage_w(x, opp),
                        power.cluster_shared_w(x, opp),
                    )
                    for opp in range(len(cluster.opps))
                ]
            )
            for x, cluster in enumerate(models.board.clusters)
        ]

    def __call__(self, mappings: Mappings, described: Described, activity: Floats) -> Floats:
        """The hottest core (R,) in degC, of applications with these activities (K,)."""
        dynamic_w, leakage_w = self._power(mappings, described, activity)
        network, power = self._models.network, self._models.power
        resistance = network.resistance[:, power.core_nodes].T
        base_c = network.ambient_c + dynamic_w @ resistance.T
        among = resistance[:, power.core_nodes].T
        temp_c = base_c
        for _ in range(FEEDBACKS):
            temp_c = np.minimum(base_c + (leakage_w * power.shape.value(temp_c)) @ among, HIGHEST_C)
        hottest: Floats = temp_c.max(axis=1)
        return hottest

    def _power(
        self, mappings: Mappings, described: Described, activity: Floats
    ) -> tuple[Floats, Floats]:
        """Power without leakage per node (R, N), leakage at reference per core (R, C)."""
        power, board = self._models.power, self._models.board
        dynamic_w = np.zeros((len(mappings), len(self._models.network.names)))
        leakage_w = np.zeros((len(mappings), board.core_count))
        for x, cluster in enumerate(board.clusters):
            member = mappings.cluster == x
            used = member.any(axis=1)
            core_w, leak_w, shared_w = self._points[x][described.opp_index[:, x]].T
            floor = cluster.activity_floor
            active = activity * (floor * described.share + (1.0 - floor) * described.computing)
            idle_w, idle_shared_w = power.idle_core_w(x), power.idle_shared_w(x)
            for group, core in enumerate(cluster.cores):
                here = member & (mappings.group == group)
                awake = here.any(axis=1)
                busy_w = core_w * (active * here).sum(axis=1)
                dynamic_w[:, power.core_nodes[core]] += np.where(awake, busy_w, idle_w)
                leakage_w[:, core] = np.where(awake, leak_w, 0.0)
            dynamic_w[:, power.cluster_node] += np.where(used, shared_w, idle_shared_w)
        return dynamic_w, leakage_w
