"""How long a sample really takes, set against what the tables say, place by place.

Tables are measured at another time or come from a model, and the applications' traffic lengthens
stalls. A process tells of whole steps only, so that time is taken from one word that brought
samples to a later one that did.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rm.planner.mode_table import ModeTable

LOOK_S = 2.0
"""A ratio is taken over so long at least: four migration periods, many steps of a small batch."""

WEIGHT = 0.3
"""What a new ratio counts against the ones before (chosen: five of them outweigh an old one)."""

LEAST, MOST = 0.2, 5.0
"""A ratio outside measures something else: a process that waits for its data, or a swapping one."""

Place = tuple[int, int]
"""A unit, as mode tables count them, and a number of cores."""


class MeasuredPace:
    """Of one job; `ratios` is how many times as long as expected a sample takes, by place."""

    def __init__(self) -> None:
        """The tables are right so far."""
        self.ratios: dict[Place, float] = {}
        self._place: Place | None = None
        self._samples = self._expected = 0.0
        self._since: tuple[float, float] | None = None

    def hear(
        self, time_s: float, window_s: float, place: Place | None, samples: float, per_s: float
    ) -> None:
        """So many `samples` were done in all, at a place where `per_s` were expected (None: none).

        Over the last `window_s` seconds, that is. A place is heard of from its second word on: the
        first one may be of samples that were done elsewhere.
        """
        if place != self._place or samples < self._samples:
            self._place, self._since = place, None
            self._samples = samples
            return
        if place is None:
            return
        self._expected += per_s * window_s
        if samples == self._samples:
            return
        self._samples = samples
        if self._since is not None and time_s - self._since[0] < LOOK_S:
            return
        if self._since is not None:
            self._learn(place, self._expected / (samples - self._since[1]))
        self._since, self._expected = (time_s, samples), 0.0

    def corrected(self, table: ModeTable) -> ModeTable:
        """A table by what was measured; elsewhere in a unit by their mean, in others by all."""
        if not self.ratios:
            return table
        places = np.stack([table.unit, table.cores], axis=1)
        ratio = _mean(self.ratios.values()) * np.ones(len(table))
        for unit in {unit for unit, _ in self.ratios}:
            of_unit = [value for (x, _), value in self.ratios.items() if x == unit]
            ratio[table.unit == unit] = _mean(of_unit)
        for place, value in self.ratios.items():
            ratio[(places == place).all(axis=1)] = value
        return slower(table, ratio)

    def _learn(self, place: Place, ratio: float) -> None:
        if LEAST <= ratio <= MOST:
            known = self.ratios.get(place, ratio)
            self.ratios[place] = known + WEIGHT * (ratio - known)


def slower(table: ModeTable, ratio: NDArray[np.float64]) -> ModeTable:
    """A table in which samples take `ratio` (modes) times as long."""
    return replace(
        table, sample_s=table.sample_s * ratio, progress_per_s=table.progress_per_s / ratio
    )


def _mean(ratios: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log(list(ratios)))))
