"""The kernel's thermal zones: what they are, and their temperatures with the age of each.

The kernel speaks of thousandths of a degree Celsius; they become degrees here and nowhere else.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from platforms.linux.errors import Unreadable
from platforms.linux.files.kernel_file import KernelFile
from platforms.linux.files.maybe_file import folders_at, number_at, text_at
from platforms.platform import TemperatureReading

LOOK_AGAIN_S = 5.0
"""A zone that is not there is looked for so often: its driver may be loaded later."""

_CLASS = "sys/class/thermal"
_SUFFIXES = ("", "-thermal", "_thermal")


class Trip(Struct, frozen=True):
    """A temperature at which the kernel does something, and what: passive, active, hot, critical.

    `hysteresis_k` is None where the kernel does not say it.
    """

    number: int
    kind: str
    temp_c: float
    hysteresis_k: float | None


class Zone(Struct, frozen=True):
    """A thermal zone. `name` is its type, with a number where several zones have that type."""

    name: str
    folder: Path
    trips: tuple[Trip, ...]


def find_zones(root: Path) -> tuple[Zone, ...]:
    """All zones of this machine, in the kernel's order."""
    seen: Counter[str] = Counter()
    zones = []
    for folder in folders_at(root / _CLASS, "thermal_zone*"):
        kind = text_at(folder / "type") or folder.name
        seen[kind] += 1
        name = kind if seen[kind] == 1 else f"{kind}-{seen[kind]}"
        zones.append(Zone(name, folder, _trips(folder)))
    return tuple(zones)


def zone_for(zones: tuple[Zone, ...], name: str) -> Zone | None:
    """The zone of this name; ``gpu`` finds ``gpu-thermal``, as device trees call it, too."""
    by_name = {zone.name: zone for zone in zones}
    for suffix in _SUFFIXES:
        if name + suffix in by_name:
            return by_name[name + suffix]
    return None


def _trips(folder: Path) -> tuple[Trip, ...]:
    trips = []
    for number in range(len(list(folder.glob("trip_point_*_temp")))):
        temp = number_at(folder / f"trip_point_{number}_temp")
        kind = text_at(folder / f"trip_point_{number}_type")
        hysteresis = number_at(folder / f"trip_point_{number}_hyst")
        if temp is not None and kind:
            below_k = None if hysteresis is None else hysteresis / 1e3
            trips.append(Trip(number, kind, temp / 1e3, below_k))
    return tuple(trips)


class _Watched:
    """A sensor: the file that is read for it, and the last value that came out.

    `shown` is what the file showed then, and `reading` that value while it is new.
    """

    def __init__(self, sensor: str, zone_name: str) -> None:
        self.sensor = sensor
        self.zone_name = zone_name
        self.file: KernelFile | None = None
        self.shown: bytes | None = None
        self.reading = TemperatureReading(sensor, 0.0, 0.0)
        self.temp_c: float | None = None
        self.read_s = 0.0

    def open(self, zones: tuple[Zone, ...]) -> None:
        """Find the zone among `zones`; the sensor stays without a file where it is not there."""
        zone = zone_for(zones, self.zone_name)
        self.file = KernelFile(zone.folder / "temp") if zone else None

    def read(self, now_s: float) -> TemperatureReading | None:
        """A new value, or the last one where there is none; None if there never was one."""
        if self.file is not None:
            try:
                shown = self.file.read_bytes()
                if shown != self.shown:
                    self.temp_c = self.file.number(shown) / 1e3
                    self.reading = TemperatureReading(self.sensor, self.temp_c, 0.0)
                    self.shown = shown
                self.read_s = now_s
                return self.reading
            except Unreadable:
                if not Path(self.file.path).exists():  # the driver is gone; the zone may come back
                    self.close()
        if self.temp_c is None:
            return None
        return TemperatureReading(self.sensor, self.temp_c, now_s - self.read_s)

    def close(self) -> None:
        """Let go of the file."""
        if self.file is not None:
            self.file.close()
            self.file = None


class ThermalZones:
    """The board's sensors on this machine."""

    def __init__(self, root: Path, zones: Mapping[str, str]) -> None:
        """`zones` says for each sensor of the board the type of the zone that shows it."""
        self._root = root
        self._watched = [_Watched(sensor, name) for sensor, name in zones.items()]
        self._look_again_s = -float("inf")
        self._readings: tuple[TemperatureReading, ...] = ()

    def read(self, now_s: float) -> tuple[TemperatureReading, ...]:
        """All sensors that were ever read, each with its last good value and that value's age.

        `now_s` is the clock's time; a read that fails leaves the value as it was, older. The same
        tuple comes as long as nothing in it changes.
        """
        found = []
        for watched in self._watched:
            if watched.file is None and now_s >= self._look_again_s:
                self._find_missing(now_s)
            reading = watched.read(now_s)
            if reading is not None:
                found.append(reading)
        readings = tuple(found)
        if readings != self._readings:
            self._readings = readings
        return self._readings

    def missing(self) -> tuple[str, ...]:
        """The sensors that were never read."""
        return tuple(watched.sensor for watched in self._watched if watched.temp_c is None)

    def trips(self) -> dict[str, tuple[Trip, ...]]:
        """The trip points of every sensor's zone, read anew; none for a zone that is not there."""
        zones = find_zones(self._root)
        found = {watched.sensor: zone_for(zones, watched.zone_name) for watched in self._watched}
        return {sensor: zone.trips if zone else () for sensor, zone in found.items()}

    def close(self) -> None:
        """Let go of all files."""
        for watched in self._watched:
            watched.close()

    def _find_missing(self, now_s: float) -> None:
        self._look_again_s = now_s + LOOK_AGAIN_S
        zones = find_zones(self._root)
        for watched in self._watched:
            if watched.file is None:
                watched.open(zones)
