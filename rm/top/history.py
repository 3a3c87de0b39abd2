"""What the temperatures were while one was looking."""

from collections import deque
from collections.abc import Sequence

from rm.daemon.status import TemperatureStatus

KEPT = 512
"""Readings kept per sensor: more than a terminal has columns."""


class History:
    """The last readings of each sensor; None where there was none to be trusted."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._temps_c: dict[str, deque[float | None]] = {}
        self._rounds = 0

    def add(self, temperatures: Sequence[TemperatureStatus]) -> None:
        """One round's readings; a sensor that comes later has gaps before."""
        for sensor in temperatures:
            new = deque[float | None]([None] * self._rounds, maxlen=KEPT)
            self._temps_c.setdefault(sensor.sensor, new)
        seen = {sensor.sensor: sensor.temp_c for sensor in temperatures if not sensor.problem}
        for name, temps_c in self._temps_c.items():
            temps_c.append(seen.get(name))
        self._rounds = min(self._rounds + 1, KEPT)

    def add_gap(self) -> None:
        """A round without an answer."""
        self.add(())

    def last(self, sensor: str, number: int) -> list[float | None]:
        """The newest readings, oldest first; at most `number`."""
        return list(self._temps_c.get(sensor, ()))[-number:] if number > 0 else []
