"""The temperature limit of a comparison, where the user gives none."""

import math

import numpy as np

from platforms.board import Board, CoolingSetup
from platforms.simulated.equilibrium import ThermalRunaway, settle
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.power import PowerModel


def default_limit_c(board: Board, cooling: str) -> float:
    """The limit under a cooling setup: half of what the board would heat up by, in whole degC.

    Half-way between the air and where the hottest core settles with all cores and accelerators busy
    at their highest operating points: under every cooling a limit that the foreground alone stays
    below and that training on everything there is does not. At most where the kernel's own
    protection begins to look (`switch_on_c`), where the board has one.
    """
    setup = board.cooling_named(cooling)
    half_c = (setup.ambient_c + _full_load_c(board, setup)) / 2.0
    highest_c = board.protection.switch_on_c if board.protection else math.inf
    return float(round(min(half_c, highest_c)))


def _full_load_c(board: Board, setup: CoolingSetup) -> float:
    """Where the hottest core settles with everything busy; at runaway, where that was noticed."""
    power = PowerModel(board)
    network = HeatNetwork.build(board.thermal, setup)
    load = power.load(board.highest_opps, [1.0] * board.core_count)
    for accelerator in board.compute_accelerators:
        if accelerator.power:
            watts = accelerator.power
            node = network.names.index(watts.node)
            load.dynamic_w[node] += watts.static_w + watts.dynamic_w + watts.memory_w
    try:
        state = settle(network, load, power.shape, power.core_nodes)
    except ThermalRunaway as runaway:
        return runaway.temp_c
    return float(np.max(state.temp_c[power.core_nodes]))
