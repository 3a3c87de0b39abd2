"""Power comes from a sensor where there is one."""

import time
from pathlib import Path

import pytest

from training.federated.profile import power_watch
from training.federated.profile.power_sensor import PowerSensor, find_power_sensor
from training.federated.profile.power_watch import PowerWatch, watching


def test_there_is_no_sensor_on_a_machine_that_shows_none(tmp_path: Path) -> None:
    """As in most virtual machines."""
    assert find_power_sensor(tmp_path) is None


def test_powercap_zones_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    """Watts are joules over seconds; a counter that wraps gives nothing once."""
    zone = "powercap/intel-rapl:0"
    for path, energy in ((zone, "1000000"), (f"{zone}:0", "7"), ("powercap/intel-rapl:1", "5")):
        folder = tmp_path / "sys/class" / path
        folder.mkdir(parents=True)
        (folder / "energy_uj").write_text(energy)
    sensor = find_power_sensor(tmp_path)
    assert sensor is not None
    assert sensor.power_w(10.0) is None
    (tmp_path / "sys/class" / zone / "energy_uj").write_text("4000000")
    assert 1.5 == sensor.power_w(12.0)
    (tmp_path / "sys/class" / zone / "energy_uj").write_text("0")
    assert sensor.power_w(13.0) is None


@pytest.mark.parametrize(
    ("files", "watts"),
    [
        ({"name": "ina226", "power1_input": "2500000"}, 2.5),
        (
            {"name": "ina3221", "in1_label": "VDD_IN", "in1_input": "5000", "curr1_input": "900"},
            4.5,
        ),
    ],
)
def test_a_rails_monitor_gives_watts(tmp_path: Path, files: dict[str, str], watts: float) -> None:
    """In microwatts, or as millivolts and milliamperes."""
    folder = tmp_path / "sys/class/hwmon/hwmon0"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    sensor = find_power_sensor(tmp_path)
    assert sensor is not None
    assert watts == sensor.power_w(0.0)


def test_training_counts_above_what_an_idle_machine_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """And where nothing above idle was seen, nothing is known."""
    monkeypatch.setattr(power_watch, "IDLE_S", 0.2)
    monkeypatch.setattr(power_watch, "LOOK_S", 0.01)
    watts = [3.0]
    sensor = PowerSensor("fake", lambda: watts[0], counts_energy=False)
    with watching(sensor) as watch:
        assert isinstance(watch, PowerWatch)
        began_s = seen_until(watch)
        watts[0] = 5.0
        seen_until(watch)
        ended_s = seen_until(watch)
    above = watch.above_idle_w(began_s, ended_s)
    assert above is not None
    assert 2.0 == pytest.approx(above[0])
    assert 0 < above[1] <= 2.0
    assert watch.above_idle_w(0.0, began_s) is None


def seen_until(watch: PowerWatch) -> float:
    """Wait for three more readings; the time of the last."""
    wanted = len(watch.seen) + 3
    while len(watch.seen) < wanted:
        time.sleep(0.005)
    return watch.seen[-1][0]
