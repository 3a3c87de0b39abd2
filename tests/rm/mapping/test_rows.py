"""Tests of the features: what a mapping looks like to the network."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_runtime.policy_file import Feature
from rm.mapping.demand import MARGIN
from rm.mapping.packing import Mappings, pack
from rm.mapping.rows import describe, table
from tests.rm.mapping.demands import BOARDS, groups, mapping, random_demand, seeds
from tests.rm.readings import HIKEY

NAMES = [feature.name for feature in table(HIKEY)]


def test_the_table_counts_cores_by_cluster_and_clock() -> None:
    """Index, name, unit and range of every column, on a board with 7 and 9 operating points."""
    rows = table(HIKEY)
    assert 2 * (7 + 9) + 2 == len(rows)
    assert list(range(34)) == [feature.index for feature in rows]
    assert Feature(0, "cores_of_little_at_509_mhz", "cores", 0.0, 4.0) == rows[0]
    assert Feature(7, "computing_on_little_at_509_mhz", "cores", 0.0, 4.0) == rows[7]
    assert "l2d_per_s_of_little" == rows[14].name
    assert Feature(23, "cores_of_big_at_2362_mhz", "cores", 0.0, 4.0) == rows[23]
    assert len(set(NAMES)) == len(NAMES)


def random_mappings(rng: np.random.Generator, name: str, count: int) -> Mappings:
    """Five, packed or not."""
    on = BOARDS[name]
    cluster = rng.integers(0, len(on.clusters), size=(5, count))
    sizes = np.array([len(c.cores) for c in on.clusters])
    return Mappings(cluster, rng.integers(0, sizes[cluster]))


@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 7))
def test_features_are_sums_over_the_cores_that_are_in_use(
    rng: np.random.Generator, name: str, count: int
) -> None:
    """Column by column, computed core by core."""
    board = BOARDS[name]
    asked = random_demand(board, rng, count)
    mappings = random_mappings(rng, name, count)
    described = describe(board, asked, mappings)
    columns = {feature.name: feature.index for feature in table(board)}
    assert (5, len(columns)) == described.features.shape
    assert np.float32 == described.features.dtype
    for at in range(5):
        expected = np.zeros(len(columns))
        for (x, _), members in groups(mappings, at).items():
            cluster, point = board.clusters[x], described.opp_index[at, x]
            mhz = cluster.freqs_hz[point] // 1_000_000
            share = 1.0 / len(members)
            busy = share * sum(asked.busy[x][k, point] for k in members)
            l2d_per_s = share * sum(asked.l2d_per_s[x][k, point] for k in members)
            expected[columns[f"cores_of_{cluster.name}_at_{mhz}_mhz"]] += 1.0
            expected[columns[f"computing_on_{cluster.name}_at_{mhz}_mhz"]] += busy
            expected[columns[f"l2d_per_s_of_{cluster.name}"]] += l2d_per_s
        np.testing.assert_allclose(described.features[at], expected, rtol=1e-5)


@given(seeds(), st.integers(1, 8))
def test_features_stay_within_the_ranges_of_the_table(rng: np.random.Generator, count: int) -> None:
    """What the table promises to a network that quantises."""
    asked = random_demand(HIKEY, rng, count, lightest=0.01, heaviest=3.0)
    features = describe(HIKEY, asked, random_mappings(rng, "hikey970", count)).features
    assert (features >= [feature.low for feature in table(HIKEY)]).all()
    assert (features <= [feature.high for feature in table(HIKEY)]).all()


@given(seeds(), st.integers(2, 7))
def test_who_is_called_what_does_not_matter(rng: np.random.Generator, count: int) -> None:
    """The order of the applications, and the numbers of the cores within a cluster."""
    asked = random_demand(HIKEY, rng, count)
    mappings = random_mappings(rng, "hikey970", count)
    order = rng.permutation(count)
    described = describe(HIKEY, asked, mappings)
    names = rng.permutation(4)
    shuffled = Mappings(mappings.cluster[:, order], names[mappings.group[:, order]])
    reordered = type(asked)(
        *(
            tuple(values[order] for values in getattr(asked, field))
            for field in ("served", "busy", "l2d_per_s", "least_opp")
        ),
        asked.memory[order],
    )
    again = describe(HIKEY, reordered, shuffled)
    np.testing.assert_allclose(described.features, again.features, rtol=1e-6)
    np.testing.assert_array_equal(described.opp_index, again.opp_index)


@given(seeds(), st.integers(1, 7))
def test_a_missed_target_is_told_by_its_share(rng: np.random.Generator, count: int) -> None:
    """Also where the others on the cluster keep the clock at its highest."""
    asked = random_demand(HIKEY, rng, count, lightest=0.5, heaviest=3.0)
    mappings = random_mappings(rng, "hikey970", count)
    described = describe(HIKEY, asked, mappings)
    for at in range(5):
        missed = sum(
            max(0.0, 1.0 - asked.served[x][k, -1] / len(members))
            for (x, _), members in groups(mappings, at).items()
            for k in members
        )
        assert missed == pytest.approx(described.shortfall[at], abs=1e-12)


def test_a_cluster_nobody_uses_asks_for_nothing() -> None:
    """No core, no clock, no traffic."""
    asked = random_demand(HIKEY, np.random.default_rng(0), 2)
    described = describe(HIKEY, asked, mapping([1, 1], groups=[[0, 1]]))
    little = [i for i, name in enumerate(NAMES) if "little" in name]
    assert 0 == described.opp_index[0, 0]
    assert not described.features[0, little].any()


def test_sharing_a_core_takes_one_core_at_a_higher_clock() -> None:
    """What the network has to weigh."""
    asked = random_demand(HIKEY, np.random.default_rng(5), 2, lightest=0.1, heaviest=0.3)
    together, apart = describe(
        HIKEY, asked, mapping([0, 0], [0, 0], groups=[[0, 0], [0, 1]])
    ).features[:, :7]
    assert (1.0, 2.0) == (together.sum(), apart.sum())
    assert together.argmax() > apart.argmax()


def test_packings_meet_all_targets_where_that_can_be() -> None:
    """Described so."""
    asked = random_demand(HIKEY, np.random.default_rng(1), 6, heaviest=0.2)
    assignments = np.random.default_rng(2).integers(0, 2, size=(16, 6))
    assert not describe(HIKEY, asked, pack(HIKEY, asked, assignments)).shortfall.any()


@given(seeds(), st.integers(1, 7), st.floats(0.0, 0.3))
def test_a_busy_memory_asks_for_more_clock_and_leaves_less_time_to_compute(
    rng: np.random.Generator, count: int, memory: float
) -> None:
    """Who stalls longer computes for a smaller share of his time."""
    asked = random_demand(HIKEY, rng, count)
    mappings = random_mappings(rng, "hikey970", count)
    idle = describe(HIKEY, asked, mappings)
    busy = describe(HIKEY, replace(asked, memory=np.full(count, memory)), mappings)
    assert (busy.opp_index >= idle.opp_index).all()
    assert (busy.shortfall >= idle.shortfall - 1e-12).all()
    same = (busy.opp_index == idle.opp_index).all(axis=1)
    assert (busy.computing[same] <= idle.computing[same] + 1e-12).all()


# --- threads of one application -------------------------------------------------------------------


@given(seeds(), st.integers(0, 4), st.integers(2, 4))
def test_threads_of_one_application_make_up_for_each_other(
    rng: np.random.Generator, others: int, threads: int
) -> None:
    """What one lacks on a crowded core another may have to spare: their sum is what counts."""
    asked = random_demand(HIKEY, rng, others + threads, lightest=0.3)
    asked = replace(
        asked,
        served=tuple(np.vstack([v[:others], *[v[-1:]] * threads]) for v in asked.served),
        least_opp=tuple(np.vstack([v[:others], *[v[-1:]] * threads]) for v in asked.least_opp),
    )
    cluster = np.zeros((1, others + threads), dtype=np.int64)
    group = rng.integers(0, 4, size=cluster.shape)
    found = describe(HIKEY, asked, Mappings(cluster, group, (threads,)))
    share = found.share[0].copy()
    np.testing.assert_array_equal(describe(HIKEY, asked, Mappings(cluster, group)).share[0], share)
    needs = [asked.least_opp[0][k, round(1.0 / share[k])] for k in range(others)]
    share[others:] = share[others:].mean()
    meets = [served * share[-1] >= 1.0 + MARGIN for served in asked.served[0][-1]]
    needs.append(meets.index(True) if True in meets else 7)
    assert min(max(needs), 6) == found.opp_index[0, 0]
    missed = np.maximum(0.0, 1.0 - asked.served[0][:, 6] * share).sum() if max(needs) == 7 else 0.0
    assert missed == pytest.approx(found.shortfall[0])


def test_who_shares_a_core_with_a_thread_is_helped_by_nobody() -> None:
    """A single one still needs its own core's clock."""
    asked = random_demand(HIKEY, np.random.default_rng(3), 3, lightest=0.1, heaviest=0.3)
    alone = Mappings(np.zeros((1, 3), dtype=np.int64), np.array([[0, 1, 2]]), (2,))
    beside = Mappings(np.zeros((1, 3), dtype=np.int64), np.array([[0, 0, 2]]), (2,))
    opps = [describe(HIKEY, asked, mappings).opp_index[0, 0] for mappings in (alone, beside)]
    assert asked.least_opp[0][0, 1] <= opps[0]
    assert asked.least_opp[0][0, 2] <= opps[1]
