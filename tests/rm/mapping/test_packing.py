"""Tests of packing: for every number of cores the groups that need the lowest operating point."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.board import Board
from rm.mapping.demand import Demand, demand
from rm.mapping.packing import groups_of_cores, pack
from rm.mapping.rows import describe
from tests.rm.mapping.demands import BOARDS, SMALL, groups, random_demand, seeds
from tests.rm.readings import HIKEY


def assignments_of(rng: np.random.Generator, board: Board, count: int) -> np.ndarray:
    """Four assignments at random."""
    return rng.integers(0, len(board.clusters), size=(4, count))


@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 9), st.floats(0.1, 3.0))
def test_a_mapping_serves_everybody_or_admits_that_it_does_not(
    rng: np.random.Generator, name: str, count: int, heaviest: float
) -> None:
    """At the operating points that it is described with; and no cluster has more cores than it."""
    board = BOARDS[name]
    asked = random_demand(board, rng, count, heaviest=heaviest)
    assignments = assignments_of(rng, board, count)
    mappings = pack(board, asked, assignments)
    described = describe(board, asked, mappings)
    assert {tuple(row) for row in assignments.tolist()} == {
        tuple(row) for row in mappings.cluster.tolist()
    }
    for at in range(len(mappings)):
        unserved = 0.0
        for (x, group), members in groups(mappings, at).items():
            assert 0 <= group < len(board.clusters[x].cores)
            point = described.opp_index[at, x]
            for k in members:
                unserved += max(0.0, 1.0 - asked.served[x][k, point] / len(members))
        assert unserved == pytest.approx(described.shortfall[at], abs=1e-12)


def partitions(members: Sequence[int]) -> Iterator[list[list[int]]]:
    """All ways to group them."""
    if not members:
        yield []
        return
    first, *rest = members
    for smaller in partitions(rest):
        yield [[first], *smaller]
        for at, group in enumerate(smaller):
            yield [*smaller[:at], [first, *group], *smaller[at + 1 :]]


def lowest_point(asked: Demand, x: int, grouping: list[list[int]]) -> int:
    """The lowest operating point at which a cluster serves all groups."""
    return max(
        (int(asked.least_opp[x][k, len(group)]) for group in grouping for k in group), default=0
    )


@settings(max_examples=150)
@given(seeds(), st.sampled_from(["hikey970", "small"]), st.integers(1, 6), st.floats(0.1, 1.5))
def test_no_grouping_on_as_many_cores_gets_by_with_a_lower_point(
    rng: np.random.Generator, name: str, count: int, heaviest: float
) -> None:
    """Compared with all ways to group the applications, cluster by cluster."""
    board = BOARDS[name]
    asked = random_demand(board, rng, count, heaviest=heaviest)
    for x, cluster in enumerate(board.clusters):
        mappings = pack(board, asked, np.full((1, count), x))
        opps = describe(board, asked, mappings).opp_index[:, x]
        cores = mappings.group.max(axis=1) + 1
        for number in range(1, len(cluster.cores) + 1):
            best = min(
                lowest_point(asked, x, grouping)
                for grouping in partitions(range(count))
                if len(grouping) <= number
            )
            if best < len(cluster.opps):
                assert best == opps[cores <= number].min()


@given(seeds(), st.integers(1, 8))
def test_more_cores_are_used_only_where_that_lowers_the_clock(
    rng: np.random.Generator, count: int
) -> None:
    """So every cluster has few packings, all different."""
    asked = random_demand(HIKEY, rng, count, heaviest=0.4)
    mappings = pack(HIKEY, asked, np.zeros((1, count), dtype=np.int64))
    cores = (mappings.group.max(axis=1) + 1).tolist()
    opps = describe(HIKEY, asked, mappings).opp_index[:, 0].tolist()
    assert cores == sorted(set(cores))
    assert opps == sorted(set(opps), reverse=True)


def test_who_is_most_demanding_depends_on_the_clock() -> None:
    """At a high clock it is who stalls; at the lowest it is another, who must then sit alone."""
    freqs_hz = [np.array(cluster.freqs_hz, dtype=np.float64) for cluster in SMALL.clusters]
    stall = np.array([1e-6, 0.0, 0.0])
    instruction_s = [1.0 / hz[None, :] + stall[:, None] for hz in freqs_hz]
    asked = demand(
        SMALL,
        instruction_s=instruction_s,
        stall_s_per_cycle=stall,
        l2d_per_instruction=np.zeros(3),
        target_ips=1.0 / (np.array([2.05, 1.9, 2.5]) * instruction_s[0][:, 0]),
    )
    assert [1, 0, 2] == asked.served[0][:, 0].argsort().tolist()
    assert [0, 1, 2] == asked.served[0][:, -1].argsort().tolist()
    mappings = pack(SMALL, asked, np.zeros((1, 3), dtype=np.int64))
    lowest = describe(SMALL, asked, mappings).opp_index[:, 0] == 0
    assert [[1, 0, 1]] == mappings.group[lowest].tolist()


def test_too_many_for_a_cluster_are_dealt_out_over_all_its_cores() -> None:
    """Nobody is left out, and the most demanding do not sit together first."""
    asked = random_demand(HIKEY, np.random.default_rng(3), 6, lightest=0.8, heaviest=0.9)
    mappings = pack(HIKEY, asked, np.zeros((1, 6), dtype=np.int64))
    assert 1 == len(mappings)
    assert [1, 1, 2, 2] == sorted(len(members) for members in groups(mappings, 0).values())
    hungriest = asked.served[0][:, -1].argsort()[:4]
    assert 4 == len({int(mappings.group[0, k]) for k in hungriest})
    assert describe(HIKEY, asked, mappings).shortfall[0] > 0.0


def test_the_packings_of_all_clusters_are_combined() -> None:
    """Few cores here and many there, and the other way round."""
    asked = random_demand(HIKEY, np.random.default_rng(8), 8, lightest=0.1, heaviest=0.2)
    both = pack(HIKEY, asked, np.array([[0, 0, 0, 0, 1, 1, 1, 1]]))
    little, big = ({tuple(row) for row in part.tolist()} for part in np.hsplit(both.group, 2))
    assert min(len(little), len(big)) > 1
    assert len(both) == len(little) * len(big)


def test_applications_are_together_that_stand_on_one_core_now() -> None:
    """The present mapping, as a mapping."""
    mappings = groups_of_cores(HIKEY, [5, 0, 5, 7, 3])
    assert [[1, 0, 1, 1, 0]] == mappings.cluster.tolist()
    assert [[1, 0, 1, 3, 3]] == mappings.group.tolist()
