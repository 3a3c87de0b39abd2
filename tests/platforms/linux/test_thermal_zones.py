"""Thermal zones: what is read, how old it is, what is missing."""

from pathlib import Path

import pytest

from platforms.linux.thermal_zones import LOOK_AGAIN_S, ThermalZones, Trip, find_zones, zone_for
from platforms.platform import TemperatureReading
from tests.platforms.linux.described_machine import hide
from tests.platforms.linux.fake_root import FakeRoot

SENSORS = {"cls0": "cls0"}


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970 at 45 degC."""
    return FakeRoot(tmp_path)


def test_a_reading_is_in_degrees_and_new(root: FakeRoot) -> None:
    """The kernel's milli-degrees end here."""
    root.set_temp("cls0", 61.4)
    readings = ThermalZones(root.path, SENSORS).read(7.0)
    assert (TemperatureReading("cls0", 61.4, 0.0),) == readings


def test_a_value_that_cannot_be_read_anew_stays_and_grows_older(root: FakeRoot) -> None:
    """Who judges it decides from its age."""
    zones = ThermalZones(root.path, SENSORS)
    zones.read(10.0)
    root.set_temp("cls0", None)
    assert (TemperatureReading("cls0", 45.0, 2.5),) == zones.read(12.5)
    assert (TemperatureReading("cls0", 45.0, 4.0),) == zones.read(14.0)


def test_a_sensor_that_reads_again_is_new_again(root: FakeRoot) -> None:
    """A failing sensor is not given up."""
    zones = ThermalZones(root.path, SENSORS)
    zones.read(10.0)
    root.set_temp("cls0", None)
    zones.read(11.0)
    root.set_temp("cls0", 50.0)
    assert (TemperatureReading("cls0", 50.0, 0.0),) == zones.read(12.0)


def test_a_sensor_that_shows_the_same_after_a_failure_is_new_again(root: FakeRoot) -> None:
    """Its age is that of the look at it, not of the value."""
    zones = ThermalZones(root.path, SENSORS)
    first = zones.read(10.0)
    root.set_temp("cls0", None)
    assert (TemperatureReading("cls0", 45.0, 1.0),) == zones.read(11.0)
    root.set_temp("cls0", 45.0)
    assert first == zones.read(12.0)


def test_readings_are_the_same_tuple_until_one_changes(root: FakeRoot) -> None:
    """Who has looked at them need not look again."""
    zones = ThermalZones(root.path, SENSORS)
    first = zones.read(10.0)
    assert first is zones.read(10.05)
    root.set_temp("cls0", 45.1)
    assert (TemperatureReading("cls0", 45.1, 0.0),) == zones.read(10.1)


def test_a_sensor_that_was_never_read_is_left_out_and_named(root: FakeRoot) -> None:
    """No number stands for a temperature that nobody has seen."""
    root.set_temp("cls0", None)
    zones = ThermalZones(root.path, {"cls0": "cls0", "npu": "npu"})
    assert () == zones.read(1.0)
    assert ("cls0", "npu") == zones.missing()


def test_nothing_is_missing_once_everything_was_read(root: FakeRoot) -> None:
    """Also when it fails later: then its age tells."""
    zones = ThermalZones(root.path, SENSORS)
    zones.read(1.0)
    root.set_temp("cls0", None)
    zones.read(2.0)
    assert () == zones.missing()


def test_a_zone_that_comes_later_is_found(root: FakeRoot) -> None:
    """A driver may be loaded after the daemon has started; it is looked for now and then."""
    link = root.path / "sys/class/thermal/thermal_zone0"
    target = link.readlink()
    link.unlink()
    zones = ThermalZones(root.path, SENSORS)
    assert () == zones.read(0.0)
    link.symlink_to(target)
    assert () == zones.read(LOOK_AGAIN_S / 2)
    assert 1 == len(zones.read(LOOK_AGAIN_S))


def test_a_zone_that_comes_back_under_another_number_is_found(root: FakeRoot) -> None:
    """Unloading and loading its driver renumbers it."""
    zones = ThermalZones(root.path, SENSORS)
    zones.read(0.0)
    folder = root.path / "sys/class/thermal"
    target = (folder / "thermal_zone0").readlink()
    (folder / "thermal_zone0").unlink()
    root.set_temp("cls0", None)
    zones.read(10.0)
    (folder / "thermal_zone3").symlink_to(target)
    root.set_temp("cls0", 55.0)
    assert (TemperatureReading("cls0", 55.0, 0.0),) == zones.read(10.0 + LOOK_AGAIN_S)


def test_a_sensor_may_be_called_otherwise_than_its_zone(root: FakeRoot) -> None:
    """The configuration says which zone stands for it."""
    readings = ThermalZones(root.path, {"soc": "cls0"}).read(0.0)
    assert ["soc"] == [reading.sensor for reading in readings]


def test_trips_are_told_in_degrees(root: FakeRoot) -> None:
    """With their kinds, as the kernel numbers them."""
    expected = (
        Trip(0, "passive", 65.0, 1.0),
        Trip(1, "passive", 85.0, 1.0),
        Trip(2, "critical", 110.0, 0.0),
    )
    assert {"cls0": expected} == ThermalZones(root.path, SENSORS).trips()


def test_a_trip_without_hysteresis_says_so(root: FakeRoot) -> None:
    """Old kernels have no such file."""
    hide(root, "sys/devices/virtual/thermal/thermal_zone0/trip_point_*_hyst")
    (zone,) = find_zones(root.path)
    assert [None, None, None] == [trip.hysteresis_k for trip in zone.trips]


def test_zones_of_one_type_get_numbers(tmp_path: Path) -> None:
    """So that both can be named in a board file."""
    root = FakeRoot(tmp_path, zones=("soc", "soc"))
    assert ["soc", "soc-2"] == [zone.name for zone in find_zones(root.path)]


@pytest.mark.parametrize("suffix", ["", "-thermal", "_thermal"])
def test_a_zone_is_found_by_its_name_without_the_device_trees_suffix(
    tmp_path: Path, suffix: str
) -> None:
    """Board files say ``gpu`` where device trees say ``gpu-thermal``."""
    zones = find_zones(FakeRoot(tmp_path, zones=(f"gpu{suffix}",)).path)
    assert zones[0] == zone_for(zones, "gpu")
    assert zone_for(zones, "npu") is None
