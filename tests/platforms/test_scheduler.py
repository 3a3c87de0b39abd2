"""Tests of where threads run: spread out, within what they are allowed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board_file import load_board
from platforms.simulated.scheduler import place_newcomer, place_threads, spread
from tests.platforms.programs import HIKEY

RK3588 = load_board("rk3588")
LITTLE_CORES, BIG_CORES = (cluster.cores for cluster in HIKEY.clusters)
APPLICATIONS = st.lists(
    st.one_of(
        st.tuples(st.just(1), st.integers(0, 7).map(lambda core: (core,))),
        st.tuples(st.integers(2, 6), st.sampled_from([LITTLE_CORES, BIG_CORES])),
    ),
    max_size=8,
)


def test_threads_that_keep_their_core_are_kept_out_of_the_way_of() -> None:
    """A thread in the background weighs little, but an idle core weighs nothing."""
    load = [0.0] * 8
    load[4], load[5], load[6] = 1.0, 0.015, 0.015
    assert [(7,)] == place_threads([(1, BIG_CORES)], 8, load=load)
    assert [(7, 5, 6)] == place_threads([(3, BIG_CORES)], 8, load=load)
    assert [0.0, 0.0, 0.0, 0.0, 1.0, 0.015, 0.015, 0.0] == load


@given(st.integers(1, 9), st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_threads_level_the_load_of_their_cores(threads: int, load: list[float]) -> None:
    """No core takes a thread while another that is allowed has less to do."""
    before = list(load)
    placed = spread(threads, (0, 1, 2, 3), load)
    assert threads == len(placed) == sum(load) - sum(before)
    taken = [load[core] for core in placed]
    assert max(taken) <= min(load) + 1


@given(APPLICATIONS)
def test_every_thread_runs_on_a_core_that_it_may_run_on(
    applications: list[tuple[int, tuple[int, ...]]],
) -> None:
    """In the order of the applications, whoever was placed first."""
    placed = place_threads(applications, 8)
    for (threads, allowed), cores in zip(applications, placed, strict=True):
        assert threads == len(cores)
        assert set(cores) <= set(allowed)


@given(APPLICATIONS)
def test_no_thread_that_could_move_shares_a_core_while_another_is_idle(
    applications: list[tuple[int, tuple[int, ...]]],
) -> None:
    """What a fair scheduler's balancing comes to."""
    placed = place_threads(applications, 8)
    load = Counter(core for cores in placed for core in cores)
    for (threads, allowed), cores in zip(applications, placed, strict=True):
        if threads > 1 and any(load[core] == 0 for core in allowed):
            assert all(load[core] == 1 for core in cores)


def test_a_newcomer_takes_the_least_loaded_core_and_a_big_one_among_equals() -> None:
    """As the kernel starts what nobody placed."""
    assert (4,) == place_newcomer(HIKEY, 1, [])
    assert (5,) == place_newcomer(HIKEY, 1, [4])
    assert (0,) == place_newcomer(HIKEY, 1, [4, 5, 6, 7])
    assert (4,) == place_newcomer(HIKEY, 1, range(8))
    assert (7,) == place_newcomer(HIKEY, 1, [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7])


def test_several_threads_take_the_cluster_with_most_room_for_them() -> None:
    """The strongest one among equals."""
    assert BIG_CORES == place_newcomer(HIKEY, 2, [])
    assert LITTLE_CORES == place_newcomer(HIKEY, 2, [4, 5])
    assert BIG_CORES == place_newcomer(HIKEY, 2, [0, 0, 4, 5])
    assert LITTLE_CORES == place_newcomer(HIKEY, 2, [0, 1, 4, 5, 6])
    assert LITTLE_CORES == place_newcomer(HIKEY, 4, [4])
    assert BIG_CORES == place_newcomer(HIKEY, 4, [4, 4, 4, 0, 1])
    assert BIG_CORES == place_newcomer(HIKEY, 3, [0, 0, 1, 2, 3, *BIG_CORES])


def test_four_threads_do_not_crowd_two_cores_while_four_others_are_idle() -> None:
    """The clusters of a board differ in size."""
    assert RK3588.clusters[0].cores == place_newcomer(RK3588, 4, [])
    assert (6, 7) == place_newcomer(RK3588, 2, [])
    assert (4, 5) == place_newcomer(RK3588, 2, [6])


def test_several_threads_never_start_on_a_cluster_of_one_core() -> None:
    """They could not spread there, and the border between board and governor rules it out."""
    prime = replace(HIKEY.clusters[1], name="prime", cores=(7,))
    board = replace(
        HIKEY, clusters=(HIKEY.clusters[0], replace(prime, name="b", cores=(4, 5, 6)), prime)
    )
    assert (4, 5, 6) == place_newcomer(board, 2, [0, 1, 2, 3, 4, 5, 6])
