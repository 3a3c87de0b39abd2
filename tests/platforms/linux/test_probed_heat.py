"""Sensors, the kernel's protection, cooling, and what else has a clock."""

from pathlib import Path

from platforms.board_file import load_board
from platforms.linux.probe.probe import probe
from tests.platforms.linux.described_machine import (
    board_of,
    fake_board,
    gap_about,
    hide,
    set_cells,
)
from tests.platforms.linux.fake_root import FakeRoot


def test_sensors_of_the_rk3588_see_the_cores_that_their_names_say(tmp_path: Path) -> None:
    """``bigcore2`` is the cluster of the third big core."""
    shipped, found = load_board("rk3588"), board_of(fake_board(tmp_path, "rk3588"))
    assert [sensor.weights for sensor in shipped.sensors] == [s.weights for s in found.sensors]


def test_polling_delays_come_from_the_device_tree(tmp_path: Path) -> None:
    """Milliseconds there."""
    root = FakeRoot(tmp_path)
    set_cells(root, "thermal-zones/cls0", polling_delay=2000, polling_delay_passive=25)
    found = board_of(root)
    assert 2.0 == found.sensors[0].period_s
    assert found.protection is not None
    assert 0.025 == found.protection.polling_s


def test_a_zone_that_cools_one_cluster_sees_that_cluster(tmp_path: Path) -> None:
    """The cooling map says more than the name."""
    root = FakeRoot(tmp_path, zones=("soc-thermal", "hot-thermal"))
    hide(root, "sys/devices/virtual/thermal/thermal_zone1/cdev0")
    found = board_of(root)
    assert {"die": 1.0} == found.sensors[0].weights
    assert {f"core{core}": 0.25 for core in (4, 5, 6, 7)} == found.sensors[1].weights
    assert found.sensors[1].sources["weights"].startswith("derived: the zone's cooling map")


def test_cooling_devices_of_old_kernels_are_counted_by_policy(tmp_path: Path) -> None:
    """``thermal-cpufreq-1`` is the second policy's."""
    root = FakeRoot(tmp_path, zones=("hot",), cooling="thermal-cpufreq-{index}")
    hide(root, "sys/devices/virtual/thermal/thermal_zone0/cdev0")
    assert {f"core{core}": 0.25 for core in (4, 5, 6, 7)} == board_of(root).sensors[0].weights


def test_weights_of_the_kernels_cooling_are_taken_over(tmp_path: Path) -> None:
    """The power allocator divides by them."""
    root = FakeRoot(tmp_path)
    root.write("/sys/class/thermal/thermal_zone0/cdev1_weight", "512")
    assert [1024, 512] == [cluster.thermal_weight for cluster in board_of(root).clusters]


def test_a_zone_outside_of_the_chip_is_left_out_aloud(tmp_path: Path) -> None:
    """A battery's temperature says nothing about cores."""
    root = FakeRoot(tmp_path, zones=("cls0", "battery"))
    found = probe(root.path)
    assert found.board is not None
    assert ["cls0"] == [sensor.name for sensor in found.board.sensors]
    assert gap_about(found, "what thermal zone battery measures").startswith("left out")


def test_a_zone_that_is_the_only_one_is_taken_for_the_chips(tmp_path: Path) -> None:
    """Boards with ACPI often have one called ``acpitz``."""
    root = FakeRoot(tmp_path, zones=("acpitz",))
    found = probe(root.path)
    assert found.board is not None
    assert ["acpitz"] == [sensor.name for sensor in found.board.sensors]
    assert gap_about(found, "what thermal zone acpitz measures").startswith("the chip")


def test_a_zone_without_passive_trip_gives_no_protection(tmp_path: Path) -> None:
    """Then the kernel does not slow down by itself."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/virtual/thermal/thermal_zone0/trip_point_[01]_*")
    found = probe(root.path)
    assert found.board is not None
    assert found.board.protection is None
    what = "the temperature at which the kernel slows the clusters down"
    assert gap_about(found, what).startswith("no protection")


def test_sustainable_power_that_nobody_shows_is_a_hikeys(tmp_path: Path) -> None:
    """(85 - 35) K over 12.3 K/W."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/virtual/thermal/thermal_zone0/sustainable_power")
    found = board_of(root)
    assert found.protection is not None
    assert round(50 / 12.3, 2) == found.protection.sustainable_w


def test_accelerators_and_memory_come_from_devfreq(tmp_path: Path) -> None:
    """Frequencies; voltages where debugfs has them."""
    root = FakeRoot(tmp_path)
    for freq_hz, microvolts in ((103750000, 550000), (332000000, 650000), (767000000, 950000)):
        at = f"/sys/kernel/debug/opp/e82c0000.gpu/opp:{freq_hz}"
        root.write(f"{at}/supply-0/u_volt_target", str(microvolts))
    root.write("/sys/class/devfreq/fdab0000.npu/available_frequencies", "300000000 1000000000")
    found = board_of(root)
    gpu, npu = found.accelerators
    assert ("gpu", [0.55, 0.65, 0.95]) == (gpu.kind, [opp.volt_v for opp in gpu.opps])
    assert ("npu", [0.8, 0.8]) == (npu.kind, [opp.volt_v for opp in npu.opps])
    assert (415_000_000, 830_000_000, 1_866_000_000) == found.memory.freqs_hz


def test_a_fan_makes_its_cooling_the_first(tmp_path: Path) -> None:
    """What the machine seems to have comes first."""
    root = FakeRoot(tmp_path)
    assert "passive" == board_of(root).cooling[0].name
    root.write("/sys/devices/virtual/thermal/cooling_device1/type", "pwm-fan")
    assert "fan" == board_of(root).cooling[0].name
