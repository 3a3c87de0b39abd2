"""HiKey 970's floorplan as it ships: assumed, and so said, but without contradictions."""

import pytest

from platforms.floorplan.flp_file import read_flp
from platforms.floorplan.shipped import config_path, flp_path, shipped_floorplans


def test_every_shipped_floorplan_brings_its_package_and_says_that_it_is_assumed() -> None:
    """Nobody should take it for a measurement."""
    assert "hikey970" in shipped_floorplans()
    for name in shipped_floorplans():
        config = config_path(name)
        assert config is not None
        for path in (flp_path(name), config):
            assert "ASSUMED" in path.read_text("utf-8").splitlines()[0], path


def test_the_die_is_covered_and_as_large_as_stated() -> None:
    """9.75 x 9.92 mm, without a gap."""
    plan = read_flp(flp_path("hikey970"))
    assert (9.75e-3, 9.92e-3) == pytest.approx((plan.width_m, plan.height_m))
    assert 0 == pytest.approx(plan.gap_share, abs=1e-6)


def test_cores_are_as_large_as_assumed() -> None:
    """A73 1.4 to 1.7 mm2, A53 0.4 to 0.5 mm2, in mm2."""
    plan = read_flp(flp_path("hikey970"))
    area = {block.name: block.area_m2 * 1e6 for block in plan.blocks}
    assert all(0.4 <= area[f"core{i}"] <= 0.5 for i in range(4))
    assert all(1.4 <= area[f"core{i}"] <= 1.7 for i in range(4, 8))
