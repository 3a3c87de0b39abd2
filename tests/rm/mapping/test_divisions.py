"""Tests of divisions: who gains most by a cluster goes there, in any number."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from platforms.board_file import load_board
from rm.mapping.divisions import divisions
from tests.rm.mapping.demands import BOARDS, SMALL, random_demand, seeds


@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 8))
def test_each_is_there_once_and_all_on_one_cluster_is_among_them(
    rng: np.random.Generator, name: str, count: int
) -> None:
    """From all on the first cluster to all on the last."""
    found = [tuple(row) for row in divisions(random_demand(BOARDS[name], rng, count)).tolist()]
    assert len(set(found)) == len(found)
    assert {(x,) * count for x in range(2)} <= set(found)


@given(seeds(), st.integers(2, 8))
def test_who_gains_most_at_the_lowest_clocks_goes_first(
    rng: np.random.Generator, count: int
) -> None:
    """Any number of them."""
    asked = random_demand(SMALL, rng, count)
    found = {tuple(row) for row in divisions(asked).tolist()}
    gains = np.argsort(-asked.served[1][:, 0] / asked.served[0][:, 0], kind="stable")
    for first in range(count + 1):
        assert tuple(int(k in gains[:first]) for k in range(count)) in found


def test_with_three_clusters_each_pair_is_divided() -> None:
    """Nobody is on the third."""
    board = load_board("rk3588")
    clusters = len(board.clusters)
    found = divisions(random_demand(board, np.random.default_rng(0), 4))
    pairs = {tuple(sorted(set(row))) for row in found.tolist()}
    assert {(a, b) for a in range(clusters) for b in range(a + 1, clusters)} <= pairs
    assert all(len(pair) <= 2 for pair in pairs)
