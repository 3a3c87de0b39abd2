"""Tests of single moves: the choices of TOP-IL."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rm.mapping.packing import groups_of_cores
from rm.mapping.single_moves import single_moves
from tests.oracle.small_boards import board
from tests.rm.readings import HIKEY


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6))
def test_everybody_can_go_everywhere_alone(present: list[int]) -> None:
    """Each to every other core, the others where they are."""
    found = single_moves(HIKEY, present)
    rows = set(
        zip(map(tuple, found.cluster.tolist()), map(tuple, found.group.tolist()), strict=True)
    )
    expected = set()
    for k, home in enumerate(present):
        for core in range(8):
            if core != home:
                now = groups_of_cores(HIKEY, [*present[:k], core, *present[k + 1 :]])
                expected.add((tuple(now.cluster[0].tolist()), tuple(now.group[0].tolist())))
    assert expected == rows
    assert 7 * len(present) == len(found)


def test_on_a_single_core_there_is_no_move() -> None:
    """No row, but as wide as there are applications."""
    found = single_moves(board(np.random.default_rng(0), sizes=(1,)), [0, 0])
    assert (0, 2) == found.cluster.shape == found.group.shape
