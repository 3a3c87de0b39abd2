"""Controllers that cap the clusters' frequencies: by a sensor, and by a power budget.

`HeatCap` steps as the kernel's step_wise governor does, on a limit of ours: all clusters lose one
operating point with every new reading above the limit that is no lower than the last, and get one
back after some readings in a row below it by the hysteresis.

`highest_within` shares no measured power out, as no board shows one to a governor: it is the
budget of Linux's dynamic thermal power management (drivers/powercap/dtpm_cpu.c, as recalled), which
takes the highest performance state at which the busy CPUs' power by the energy model is within it.
"""

from collections.abc import Sequence

from platforms.platform import Observation, TemperatureReading
from rm.policies.energy_model import EnergyModel

HYSTERESIS_K = 2.0
"""So far below the limit before a cap may rise (assumed: four times the HiKey 970's noise)."""

PATIENCE = 3
"""Readings in a row before a cap rises by one operating point (assumed)."""


class HeatCap:
    """Caps from the hottest sensor."""

    def __init__(self, highest: tuple[int, ...], limit_c: float) -> None:
        """Nothing is capped yet; `highest` are the clusters' highest operating points."""
        self._highest = highest
        self._limit_c = limit_c
        self._depth = 0
        self._calm = 0
        self._last_c: float | None = None
        self._sampled_s = -1.0

    @property
    def caps(self) -> tuple[int, ...]:
        """The highest operating point allowed per cluster."""
        return tuple([max(0, top - self._depth) for top in self._highest])

    def update(self, observation: Observation) -> tuple[int, ...]:
        """Heed the sensors, if they have been read anew."""
        if observation.temperatures:
            hottest = max(observation.temperatures, key=lambda reading: reading.temp_c)
            sampled_s = observation.time_s - hottest.age_s
            if sampled_s > self._sampled_s + 1e-6:
                self._sampled_s = sampled_s
                self._look(hottest)
        return self.caps

    def _look(self, reading: TemperatureReading) -> None:
        temp_c, last_c, self._last_c = reading.temp_c, self._last_c, reading.temp_c
        if temp_c > self._limit_c:
            self._calm = 0
            if last_c is None or temp_c >= last_c:
                self._depth = min(self._depth + 1, max(self._highest))
        elif temp_c < self._limit_c - HYSTERESIS_K:
            self._calm += 1
            if self._calm >= PATIENCE:
                self._calm = 0
                self._depth = max(self._depth - 1, 0)
        else:
            self._calm = 0


def highest_within(
    model: EnergyModel, core_utilisation: Sequence[float], budget_w: float
) -> tuple[int, ...]:
    """The highest operating points that keep the busy cores within a budget, the lowest at least.

    All clusters go down together, by the same number of operating points from their highest.
    """
    tops = [len(domain.states) - 1 for domain in model.domains]
    opps = tuple(tops)
    for depth in range(max(tops) + 1):
        opps = tuple([max(0, top - depth) for top in tops])
        if _power_w(model, core_utilisation, opps) <= budget_w:
            break
    return opps


def _power_w(model: EnergyModel, core_utilisation: Sequence[float], opps: Sequence[int]) -> float:
    """What the cores take while they are as busy as this."""
    return sum(
        [
            domain.states[opp].power_w * sum([core_utilisation[core] for core in domain.cores])
            for domain, opp in zip(model.domains, opps, strict=True)
        ]
    )
