"""The device tree: cells, strings, phandles, and which node is which core's."""

from pathlib import Path

import pytest

from platforms.linux.probe.cpu_nodes import cpu_nodes
from platforms.linux.probe.device_tree import DeviceTree
from tests.platforms.linux.described_machine import hide, set_cells, set_strings
from tests.platforms.linux.fake_root import FakeRoot


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970."""
    return FakeRoot(tmp_path)


def test_cells_are_big_endian_numbers(root: FakeRoot) -> None:
    """As the binding of every property has them."""
    set_cells(root, "clock", rates=(1, 0x80000000))
    clock = DeviceTree(root.path).top.child("clock")
    assert (1, 0x80000000) == clock.cells("rates")
    assert 1 == clock.cell("rates")
    assert 0x180000000 == clock.wide("rates")


def test_what_is_not_there_is_empty(root: FakeRoot) -> None:
    """Every property may be missing, every node too."""
    nowhere = DeviceTree(root.path).top.child("nowhere")
    assert () == nowhere.cells("rates")
    assert nowhere.cell("rates") is None
    assert nowhere.wide("rates") is None
    assert () == nowhere.strings("compatible")
    assert [] == list(nowhere.children())


def test_a_phandle_leads_to_its_node(root: FakeRoot) -> None:
    """Wherever in the tree it lies."""
    set_cells(root, "soc/bus/table", phandle=7)
    node = DeviceTree(root.path).target(7)
    assert node is not None
    assert "table" == node.name
    assert DeviceTree(root.path).target(8) is None


def test_strings_are_divided_by_zero_bytes(root: FakeRoot) -> None:
    """The root node has two: the board's name and the chip's."""
    compatible = DeviceTree(root.path).top.strings("compatible")
    assert ("hisilicon,kirin970-hikey970", "hisilicon,kirin970") == compatible


def test_a_machine_without_a_tree_says_so(tmp_path: Path) -> None:
    """PCs, and boards that boot by ACPI."""
    assert not DeviceTree(tmp_path).is_there


def test_the_kernels_links_say_which_node_is_a_cores(root: FakeRoot) -> None:
    """Not the numbers in the tree."""
    nodes = cpu_nodes(root.path, DeviceTree(root.path), (0, 4))
    assert ("arm,cortex-a53",) == nodes[0].strings("compatible")
    assert ("arm,cortex-a73",) == nodes[4].strings("compatible")


def test_without_links_cores_are_in_the_order_of_their_reg(root: FakeRoot) -> None:
    """``cpu@100`` comes after ``cpu@3``."""
    hide(root, "sys/devices/system/cpu/cpu*/of_node")
    set_cells(root, "cpus/cpu@100", reg=0x100)
    set_strings(root, "cpus/cpu@100", compatible="arm,cortex-x4")
    nodes = cpu_nodes(root.path, DeviceTree(root.path), (0, 8, 9))
    assert ("arm,cortex-a53",) == nodes[0].strings("compatible")
    assert ("arm,cortex-x4",) == nodes[8].strings("compatible")
    assert 9 not in nodes
