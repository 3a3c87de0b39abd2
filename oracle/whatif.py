"""Ask the board's models what would come of a placement, without letting time pass."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from platforms.application import ApplicationProfile
from platforms.board import Board, CoolingSetup
from platforms.errors import InvalidInput, ThermalLimit
from platforms.simulated.equilibrium import settle
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.performance import Placed, speeds
from platforms.simulated.power import PowerModel
from platforms.simulated.scheduler import place_threads


class Wanted(Struct, frozen=True, gc=False):
    """An application in its present phase, with its target in instructions/s."""

    id: int
    profile: ApplicationProfile
    phase: int
    target_ips: float
    threads: int
    cores: tuple[int, ...]


Placement = tuple[tuple[int, ...], ...]
"""The cores of every application, in the order of the applications."""


class Outcome(Struct, frozen=True):
    """What comes of a placement at operating points.

    `shortfall` sums the shares by which targets are missed. The rest is the steady state: the
    hottest core (`peak_c`), the place of the board's first sensor (`sensor_c`, NaN without one),
    the mean over the cores (`mean_c`), what the SoC takes (`power_w`); all are infinite at thermal
    runaway.
    """

    placement: Placement
    opp_index: tuple[int, ...]
    shortfall: float
    peak_c: float
    sensor_c: float
    mean_c: float
    power_w: float

    def objective(self, name: str) -> float:
        """The figure of this name: peak, sensor, mean or power; InvalidInput for another one."""
        figures = {
            "peak": self.peak_c,
            "sensor": self.sensor_c,
            "mean": self.mean_c,
            "power": self.power_w,
        }
        if name not in figures:
            raise InvalidInput(f"objective must be one of {', '.join(figures)} (got {name!r})")
        return figures[name]


class WhatIf:
    """The models of one board under one cooling setup.

    `sensor_weights` says by node what the board's first sensor is the mean of (NaN without one).
    """

    def __init__(self, board: Board, cooling: CoolingSetup) -> None:
        """Build the models once."""
        self.board = board
        self.network = HeatNetwork.build(board.thermal, cooling)
        self.power = PowerModel(board)
        self.sensor_weights = self._weights_of_sensor()

    def rates_ips(
        self, apps: Sequence[Wanted], placement: Placement, opp_index: Sequence[int]
    ) -> list[float]:
        """Instructions/s of every application."""
        return speeds(self.board, opp_index, self._placed(apps, placement)).rate_ips

    def evaluate(
        self, apps: Sequence[Wanted], placement: Placement, opp_index: tuple[int, ...]
    ) -> Outcome:
        """Speed, steady temperature and power."""
        result = speeds(self.board, opp_index, self._placed(apps, placement))
        pairs = zip(apps, result.rate_ips, strict=True)
        shortfall = sum(max(0.0, 1.0 - rate / app.target_ips) for app, rate in pairs)
        load = self.power.load(opp_index, result.core_activity)
        try:
            state = settle(self.network, load, self.power.shape, self.power.core_nodes)
        except ThermalLimit:
            return Outcome(placement, opp_index, shortfall, *(4 * [math.inf]))
        cores_c = state.temp_c[self.power.core_nodes]
        return Outcome(
            placement,
            opp_index,
            shortfall,
            float(cores_c.max()),
            float(self.sensor_weights @ state.temp_c),
            float(cores_c.mean()),
            float(state.power_w.sum()),
        )

    def least_opps(self, apps: Sequence[Wanted], placement: Placement) -> tuple[int, ...]:
        """The lowest operating points at which the placement meets every target it can meet.

        Raising a cluster speeds its applications up and, through the memory, slows the others a
        little; so clusters climb together from what they need on an idle memory, each only when one
        of its own misses.
        """
        owner, highest = self.board.cluster_of_core, self.board.highest_opps
        placed = self._placed(apps, placement)
        opps = self._opps_on_idle_memory(apps, placed)
        while True:
            rates = speeds(self.board, opps, placed).rate_ips
            late = {
                owner[cores[0]]
                for app, cores, rate in zip(apps, placement, rates, strict=True)
                if rate < app.target_ips
            }
            climbing = [cluster for cluster in late if opps[cluster] < highest[cluster]]
            if not climbing:
                return tuple(opps)
            for cluster in climbing:
                opps[cluster] += 1

    def _opps_on_idle_memory(self, apps: Sequence[Wanted], placed: Sequence[Placed]) -> list[int]:
        """Per cluster a lower bound of what it needs: memory that others use only slows down."""
        owner, clusters = self.board.cluster_of_core, self.board.clusters
        load = Counter(core for app in placed for core in app.cores)
        opps = list(self.board.lowest_opps)
        for app, on in zip(apps, placed, strict=True):
            index = owner[on.cores[0]]
            profile = app.profile.on(clusters[index])
            instruction_s = sum(1.0 / load[core] for core in on.cores) / app.target_ips
            left_s = instruction_s * (1.0 + 1e-9) - on.stall_scale * profile.stall_s
            need_hz = on.cpi_scale * profile.cpi / left_s if left_s > 0 else math.inf
            freqs_hz = clusters[index].freqs_hz
            need = min(bisect_left(freqs_hz, need_hz), len(freqs_hz) - 1)
            opps[index] = max(opps[index], need)
        return opps

    def _weights_of_sensor(self) -> NDArray[np.float64]:
        """By node; NaN on a board without a sensor."""
        weights = np.zeros(len(self.network.names))
        if not self.board.sensors:
            return weights + math.nan
        for node, weight in self.board.sensors[0].weights.items():
            weights[self.network.names.index(node)] = weight
        return weights

    def _placed(self, apps: Sequence[Wanted], placement: Placement) -> list[Placed]:
        allowed = zip((app.threads for app in apps), placement, strict=True)
        placed = []
        for app, on in zip(apps, place_threads(allowed, self.board.core_count), strict=True):
            phase = app.profile.cycle[app.phase]
            scales = (phase.cpi_scale, phase.stall_scale)
            placed.append(Placed(app.profile, *scales, on, phase.activity_scale))
        return placed
