"""Tests of the sampling designs: what each visits, and what is no design."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.errors import InvalidInput
from traces.designs import Points, check_design, design_points

AXES = ((0, 1, 2, 3, 4, 5, 6), (0, 2, 4, 8))


def points(name: str, axes: tuple[tuple[int, ...], ...] = AXES, seed: int = 0) -> Points:
    """A design's points."""
    return design_points(name, axes, np.random.default_rng(seed))


@given(
    name=st.sampled_from(["full", "corners", "axes", "latin:2", "latin:5", "corners+latin:3"]),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_design_visits_points_of_the_grid_each_once_and_in_its_order(
    name: str, lengths: list[int], seed: int
) -> None:
    """On boards of one, two and three clusters, whatever their number of points."""
    axes = tuple(tuple(range(0, 2 * length, 2)) for length in lengths)
    found, full = points(name, axes, seed), points("full", axes)
    assert found
    assert sorted(set(found)) == list(found)
    assert set(found) <= set(full)
    assert found == points(name, axes, seed)


def test_full_is_the_product_and_corners_its_extremes() -> None:
    """The yardstick, and the fewest runs."""
    assert 28 == len(points("full"))
    assert ((0, 0), (0, 8), (6, 0), (6, 8)) == points("corners")


def test_axes_moves_one_cluster_at_a_time() -> None:
    """The others at their lowest."""
    expected = {(i, 0) for i in AXES[0]} | {(0, j) for j in AXES[1]}
    assert expected == set(points("axes"))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_a_latin_design_covers_the_range_of_every_cluster(count: int) -> None:
    """Lowest and highest are always there, and no point of an axis far more often than others."""
    for seed in range(20):
        found = points(f"latin:{count}", seed=seed)
        assert count == len(found)
        for axis, column in zip(AXES, zip(*found, strict=True), strict=True):
            assert {axis[0], axis[-1]} <= set(column)
            counts = [column.count(point) for point in set(column)]
            assert max(counts) - min(counts) <= 1


def test_more_points_than_the_grid_has_are_the_whole_grid_at_most() -> None:
    """Nobody is told off for asking a small board for many."""
    assert len(points("latin:1000", ((0, 1), (0, 1)))) <= 4


@pytest.mark.parametrize("name", ["", "half", "latin", "latin:1", "latin:x", "corners:2", "full+"])
def test_what_is_no_design_is_told_with_those_that_are(name: str) -> None:
    """In one line."""
    with pytest.raises(InvalidInput, match="--design must be full, corners, axes, latin:N or cor"):
        check_design(name)
