"""Power of the machine, where it has a sensor: the kernel's energy counters or a rail's monitor.

Looked for in this order: powercap zones (``energy_uj``), an hwmon device that gives power
(``power1_input``), an INA3221 that gives volts and amperes. What is read is of everything that the
rail feeds, so that the power of training is what it reads above an idle machine.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from platforms.linux.files.maybe_file import folders_at, number_at, text_at

_ZONE = re.compile(r"(intel-rapl|arm-scmi):\d+")


class PowerSensor:
    """A sensor by name; `power_w` is the mean since the last call, or now."""

    def __init__(self, name: str, read: Callable[[], float], *, counts_energy: bool) -> None:
        """`read` gives joules where it `counts_energy`, else watts."""
        self.name, self._read, self._counts = name, read, counts_energy
        self._last: tuple[float, float] | None = None

    def power_w(self, now_s: float) -> float | None:
        """Watts; None at the first call of one that counts energy, and after it wrapped."""
        value = self._read()
        if not self._counts:
            return value
        last, self._last = self._last, (value, now_s)
        if last is None or value < last[0] or now_s <= last[1]:
            return None
        return (value - last[0]) / (now_s - last[1])


def find_power_sensor(root: Path) -> PowerSensor | None:
    """The machine's sensor, None where there is none that can be read."""
    return _powercap(root) or _hwmon(root)


def _powercap(root: Path) -> PowerSensor | None:
    zones = [
        folder
        for folder in folders_at(root / "sys/class/powercap", "*:*")
        if _ZONE.fullmatch(folder.name) and number_at(folder / "energy_uj") is not None
    ]
    if not zones:
        return None
    names = ", ".join(text_at(zone / "name") or zone.name for zone in zones)

    def joules() -> float:
        return sum(number_at(zone / "energy_uj") or 0 for zone in zones) / 1e6

    return PowerSensor(f"powercap {names}", joules, counts_energy=True)


def _hwmon(root: Path) -> PowerSensor | None:
    for folder in folders_at(root / "sys/class/hwmon", "hwmon*"):
        name = text_at(folder / "name") or folder.name
        if number_at(folder / "power1_input") is not None:
            return PowerSensor(f"hwmon {name}", partial(_uw, folder), counts_energy=False)
        if number_at(folder / "curr1_input") is not None and number_at(folder / "in1_input"):
            rail = text_at(folder / "in1_label") or "rail 1"
            read = partial(_volts_amperes, folder)
            return PowerSensor(f"hwmon {name} {rail}", read, counts_energy=False)
    return None


def _uw(folder: Path) -> float:
    return (number_at(folder / "power1_input") or 0) / 1e6


def _volts_amperes(folder: Path) -> float:
    """Millivolts times milliamperes of the first rail, which on Jetsons is the board's input."""
    return (number_at(folder / "in1_input") or 0) * (number_at(folder / "curr1_input") or 0) / 1e6
