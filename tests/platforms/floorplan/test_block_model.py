"""The block model obeys physics, whatever the chip: no number here comes from HotSpot."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from platforms.errors import InvalidInput
from platforms.floorplan.block_model import CAPACITY_FACTOR, block_network
from platforms.floorplan.package import Layer, Package
from platforms.floorplan.plan import Block, Floorplan
from tests.platforms.floorplan.random_chips import powered_chips

Chip = tuple[Floorplan, Package, list[float]]


def moved(plan: Floorplan, place: str) -> Floorplan:
    """The floorplan seen in a mirror (``left-right``), or with its axes swapped (``diagonal``)."""
    if place == "left-right":
        return Floorplan.of(
            tuple(replace(b, left_m=plan.width_m - b.left_m - b.width_m) for b in plan.blocks)
        )
    return Floorplan.of(
        tuple(Block(b.name, b.height_m, b.width_m, b.bottom_m, b.left_m) for b in plan.blocks)
    )


@given(powered_chips())
def test_all_heat_that_is_made_goes_to_the_air(chip: Chip) -> None:
    """The flows to the air sum to the power, gaps or not."""
    plan, package, power_w = chip
    network = block_network(plan, package)
    rise = network.rise(np.array(power_w))
    assert sum(power_w) == pytest.approx(float(network.to_air @ rise), rel=1e-7)


@given(powered_chips())
def test_no_node_is_hotter_than_the_hottest_block_nor_colder_than_the_air(chip: Chip) -> None:
    """Heat flows down only."""
    plan, package, power_w = chip
    rise = block_network(plan, package).rise(np.array(power_w))
    assert rise.min() > 0
    assert len(plan.blocks) > int(np.argmax(rise))


@pytest.mark.parametrize("place", ["left-right", "diagonal"])
@given(chip=powered_chips())
@settings(max_examples=40)
def test_a_mirrored_chip_has_the_same_temperatures(place: str, chip: Chip) -> None:
    """East and west, north and south, x and y are treated alike."""
    plan, package, power_w = chip
    n = len(power_w)
    rise = block_network(plan, package).rise(np.array(power_w))
    mirrored = block_network(moved(plan, place), package).rise(np.array(power_w))
    np.testing.assert_allclose(mirrored[: 4 * n], rise[: 4 * n], rtol=1e-7)


@given(powered_chips(gaps=False))
def test_heat_capacity_is_that_of_all_material_by_the_fitting_factor(chip: Chip) -> None:
    """Silicon and interface are as large as the die, spreader and sink as the package says."""
    plan, package, _ = chip
    die_m2 = plan.width_m * plan.height_m
    whole = (
        package.chip.heat_j_per_m3_k * package.chip.thickness_m * die_m2
        + package.interface.heat_j_per_m3_k * package.interface.thickness_m * die_m2
        + package.spreader.heat_j_per_m3_k
        * package.spreader.thickness_m
        * package.spreader_side_m**2
        + package.sink.heat_j_per_m3_k * package.sink.thickness_m * package.sink_side_m**2
        + package.convection_j_per_k
    )
    square = abs(plan.width_m - plan.height_m) < 1e-9 or package.spreader_side_m > max(
        plan.width_m, plan.height_m
    )
    capacity = float(block_network(plan, package).capacity.sum())
    assert CAPACITY_FACTOR * whole == pytest.approx(capacity, rel=1e-9) or not square


def test_a_chip_of_one_block_as_large_as_its_sink_is_a_stack_of_resistances() -> None:
    """Nothing can spread: the rise follows from thickness over conductivity and area alone."""
    side_m = 0.01
    package = Package(spreader_side_m=side_m, sink_side_m=side_m, convection_k_per_w=1.5)
    plan = Floorplan.of((Block("all", side_m, side_m, 0.3, -0.2),))
    network = block_network(plan, package)
    layers = (package.chip, package.interface, package.spreader, package.sink)
    stack = sum(x.thickness_m / (x.conductivity_w_per_m_k * side_m**2) for x in layers)
    assert 2.0 * (stack + 1.5) == pytest.approx(network.rise(np.array([2.0]))[0])
    assert ("all", "iface_all", "hsp_all", "hsink_all") == network.without_massless().names


def test_a_die_that_rounding_makes_a_hair_smaller_than_its_spreader_is_as_large() -> None:
    """Such a sliver would be a node without heat capacity, and ruin the steps of all others."""
    side_m = 0.01
    package = Package(spreader_side_m=side_m, sink_side_m=side_m)
    plan = Floorplan.of((Block("all", side_m - 1e-15, side_m - 1e-15, 0, 0),))
    assert 4 == len(block_network(plan, package).without_massless().names)


@pytest.mark.parametrize(
    "better",
    [
        {"sink": Layer(6.9e-3, 800.0, 3.55e6)},
        {"spreader_side_m": 0.05},
        {"convection_k_per_w": 0.09},
    ],
)
def test_a_better_package_keeps_a_chip_cooler(better: dict[str, Any]) -> None:
    """A sink of diamond, a larger spreader, or a smaller resistance to the air."""
    plan = Floorplan.of((Block("a", 5e-3, 8e-3, 0, 0), Block("b", 5e-3, 8e-3, 5e-3, 0)))
    power_w = np.array([30.0, 1.0])
    before, after = (
        block_network(plan, package).rise(power_w)[:2].max()
        for package in (Package(), replace(Package(), **better))
    )
    assert after < before


def test_finer_blocks_agree_better_and_better() -> None:
    """A die heated on its left half: cutting its blocks finer changes less and less."""

    def middle_rise(cuts: int) -> float:
        width = 8e-3 / cuts
        blocks = tuple(Block(f"b{i}", width, 8e-3, i * width, 0) for i in range(cuts))
        power_w = np.where(np.arange(cuts) < cuts // 2, 40.0 / cuts, 0.0)
        rise = block_network(Floorplan.of(blocks), Package()).rise(power_w)
        return float(rise[: cuts // 2].mean())

    coarse, middle, fine, finest = (middle_rise(cuts) for cuts in (4, 8, 16, 32))
    assert abs(finest - fine) < abs(fine - middle) < abs(middle - coarse)


def test_lateral_silicon_can_be_left_out() -> None:
    """`-block_omit_lateral 1`: blocks then meet in the layers below only, and differ more."""
    plan = Floorplan.of((Block("a", 5e-3, 8e-3, 0, 0), Block("b", 5e-3, 8e-3, 5e-3, 0)))
    full, bare = (
        block_network(plan, Package(omit_lateral=omit)).rise(np.array([30.0, 0.0]))
        for omit in (False, True)
    )
    assert bare[0] - bare[1] > full[0] - full[1]


def test_blocks_that_meet_in_a_corner_do_not_touch() -> None:
    """Heat flows through edges."""
    plan = Floorplan.of((Block("a", 1e-3, 1e-3, 0, 0), Block("b", 1e-3, 1e-3, 1e-3, 1e-3)))
    assert 0 == block_network(plan, Package()).links[0, 1]
    assert 0.5 == pytest.approx(plan.gap_share)


@pytest.mark.parametrize("key", ["s_spreader", "s_sink"])
def test_a_die_beyond_its_package_is_refused(key: str) -> None:
    """A block that lies outside, or a length in another unit."""
    plan = Floorplan.of((Block("a", 0.02, 0.02, 0, 0), Block("far", 0.001, 0.001, 0.2, 0)))
    package = replace(Package(), **({} if key == "s_spreader" else {"spreader_side_m": 0.3}))
    with pytest.raises(InvalidInput, match=rf"the die must lie within {key} = .*0\.201 x 0\.02 m"):
        block_network(plan, package)


def test_names_that_would_make_two_nodes_one_are_refused() -> None:
    """HotSpot names nodes after blocks."""
    plan = Floorplan.of((Block("a", 1e-3, 1e-3, 0, 0), Block("iface_a", 1e-3, 1e-3, 1e-3, 0)))
    with pytest.raises(InvalidInput, match="got 'iface_a'"):
        block_network(plan, Package())


@given(powered_chips())
def test_leaving_out_nodes_without_heat_capacity_changes_no_temperature(chip: Chip) -> None:
    """An equivalent network, with all heat still going to the air."""
    plan, package, power_w = chip
    network = block_network(plan, package)
    small = network.without_massless()
    assert (small.capacity > 0).all()
    kept = network.rise(np.array(power_w))[network.massive]
    np.testing.assert_allclose(small.rise(np.array(power_w)), kept, rtol=1e-7)
    assert network.to_air.sum() == pytest.approx(small.to_air.sum())
