"""Tests of seats: which core every group of a mapping gets."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.board import Board
from rm.mapping.packing import groups_of_cores
from rm.mapping.seats import seats
from tests.rm.mapping.demands import BOARDS, seeds
from tests.rm.readings import HIKEY

Mapping = tuple[list[int], list[int]]


def random_mapping(board: Board, rng: np.random.Generator, count: int) -> Mapping:
    """Clusters and groups, as many groups as there are cores at most."""
    cluster = rng.integers(0, len(board.clusters), size=count).tolist()
    return cluster, [int(rng.integers(len(board.clusters[x].cores))) for x in cluster]


def stay(chosen: Sequence[int], present: Sequence[int]) -> int:
    """How many need not move."""
    return sum(a == b for a, b in zip(chosen, present, strict=True))


def most_that_can_stay(
    board: Board, cluster: Sequence[int], group: Sequence[int], present: Sequence[int]
) -> int:
    """Over all ways to give a cluster's cores to its groups."""
    total = 0
    for x, described in enumerate(board.clusters):
        names = sorted({g for at, g in zip(cluster, group, strict=True) if at == x})
        total += max(
            sum(
                way[names.index(g)] == core
                for at, g, core in zip(cluster, group, present, strict=True)
                if at == x
            )
            for way in itertools.permutations(described.cores, len(names))
        )
    return total


@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(0, 12))
def test_groups_get_cores_of_their_cluster_and_never_share_one(
    rng: np.random.Generator, name: str, count: int
) -> None:
    """Together stay together, apart stay apart."""
    board = BOARDS[name]
    cluster, group = random_mapping(board, rng, count)
    present = rng.integers(0, board.core_count, size=count).tolist()
    chosen = seats(board, cluster=cluster, group=group, present=present)
    assert cluster == [board.cluster_of_core[core] for core in chosen]
    for i, j in itertools.combinations(range(count), 2):
        together = (cluster[i], group[i]) == (cluster[j], group[j])
        assert together == (chosen[i] == chosen[j])


@given(st.lists(st.integers(0, 7), max_size=12))
def test_the_present_mapping_moves_nobody(present: list[int]) -> None:
    """Whatever its groups are called."""
    if not present:
        return
    now = groups_of_cores(HIKEY, present)
    (cluster,), (group,) = now.cluster.tolist(), now.group.tolist()
    renamed = [3 - number for number in group]
    for names in (group, renamed):
        assert present == seats(HIKEY, cluster=cluster, group=names, present=present)


@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 12))
def test_at_least_half_of_those_who_could_stay_do(
    rng: np.random.Generator, name: str, count: int
) -> None:
    """The strongest claim first is no optimum, but never worse than that."""
    board = BOARDS[name]
    cluster, group = random_mapping(board, rng, count)
    present = rng.integers(0, board.core_count, size=count).tolist()
    chosen = seats(board, cluster=cluster, group=group, present=present)
    most = most_that_can_stay(board, cluster, group, present)
    assert stay(chosen, present) <= most <= 2 * stay(chosen, present)


@pytest.mark.parametrize("count", [4, 8, 12])
def test_after_a_step_of_the_search_hardly_anybody_moves_in_vain(count: int) -> None:
    """Two applications are put elsewhere in the present mapping: the least moves in 97 of 100."""
    rng = np.random.default_rng(count)
    least = 0
    for _ in range(300):
        present = rng.integers(0, 8, size=count).tolist()
        now = groups_of_cores(HIKEY, present)
        (cluster,), (group,) = now.cluster.tolist(), now.group.tolist()
        for k in rng.choice(count, size=2, replace=False):
            cluster[k], group[k] = int(rng.integers(2)), int(rng.integers(4))
        chosen = seats(HIKEY, cluster=cluster, group=group, present=present)
        least += stay(chosen, present) == most_that_can_stay(HIKEY, cluster, group, present)
    assert least >= 291


def test_the_larger_part_of_a_core_keeps_it() -> None:
    """Three sit together; the one who leaves them is the one who moves."""
    chosen = seats(HIKEY, cluster=[0, 0, 0, 0], group=[1, 0, 0, 2], present=[2, 2, 2, 3])
    assert [2, 2, 3] == chosen[1:]
    assert chosen[0] in (0, 1)
