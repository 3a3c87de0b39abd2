"""The rig's physics: what the cores run becomes power, power becomes heat, heat is shown.

It is the project's own model of a board (`platforms.simulated`), fed with what the guest's kernel
programmed and what its cores ran. No clock and no file in here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.application import ApplicationProfile
from platforms.board import Board, CoolingSetup
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.power import PowerModel, busy_activity
from platforms.simulated.sensor import SimulatedSensor

BACKGROUND_ACTIVITY = 0.7
"""Switching activity of what is no application of the rig's (assumed: as the programs' mean)."""


@dataclass(frozen=True)
class CoreUse:
    """What a core ran over a step: its busy share (0 to 1), and the activity while busy."""

    busy_share: float
    activity: float


IDLE = CoreUse(0.0, 0.0)


def activity_of(profile: ApplicationProfile, board: Board, core: int, freq_hz: float) -> float:
    """A program's activity on a core at a frequency: less, the more of its time it stalls."""
    cluster = board.clusters[board.cluster_of_core[core]]
    speed = profile.on(cluster)
    compute_s = speed.cpi / freq_hz
    return busy_activity(cluster, profile.activity, compute_s / (compute_s + speed.stall_s))


class HeatPlant:
    """Temperatures of a board, advanced step by step from what its cores ran."""

    def __init__(
        self,
        board: Board,
        cooling: CoolingSetup,
        *,
        rng: np.random.Generator,
        start_temp_c: float | None = None,
    ) -> None:
        """Every node starts at `start_temp_c`, or at the air's temperature."""
        self._board = board
        self._network = HeatNetwork.build(board.thermal, cooling)
        self._power = PowerModel(board)
        start_c = cooling.ambient_c if start_temp_c is None else start_temp_c
        self.temp_c = np.full(len(self._network.names), start_c)
        self.power_w = 0.0
        self._sensors = [SimulatedSensor(board, sensor, rng) for sensor in board.sensors]
        self._now_s = 0.0
        self._shown_c = [sensor.sample(0.0, sensor.true_c(self.temp_c)) for sensor in self._sensors]

    def advance(self, step_s: float, opp_index: Sequence[int], uses: Sequence[CoreUse]) -> None:
        """Let `step_s` seconds pass in which core i had `uses[i]`."""
        power_w = self._mean_power(opp_index, uses)
        self.temp_c = self._network.step(self.temp_c, power_w, step_s)
        self.power_w = float(power_w.sum())
        self._now_s += step_s

    def shown_c(self) -> list[float]:
        """What the sensors show now, in the board's order: refreshed when it is their time."""
        for number, sensor in enumerate(self._sensors):
            if sensor.due_s <= self._now_s:
                self._shown_c[number] = sensor.sample(self._now_s, sensor.true_c(self.temp_c))
        return list(self._shown_c)

    def _mean_power(self, opp_index: Sequence[int], uses: Sequence[CoreUse]) -> NDArray[np.float64]:
        """Mean power per node, as if all cores had begun what they ran at the step's start."""
        total = np.zeros(len(self._network.names))
        past = 0.0
        for end in [*sorted({use.busy_share for use in uses if 0.0 < use.busy_share < 1.0}), 1.0]:
            awake = [use.activity if use.busy_share >= end else None for use in uses]
            total += (end - past) * self._power_now(opp_index, awake)
            past = end
        return total

    def _power_now(
        self, opp_index: Sequence[int], activity: Sequence[float | None]
    ) -> NDArray[np.float64]:
        load = self._power.load(opp_index, activity)
        power_w: NDArray[np.float64] = load.dynamic_w.copy()
        factor = self._power.shape.value(self.temp_c[self._power.core_nodes])
        power_w[self._power.core_nodes] += load.leakage_w * factor
        return power_w
