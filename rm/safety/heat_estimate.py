"""How far a sensor must have moved, as far as the board's description can tell.

Neither what the programs switch nor how the board is cooled is known, so four estimates run side by
side: busy cores that switch as little and as much as programs do, each on a board that is cooled as
well and as badly as any setup of its description. What all four say is taken for certain, within
what the description itself is worth.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from platforms.platform import Observation
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.power import PowerModel

STEP_S = 0.5
"""How often the estimates advance: half of a second is short against a die's 3 s, and what happens
within is averaged, not lost."""

MOST_LOADS = 64
"""Observations after which their load is worked out though no step is over (chosen)."""

HOT_C = 95.0
"""Leakage of the estimate that switches most is taken here; the other one leaks nothing."""

LEAST_ACTIVITY = 0.6
"""A busy core's switching in the estimate that switches least, relative to its busy power (chosen:
what programs with many stalls show; some have 0.3 to 0.5, but they do not share a board alone). The
other estimate has 1."""

LEAST, MOST = 0, 1
"""The last index of `above_air_k`: switching least, switching most."""

Vector = NDArray[np.float64]

_Load = tuple[float, tuple[int, ...], tuple[float, ...]]
"""When something was observed, s, the operating points then, and utilisation until then."""


class HeatEstimate:
    """Advances the estimates by what observations say of clocks and utilisation.

    `above_air_k[cooling, sensor, switching]` are kelvin above the air's temperature; coolings are
    best and worst. They start in the steady state of the first half second's load.
    """

    def __init__(self, board: Board, sensors: Sequence[str]) -> None:
        self._board = board
        self._power = PowerModel(board)
        networks = _networks(board)
        self._rates = np.stack([network.decay_rates for network in networks])[:, :, None]
        self._drives = np.stack([network.modes_of_power for network in networks])
        weights = _weights(board, sensors)
        self._views = np.stack([weights @ network.rise_of_modes for network in networks])
        self._modes: NDArray[np.float64] | None = None
        self._leak = float(self._power.shape.value(np.array([HOT_C]))[0])
        self._idle_w = sum(
            self._power.idle_core_w(i) * len(cluster.cores) + self._power.idle_shared_w(i)
            for i, cluster in enumerate(board.clusters)
        )
        self._loads: list[_Load] = []
        self._due_s = 0.0
        self._energy_j = np.zeros((len(board.thermal.nodes), 2))
        self._energy_s = 0.0
        self._booked_s = math.inf  # so that the first one is booked at once
        self.above_air_k = np.zeros((2, len(weights), 2))

    def add(self, observation: Observation) -> bool:
        """Take the load since the observation before; True when the estimates have advanced."""
        now_s = observation.time_s
        self._loads.append((now_s, observation.opp_index, observation.core_utilisation))
        if self._booked_s <= now_s < self._due_s and len(self._loads) < MOST_LOADS:
            return False  # as mostly
        loads, self._loads = self._loads, []
        if self._booked_s == math.inf:
            self._booked_s = now_s
        for opps, of_these in groupby(loads, key=itemgetter(1)):
            self._book(opps, list(of_these))
        is_step = self._energy_s >= STEP_S
        if is_step:
            self._advance()
        self._due_s = now_s + STEP_S - self._energy_s
        return is_step

    def largest_change_k(self, within_s: float) -> Vector:
        """Per sensor how far it can move in this time: all cores at their most, from cold.

        A board that cools down is no faster.
        """
        most = self._powers(self._board.highest_opps, np.ones(self._board.core_count), 1.0)[:, MOST]
        rates = self._rates[1, :, 0]
        gain = -np.expm1(-rates * within_s) / rates
        change: Vector = self._views[1] @ (gain * (self._drives[1] @ most))
        return change

    # --- inside ---------------------------------------------------------------------------------

    def _book(self, opps: tuple[int, ...], loads: Sequence[_Load]) -> None:
        """Turn the busy time at these operating points into heat."""
        times_s, _, shares = zip(*loads, strict=True)
        passed_s = np.maximum(np.diff([self._booked_s, *times_s]), 0.0)
        length_s = float(passed_s.sum())
        self._booked_s = times_s[-1]
        if length_s > 0.0:
            self._energy_j += self._powers(opps, passed_s @ np.array(shares), length_s)
            self._energy_s += length_s

    def _advance(self) -> None:
        drive = self._drives @ (self._energy_j / self._energy_s)
        if self._modes is None:
            self._modes = drive / self._rates
        else:
            exponent = self._rates * self._energy_s
            self._modes = np.exp(-exponent) * self._modes
            self._modes -= np.expm1(-exponent) / self._rates * drive
        self.above_air_k = self._views @ self._modes
        self._energy_j[:] = 0.0
        self._energy_s = 0.0

    def _powers(self, opps: Sequence[int], busy_s: Vector, length_s: float) -> Vector:
        """Energy (nodes, 2) of cores that are busy for so long of `length_s`, J.

        A cluster's shared part runs while any core does: that is at least the longest of their busy
        times, at most their sum.
        """
        model, clusters = self._power, self._board.clusters
        energy = np.zeros_like(self._energy_j)
        for i, (cluster, opp) in enumerate(zip(clusters, opps, strict=True)):
            cores = list(cluster.cores)
            nodes, busy = model.core_nodes[cores], busy_s[cores]
            dynamic_w = model.core_dynamic_w(i, opp)
            idle_j = model.idle_core_w(i) * (length_s - busy)
            energy[nodes, LEAST] = LEAST_ACTIVITY * dynamic_w * busy + idle_j
            most_w = dynamic_w + self._leak * model.core_leakage_w(i, opp)
            energy[nodes, MOST] = most_w * busy + idle_j
            awake = np.array([busy.max(), min(length_s, busy.sum())])
            energy[model.cluster_node] += model.cluster_shared_w(i, opp) * awake
            energy[model.cluster_node] += model.idle_shared_w(i) * (length_s - awake)
        return energy


def _networks(board: Board) -> list[HeatNetwork]:
    """The board cooled best and worst."""
    setups = sorted(board.cooling, key=lambda setup: -setup.conductance_w_per_k)
    return [HeatNetwork.build(board.thermal, setup) for setup in (setups[0], setups[-1])]


def _weights(board: Board, sensors: Sequence[str]) -> Vector:
    """(sensors, nodes): which nodes a sensor is the mean of."""
    known = {sensor.name: sensor for sensor in board.sensors}
    nodes = [node.name for node in board.thermal.nodes]
    rows = [[known[name].weights.get(node, 0.0) for node in nodes] for name in sensors]
    return np.array(rows).reshape(len(sensors), len(nodes))
