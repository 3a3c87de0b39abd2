"""Which cooling is in force, and how warm every node is, from what observations show.

Nobody tells a policy how its board is cooled, and one sensor shows a few nodes. So every cooling
setup of the board's description is followed by a Kalman filter of its own: it advances the thermal
network by the power of what was busy, and is corrected by every reading of the sensors. How far off
a setup's readings were beforehand says how likely it is (multiple-model estimation); old errors
count less and less, so that a fan that fails is found out.

What a training job takes is known from its tables. What the applications switch is not: each filter
carries one factor on their dynamic power, which it learns as well.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board, CoolingSetup
from platforms.platform import Observation
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.power import PowerModel
from rm.safety.plausible import is_plausible

STEP_S = 1.0
"""The filters advance at least so often, and with every reading."""

ACTIVITY, ACTIVITY_SD = 0.75, 0.2
"""What applications' busy cores switch relative to the board's busy power, before anything is
learnt: the middle of what programs show, and how far they lie from it (chosen)."""

LEAST_ACTIVITY, MOST_ACTIVITY = 0.15, 1.0
"""What it cannot pass: the boards' busy powers are those of a core that never stalls."""

ACTIVITY_DRIFT = 0.005
"""By how much that changes in a second, as a standard deviation (chosen: phases)."""

POWER_SD_W = 0.2
"""By how much a node's power is off from second to second (chosen: cores that differ in what they
switch)."""

START_SD_K = 10.0
"""How far the board may be from the first reading, and a node from the board a fifth of it."""

MEMORY_S = 80.0
"""Errors so old count for a third: long against noise, short against a fan's failure."""

LEAST_ODDS = 0.01
"""No setup is less likely than so much of the likeliest one: its turn may come when a fan fails."""

AS_LIKELY = 0.98
"""Setups that are so nearly as likely as the likeliest cannot be told from it yet: of these the
first of the board's description counts, its usual one."""

BIAS_S = 20.0
"""Time over which the bias is averaged."""

Floats = NDArray[np.float64]


