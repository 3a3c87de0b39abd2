"""Tests of power: the board file's numbers come out at the point for which they hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board_file import load_board, shipped_boards
from platforms.simulated.power import PowerModel, busy_activity
from tests.platforms.programs import BIG, HIKEY, LITTLE

MODEL = PowerModel(HIKEY)
ACTIVITY = st.lists(st.one_of(st.none(), st.floats(0.05, 1.0)), min_size=8, max_size=8)


@pytest.mark.parametrize("name", shipped_boards())
@given(share=st.floats(0.0, 1.0), opp=st.integers(0, 6))
def test_a_core_that_is_busy_for_a_part_takes_that_part_of_its_power(
    name: str, share: float, opp: int
) -> None:
    """And waits or sleeps for the rest; so does its cluster."""
    board = load_board(name)
    model = PowerModel(board)
    opps = [min(opp, len(cluster.opps) - 1) for cluster in board.clusters]
    rest: list[float | None] = [None] * (board.core_count - 1)

    def total_w(activity: float | None, busy: float) -> float:
        load = model.load(opps, [activity, *rest], [busy] + [0.0] * (board.core_count - 1))
        return float(load.dynamic_w.sum() + load.leakage_w.sum())

    mixed_w = share * total_w(1.0, 1.0) + (1 - share) * total_w(None, 0.0)
    assert total_w(share, share) == pytest.approx(mixed_w)


@pytest.mark.parametrize("name", shipped_boards())
def test_one_busy_core_takes_its_busy_power_and_its_clusters_at_the_reference_temperature(
    name: str,
) -> None:
    """The sum that the board file was made from; who cannot sleep takes what waiting costs."""
    board = load_board(name)
    model = PowerModel(board)
    for index, cluster in enumerate(board.clusters):
        awake = [(i, other) for i, other in enumerate(board.clusters) if not other.idle_states]
        waiting_w = sum(
            other.core_wfi_w * (len(other.cores) - (i == index))
            + other.cluster_idle_w * (i != index)
            for i, other in awake
        )
        for opp, point in enumerate(cluster.opps):
            opps = [0] * len(board.clusters)
            opps[index] = opp
            activity: list[float | None] = [None] * board.core_count
            activity[cluster.cores[0]] = 1.0
            load = model.load(opps, activity)
            total_w = load.dynamic_w.sum() + load.leakage_w.sum()
            busy_w = point.core_busy_w + point.cluster_busy_w
            assert total_w == pytest.approx(busy_w + waiting_w)
            assert model.core_dynamic_w(index, opp) + model.core_leakage_w(
                index, opp
            ) == pytest.approx(point.core_busy_w)
            assert model.cluster_shared_w(index, opp) == point.cluster_busy_w


def test_a_sleeping_board_takes_nothing() -> None:
    """No core, no cluster, no leakage."""
    load = MODEL.load((6, 8), [None] * 8)
    assert 0.0 == load.dynamic_w.sum() == load.leakage_w.sum()


def test_cores_that_cannot_sleep_cost_their_wfi_power_and_idle_clusters_theirs() -> None:
    """A board without idle states clocks its cores down to WFI and no further."""
    restless = replace(HIKEY.clusters[BIG], idle_states=())
    board = replace(HIKEY, clusters=(HIKEY.clusters[LITTLE], restless))
    model = PowerModel(board)
    idle = model.load((0, 4), [None] * 8)
    names = [node.name for node in board.thermal.nodes]
    by_node = dict(zip(names, idle.dynamic_w, strict=True))
    assert [0.0] * 4 == [by_node[f"core{core}"] for core in range(4)]
    assert [restless.core_wfi_w] * 4 == [by_node[f"core{core}"] for core in range(4, 8)]
    assert restless.cluster_idle_w == pytest.approx(by_node[board.thermal.cluster_node])
    assert 0.0 == idle.leakage_w.sum()  # it is inside the WFI power
    busy = model.load((0, 4), [*[None] * 4, 1.0, None, None, None])
    point = restless.opps[4]
    expected_w = point.core_busy_w + point.cluster_busy_w + 3 * restless.core_wfi_w
    assert expected_w == pytest.approx(busy.dynamic_w.sum() + busy.leakage_w.sum())


def test_a_clusters_shared_part_heats_its_node_once_however_many_cores_work() -> None:
    """It is the cluster's, not the cores'."""
    node = [n.name for n in HIKEY.thermal.nodes].index(HIKEY.thermal.cluster_node)
    shared_w = HIKEY.clusters[BIG].opps[4].cluster_busy_w
    for busy in (1, 4):
        load = MODEL.load((0, 4), [*[None] * 4, *[1.0] * busy, *[None] * (4 - busy)])
        assert shared_w == pytest.approx(load.dynamic_w[node])


@given(ACTIVITY, st.integers(0, 5), st.integers(0, 7))
def test_power_rises_with_the_operating_point(
    activity: list[float | None], little: int, big: int
) -> None:
    """Frequency and voltage never fall from point to point, so power does not either."""
    before, after = MODEL.load((little, big), activity), MODEL.load((little + 1, big + 1), activity)
    assert (after.dynamic_w >= before.dynamic_w).all()
    assert (after.leakage_w >= before.leakage_w).all()


@given(ACTIVITY, st.integers(0, 7))
def test_waking_a_core_heats_that_core_and_the_shared_node_only(
    activity: list[float | None], core: int
) -> None:
    """Dynamic power is where the work is."""
    asleep, awake = list(activity), list(activity)
    asleep[core], awake[core] = None, 0.5
    more_w = MODEL.load((3, 3), awake).dynamic_w - MODEL.load((3, 3), asleep).dynamic_w
    names = [node.name for node in HIKEY.thermal.nodes]
    heated = {names[i] for i in np.flatnonzero(np.abs(more_w) > 1e-12)}
    assert {f"core{core}"} <= heated <= {f"core{core}", HIKEY.thermal.cluster_node}


@given(st.floats(0.1, 1.0), st.floats(0.0, 1.0))
def test_activity_lies_between_the_clusters_floor_and_the_programs_own(
    activity: float, busy_share: float
) -> None:
    """A core that only waits still switches something."""
    for cluster in HIKEY.clusters:
        active = busy_activity(cluster, activity, busy_share)
        low = activity * cluster.activity_floor
        assert low * (1 - 1e-12) <= active <= activity * (1 + 1e-12)


def test_a_big_core_takes_more_than_a_little_one() -> None:
    """At their highest points, at equal activity."""
    little, big = (
        MODEL.core_dynamic_w(cluster, len(HIKEY.clusters[cluster].opps) - 1)
        for cluster in (LITTLE, BIG)
    )
    assert big > 3 * little
