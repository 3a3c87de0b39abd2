"""Where a board settles when leakage feeds on the heat it makes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.board import RUNAWAY_C
from platforms.errors import ThermalLimit
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.power import LeakageShape, Load

Vector = NDArray[np.float64]


class ThermalRunaway(ThermalLimit):
    """Leakage grows faster than the cooling can carry it away."""

    def __init__(self, node: str, temp_c: float, time_s: float | None = None) -> None:
        """`time_s` is None when no time passed: the steady state does not exist."""
        self.node, self.temp_c, self.time_s = node, temp_c, time_s
        when = "no steady state exists" if time_s is None else f"at {time_s:.1f} s"
        super().__init__(f"thermal runaway: {node} passes {RUNAWAY_C:.0f} degC ({when})")


@dataclass(frozen=True)
class Equilibrium:
    """A steady state: temperature (degC) and total power (W) per node."""

    temp_c: Vector
    power_w: Vector


def settle(
    network: HeatNetwork, load: Load, shape: LeakageShape, core_nodes: NDArray[np.int64]
) -> Equilibrium:
    """The lowest steady state, leakage solved to convergence (1e-9 K) by Newton's method.

    It starts from the field without leakage, which lies below every solution because leakage rises
    with temperature (`board_file` refuses other curves). Where the curve is convex as well, the
    shipped ones from 16.7 degC on, Newton climbs to the first solution and passes it never. On a
    concave stretch it may pass it and comes back; that it is the lowest one is then not proven,
    but so cold the feedback is far below 1 and there is no other one near. Raises ThermalRunaway
    where there is none below `RUNAWAY_C`.
    """
    resistance = network.resistance
    core_resistance = resistance[np.ix_(core_nodes, core_nodes)]
    base_c = (network.ambient_c + resistance @ load.dynamic_w)[core_nodes]
    temp_c = base_c
    for _ in range(60):
        excess = base_c + core_resistance @ (load.leakage_w * shape.value(temp_c)) - temp_c
        feedback = core_resistance * (load.leakage_w * shape.slope(temp_c))
        if np.abs(np.linalg.eigvals(feedback)).max() >= 1.0:
            break
        step = np.linalg.solve(np.eye(len(temp_c)) - feedback, excess)
        temp_c = temp_c + step
        if temp_c.max() > RUNAWAY_C:
            break
        if np.abs(step).max() < 1e-9:
            power_w = load.dynamic_w.copy()
            power_w[core_nodes] += load.leakage_w * shape.value(temp_c)
            return Equilibrium(network.steady(power_w), power_w)
    hottest = int(np.argmax(temp_c))
    raise ThermalRunaway(network.names[core_nodes[hottest]], float(temp_c[hottest]))
