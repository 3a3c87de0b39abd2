"""Tests of the device tree that is made from a board file."""

import pytest

from platforms.board_file import load_board
from tests.rig.device_tree import device_tree, power_coefficient
from tests.rig.places import RIG

BOARD = load_board(str(RIG / "boards" / "rig44.toml"))


def test_the_kernel_is_told_the_power_that_the_plant_uses() -> None:
    """The coefficients that the board file's powers were derived from come out again."""
    assert [100, 436] == [power_coefficient(cluster) for cluster in BOARD.clusters]


def test_every_sensor_is_a_zone_of_the_same_name() -> None:
    """So the daemon finds the board's sensors without being told which is which."""
    text = device_tree(BOARD)
    for sensor in BOARD.sensors:
        assert 1 == text.splitlines().count(f"        {sensor.name} {{")


def test_the_protection_s_sensor_alone_throttles() -> None:
    """One cooling map, with every core in it."""
    text = device_tree(BOARD)
    assert 1 == text.count("cooling-maps")
    assert 8 == text.count("0xffffffff 0xffffffff")


def test_a_board_without_counters_has_none() -> None:
    """The cores stay."""
    assert "pmu" in device_tree(BOARD)
    assert "pmu" not in device_tree(BOARD, pmu=False)


def test_a_frequency_that_the_driver_cannot_count_is_refused() -> None:
    """Naming cluster, requirement and value."""
    with pytest.raises(ValueError, match=r"little\.freq_hz must be a multiple of 24000000"):
        device_tree(load_board("hikey970"))


def test_more_memory_leaves_the_registers_where_they_are() -> None:
    """6 GiB need a cell more; the area is taken out of the first."""
    least, more = (
        device_tree(BOARD).splitlines(),
        device_tree(BOARD, ram_bytes=6 << 30).splitlines(),
    )
    changed = [(a.strip(), b.strip()) for a, b in zip(least, more, strict=True) if a != b]
    assert [
        ("reg = <0x0 0x40000000 0x0 0x40000000>;", "reg = <0x0 0x40000000 0x1 0x80000000>;")
    ] == changed
