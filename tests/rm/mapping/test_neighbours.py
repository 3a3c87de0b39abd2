"""Tests of neighbours: which assignments are one step away."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rm.mapping.neighbours import MOST, neighbours


def is_one_step(present: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """One moved, a whole cluster moved, two swapped, or two moved together."""
    moved = [k for k, (a, b) in enumerate(zip(present, other, strict=True)) if a != b]
    sources, targets = {present[k] for k in moved}, {other[k] for k in moved}
    if len(targets) == len(sources) == 1 and len(moved) == present.count(*sources):
        return True
    if len(moved) == 2:
        i, j = moved
        return len(targets) == 1 or (present[i], present[j]) == (other[j], other[i])
    return len(moved) < 2


@given(
    st.integers(1, 3).flatmap(
        lambda x: st.tuples(st.just(x), st.lists(st.integers(0, x - 1), min_size=1, max_size=5))
    )
)
def test_all_that_is_one_step_away_is_there_once(drawn: tuple[int, list[int]]) -> None:
    """And nothing else; the present assignment comes first."""
    clusters, present = drawn
    found = [tuple(row) for row in neighbours(present, clusters).tolist()]
    every = itertools.product(range(clusters), repeat=len(present))
    assert tuple(present) == found[0]
    assert len(set(found)) == len(found)
    assert {other for other in every if is_one_step(tuple(present), other)} == set(found)


@given(st.lists(st.integers(0, 2), min_size=14, max_size=24))
def test_of_many_applications_only_pairs_are_left_out(present: list[int]) -> None:
    """A batch stays within the network's time."""
    found = neighbours(present, 3)
    assert len(found) <= MOST
    rows = {tuple(row) for row in found.tolist()}
    assert len(rows) == len(found)
    for k, home in enumerate(present):
        assert {(*present[:k], x, *present[k + 1 :]) for x in range(3) if x != home} <= rows
    for x in set(present):
        for y in range(3):
            assert tuple(y if home == x else home for home in present) in rows


def test_on_a_board_with_one_cluster_there_is_nowhere_to_go() -> None:
    """But to other cores, of which packing knows."""
    np.testing.assert_array_equal([[0, 0, 0]], neighbours([0, 0, 0], 1))