class HeatFilters:
    """Listens to every observation; says what it makes of them.

    `cooling` is the setup most likely in force, with the probability `share` (0 to 1); `bias_k` is
    what the sensors read above what it foresaw, in the mean of the last readings.
    """

    def __init__(self, board: Board) -> None:
        """Nothing was seen yet: all setups are equally likely."""
        self._board = board
        self._power = PowerModel(board)
        self.setups = _distinct(board)
        self._networks = [HeatNetwork.build(board.thermal, setup) for setup in self.setups]
        self._rates = np.stack([network.decay_rates for network in self._networks])
        self._drives = np.stack([network.modes_of_power for network in self._networks])
        self._rises = np.stack([network.rise_of_modes for network in self._networks])
        self._ambient_c = np.array([setup.ambient_c for setup in self.setups])
        self._nodes = nodes = [node.name for node in board.thermal.nodes]
        weights = {s.name: [s.weights.get(node, 0.0) for node in nodes] for s in board.sensors}
        self._weights = {name: np.array(row) for name, row in weights.items()}
        self._noise_k2 = {s.name: s.noise_k**2 + s.step_k**2 / 12.0 for s in board.sensors}
        self._shown: dict[str, float] = {}
        self._state: Floats | None = None  # (setups, modes + 1): amplitudes, applications' activity
        self._spread: Floats = np.zeros(0)
        self._log_share = np.zeros(len(self.setups))
        self._bias_k = np.zeros(len(self.setups))
        self._energy_j = np.zeros((2, len(nodes)))
        self._leaking_j = np.zeros(board.core_count)
        self._pending_s = 0.0
        self._looked_s: float | None = None

    # --- what it makes of it --------------------------------------------------------------------

    @property
    def shares(self) -> Floats:
        """How likely every one of `setups` is."""
        weights = np.exp(self._log_share - self._log_share.max())
        shares: Floats = weights / weights.sum()
        return shares

    @property
    def cooling(self) -> CoolingSetup:
        """The setup most likely in force."""
        return self.setups[self._likeliest]

    @property
    def share(self) -> float:
        """How likely that is."""
        return float(self.shares[self._likeliest])

    @property
    def bias_k(self) -> float:
        """What the sensors read above what this setup foresaw a second before."""
        return float(self._bias_k[self._likeliest])

    @property
    def activity(self) -> float:
        """What the applications' busy cores switch, relative to the board's busy power."""
        return ACTIVITY if self._state is None else float(self._state[self._likeliest, -1])

    @property
    def temperatures_c(self) -> Floats | None:
        """The temperature of every node, degC; None before the first reading."""
        if self._state is None:
            return None
        at = self._likeliest
        return self._networks[at].temperatures(self._state[at, :-1])

    # --- what it sees ---------------------------------------------------------------------------

    def update(
        self,
        observation: Observation,
        training: Mapping[int, float] | None = None,
        *,
        node_w: Mapping[str, float] | None = None,
    ) -> None:
        """Take in a round.

        `training` is what training switches, by core that it is granted; `node_w` is what is known
        to heat a node beside the cores, an accelerator's.
        """
        passed_s = 0.0
        if self._looked_s is not None:
            passed_s = max(0.0, observation.time_s - self._looked_s)
        self._looked_s = observation.time_s
        if passed_s > 0.0:
            self._book(observation, training or {}, passed_s)
            for node, power_w in (node_w or {}).items():
                self._energy_j[0, self._nodes.index(node)] += power_w * passed_s
        fresh = self._fresh(observation)
        if self._state is None:
            if fresh:
                self._begin(float(np.mean(list(fresh.values()))))
            return
        if self._pending_s > 0.0 and (fresh or self._pending_s >= STEP_S):
            self._advance()
        for name, temp_c in fresh.items():
            self._correct(name, temp_c)

    # --- inside ---------------------------------------------------------------------------------

    @property
    def _likeliest(self) -> int:
        return int(np.argmax(self._log_share >= self._log_share.max() + math.log(AS_LIKELY)))

    def _fresh(self, observation: Observation) -> dict[str, float]:
        """The readings that were not seen before."""
        found = {}
        for reading in observation.temperatures:
            taken_s = observation.time_s - reading.age_s
            known = reading.sensor in self._weights and is_plausible(reading.temp_c)
            if known and taken_s > self._shown.get(reading.sensor, -math.inf) + 1e-6:
                self._shown[reading.sensor] = taken_s
                found[reading.sensor] = reading.temp_c
        return found

    def _book(
        self, observation: Observation, training: Mapping[int, float], passed_s: float
    ) -> None:
        """Turn the busy time into heat: what is known, and what the activity's factor is on."""
        model, known, unknown = self._power, self._energy_j[0], self._energy_j[1]
        for x, (cluster, opp) in enumerate(
            zip(self._board.clusters, observation.opp_index, strict=True)
        ):
            dynamic_w, idle_w = model.core_dynamic_w(x, opp), model.idle_core_w(x)
            asleep = 1.0
            for core in cluster.cores:
                busy = observation.core_utilisation[core]
                node = model.core_nodes[core]
                known[node] += idle_w * (1.0 - busy) * passed_s
                if core in training:
                    known[node] += training[core] * dynamic_w * busy * passed_s
                else:
                    unknown[node] += dynamic_w * busy * passed_s
                self._leaking_j[core] += model.core_leakage_w(x, opp) * busy * passed_s
                asleep *= 1.0 - busy
            shared_w = model.cluster_shared_w(x, opp) * (1.0 - asleep)
            shared_w += model.idle_shared_w(x) * asleep
            known[model.cluster_node] += shared_w * passed_s
        self._pending_s += passed_s

    def _begin(self, temp_c: float) -> None:
        """All nodes are about as warm as the first reading."""
        count, nodes = len(self.setups), len(self._board.thermal.nodes)
        field = np.full(nodes, temp_c)
        node_k2 = START_SD_K**2 * (np.ones((nodes, nodes)) + 0.04 * np.eye(nodes))
        self._state = np.empty((count, nodes + 1))
        self._spread = np.zeros((count, nodes + 1, nodes + 1))
        for at, network in enumerate(self._networks):
            self._state[at, :-1] = network.modes(field)
            to_modes = np.linalg.inv(network.rise_of_modes)
            self._spread[at, :-1, :-1] = to_modes @ node_k2 @ to_modes.T
        self._state[:, -1] = ACTIVITY
        self._spread[:, -1, -1] = ACTIVITY_SD**2

    def _advance(self) -> None:
        """Let the heat that was booked flow."""
        assert self._state is not None
        step_s = self._pending_s
        left = np.exp(-self._rates * step_s)
        gain = -np.expm1(-self._rates * step_s) / self._rates
        driven = gain[:, :, None] * self._drives  # (setups, modes, nodes): per watt at a node
        known_w = np.repeat(self._energy_j[:1] / step_s, len(self.setups), axis=0)
        known_w[:, self._power.core_nodes] += self._leakage_w() / step_s
        per_activity = driven @ (self._energy_j[1] / step_s)
        amplitudes, activity = self._state[:, :-1], self._state[:, -1:]
        amplitudes = left * amplitudes + (driven @ known_w[:, :, None])[:, :, 0]
        self._state[:, :-1] = amplitudes + activity * per_activity
        change = np.zeros_like(self._spread)
        at = np.arange(left.shape[1])
        change[:, at, at] = left
        change[:, :-1, -1] = per_activity
        change[:, -1, -1] = 1.0
        self._spread = change @ self._spread @ change.transpose(0, 2, 1)
        noise = driven * (POWER_SD_W / math.sqrt(step_s))
        self._spread[:, :-1, :-1] += noise @ noise.transpose(0, 2, 1)
        self._spread[:, -1, -1] += ACTIVITY_DRIFT**2 * step_s
        self._log_share *= math.exp(-step_s / MEMORY_S)
        self._energy_j[:] = 0.0
        self._leaking_j[:] = 0.0
        self._pending_s = 0.0

    def _leakage_w(self) -> Floats:
        """What the cores leaked (setups, cores), J, each setup at its own temperatures."""
        assert self._state is not None
        rises = (self._rises @ self._state[:, :-1, None])[:, :, 0]
        temps_c = (self._ambient_c[:, None] + rises)[:, self._power.core_nodes]
        leaked: Floats = self._leaking_j * self._power.shape.value(temps_c)
        return leaked

    def _correct(self, sensor: str, temp_c: float) -> None:
        """Weigh every setup by how far off it is, and set it right."""
        assert self._state is not None
        view = np.zeros_like(self._state)
        view[:, :-1] = self._weights[sensor] @ self._rises
        error_k = temp_c - self._ambient_c - (view * self._state).sum(axis=1)
        reach = (self._spread @ view[:, :, None])[:, :, 0]
        expected_k2 = (view * reach).sum(axis=1) + self._noise_k2[sensor]
        gain = reach / expected_k2[:, None]
        self._state = self._state + gain * error_k[:, None]
        self._state[:, -1] = np.clip(self._state[:, -1], LEAST_ACTIVITY, MOST_ACTIVITY)
        self._spread = self._spread - gain[:, :, None] * reach[:, None, :]
        self._log_share -= 0.5 * (error_k**2 / expected_k2 + np.log(expected_k2))
        least = self._log_share.max() + math.log(LEAST_ODDS)
        self._log_share = np.maximum(self._log_share, least)
        self._bias_k += (error_k - self._bias_k) * (STEP_S / BIAS_S)


def _distinct(board: Board) -> tuple[CoolingSetup, ...]:
    """The board's setups as they are while they last, those that cool alike once."""
    found: dict[tuple[float, float], CoolingSetup] = {}
    for setup in board.cooling:
        found.setdefault((setup.conductance_w_per_k, setup.ambient_c), setup)
    return tuple(found.values())
