"""Tests of the search: it goes where the network says that it is cooler."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from platforms.board import Board
from platforms.board_file import load_board
from rm.mapping.packing import Mappings, groups_of_cores, pack
from rm.mapping.rows import describe, table
from rm.mapping.search import SHORTFALL_STEP, Heat, Rated, Settling, best_of, search
from rm.mapping.threads import Homes, homes
from tests.rm.mapping.demands import BOARDS, mapping, random_demand, seeds, somewhere
from tests.rm.readings import HIKEY, reading

RK3588 = load_board("rk3588")


class Weighted:
    """A network of one layer: the weights of the features, at random but for all the same board."""

    def __init__(self, board: Board, rng: np.random.Generator) -> None:
        high = np.array([feature.high for feature in table(board)])
        self._weights = (rng.normal(1.0, 0.5, size=len(high)) / high).astype(np.float32)
        self.batches: list[int] = []

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Heat per row, the same in any batch."""
        self.batches.append(len(rows))
        heat: NDArray[np.float32] = (rows * self._weights).sum(axis=1)
        return heat


def rank(rated: Rated) -> tuple[float, float]:
    """Targets first, then heat."""
    return round(rated.shortfall / SHORTFALL_STEP), rated.heat_k


def monotone(board: Board, rng: np.random.Generator) -> Heat:
    """Hotter the more cores run, and the higher their operating points; nothing else counts."""
    weights = np.zeros(len(table(board)), dtype=np.float32)
    column = 0
    for cluster in board.clusters:
        points = len(cluster.freqs_hz)
        weights[column : column + points] = rng.uniform(0.1, 1.0, size=points).cumsum()
        column += 2 * points + 1

    def heat(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = (rows * weights).sum(axis=1)
        return found

    return heat


@settings(max_examples=60)
@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 8), st.floats(0.1, 2.0))
def test_who_settles_near_ties_chooses_as_if_nothing_were_rounded(
    rng: np.random.Generator, name: str, count: int, heaviest: float
) -> None:
    """However the rounding falls, as long as it is half of what is rated again at most."""
    board = BOARDS[name]
    asked, heat = random_demand(board, rng, count, heaviest=heaviest), Weighted(board, rng)
    start = somewhere(board, rng, count)
    exact = search(board, asked, start, heat, steps=4)
    off = 0.2 * abs(exact[1].heat_k)

    def rounded(rows: np.ndarray) -> np.ndarray:
        return heat(rows) + rng.uniform(-off, off, len(rows)).astype(np.float32)

    settling = Settling(heat, 2.001 * off)
    assert exact == search(board, asked, start, rounded, steps=4, settling=settling)
    here = pack(board, asked, start.cluster)
    found = best_of(board, asked, here, rounded, settling=settling)
    assert best_of(board, asked, here, heat) == found


@settings(max_examples=60)
@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 8), st.floats(0.1, 2.0))
def test_what_it_finds_is_never_worse_than_its_start(
    rng: np.random.Generator, name: str, count: int, heaviest: float
) -> None:
    """And every further step is for the better."""
    board = BOARDS[name]
    asked, heat = random_demand(board, rng, count, heaviest=heaviest), Weighted(board, rng)
    start = somewhere(board, rng, count)
    found = [search(board, asked, start, heat, steps=steps) for steps in (1, 2, 4)]
    assert {found[0][0]} == {now for now, _ in found}
    assert tuple(start.cluster[0].tolist()) == found[0][0].cluster
    ranks = [rank(found[0][0]), *(rank(best) for _, best in found)]
    assert ranks == sorted(ranks, reverse=True)


@settings(max_examples=40)
@given(seeds(), st.sampled_from(["hikey970", "small", "uneven"]), st.integers(1, 5))
def test_where_every_core_and_point_counts_nothing_cooler_exists(
    rng: np.random.Generator, name: str, count: int
) -> None:
    """Compared with all packings of all assignments, in one step from anywhere."""
    board = BOARDS[name]
    asked, heat = random_demand(board, rng, count, heaviest=0.7), monotone(board, rng)
    every = np.array(list(itertools.product(range(2), repeat=count)))
    best = best_of(board, asked, pack(board, asked, every), heat)
    _, found = search(board, asked, somewhere(board, rng, count), heat, steps=1)
    assert rank(found) <= rank(best)


@settings(max_examples=40)
@given(seeds(), st.integers(1, 2))
def test_where_nobody_can_be_served_two_are_still_placed_best_of_all(
    rng: np.random.Generator, count: int
) -> None:
    """The least is missed that can be."""
    asked = random_demand(HIKEY, rng, 9, lightest=1.2, heaviest=2.0).first(count)
    heat = Weighted(HIKEY, rng)
    every = np.array(list(itertools.product(range(2), repeat=count)))
    best = best_of(HIKEY, asked, pack(HIKEY, asked, every), heat)
    _, found = search(HIKEY, asked, mapping([0] * count, groups=[[0] * count]), heat, steps=1)
    assert rank(best)[0] == rank(found)[0]


@settings(max_examples=30)
@given(seeds(), st.integers(21, 30))
def test_more_than_can_be_chosen_from_are_moved_too(rng: np.random.Generator, count: int) -> None:
    """Around where they are, step by step: nothing is worse than all packings of the start."""
    asked = random_demand(HIKEY, rng, count, lightest=0.02, heaviest=0.3)
    heat, start = Weighted(HIKEY, rng), somewhere(HIKEY, rng, count)
    here = best_of(HIKEY, asked, pack(HIKEY, asked, start.cluster), heat)
    _, found = search(HIKEY, asked, start, heat, steps=1)
    assert rank(found) <= rank(here)


@given(seeds(), st.integers(1, 8))
def test_the_figures_of_the_best_are_its_own(rng: np.random.Generator, count: int) -> None:
    """Shortfall and heat belong to the mapping that is returned."""
    asked, heat = random_demand(HIKEY, rng, count, heaviest=2.0), Weighted(HIKEY, rng)
    for found in search(HIKEY, asked, somewhere(HIKEY, rng, count), heat, steps=3):
        again = best_of(HIKEY, asked, mapping(found.cluster, groups=[found.group]), heat)
        assert found.cluster == again.cluster
        assert found.shortfall == pytest.approx(again.shortfall, abs=1e-12)
        assert found.heat_k == pytest.approx(again.heat_k, rel=1e-5, abs=1e-6)


def test_targets_come_before_heat() -> None:
    """However cool a mapping is that misses one."""
    asked = random_demand(HIKEY, np.random.default_rng(0), 2, lightest=0.85, heaviest=0.9)
    crowded, apart = mapping([0, 0], groups=[[0, 0]]), mapping([1, 1], groups=[[0, 1]])
    both = mapping([0, 0], [1, 1], groups=[[0, 0], [0, 1]])
    shortfalls = [describe(HIKEY, asked, one).shortfall[0] for one in (crowded, apart)]
    assert shortfalls[0] > 0.0 == shortfalls[1]

    def cooler_on_little(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        heat: NDArray[np.float32] = -rows[:, :7].sum(axis=1)
        return heat

    assert (1, 1) == best_of(HIKEY, asked, both, cooler_on_little).cluster


def test_shortfalls_that_estimates_cannot_tell_apart_count_as_equal() -> None:
    """Then the cooler one is chosen."""
    one = Rated((0,), (0,), 0.2 * SHORTFALL_STEP, 5.0)
    other = Rated((1,), (0,), 0.4 * SHORTFALL_STEP, 4.0)
    assert other.rank < one.rank
    assert one.rank < Rated((1,), (0,), 0.6 * SHORTFALL_STEP, 4.0).rank


def test_two_clusters_take_one_batch_and_more_of_them_end_where_nothing_is_better() -> None:
    """The batches are counted: with three clusters one more, to see that it is there."""
    for board, most in ((HIKEY, 1), (RK3588, 20)):
        rng = np.random.default_rng(4)
        asked, heat = random_demand(board, rng, 5, heaviest=0.5), Weighted(board, rng)
        start = somewhere(board, rng, 5)
        found = search(board, asked, start, heat, steps=20)
        used = len(heat.batches)
        assert 1 <= used <= most
        assert (used > 1) == (board is RK3588)
        assert found == search(board, asked, start, heat, steps=max(1, used - 1))


def a_team_of_four(gain_per_thread_k: float = 0.0) -> Homes:
    """Beside three applications on two clusters."""
    singles = [reading(number, cores=(core,)) for number, core in enumerate((0, 4, 1))]
    several = reading(3, cores=(0, 1, 2, 3), threads=4)
    return homes(HIKEY, singles, [several], gain_per_thread_k=gain_per_thread_k)


@settings(max_examples=30)
@given(seeds())
def test_a_team_is_rated_as_it_is_now_and_in_every_way_beside_others(
    rng: np.random.Generator,
) -> None:
    """One batch: the present mapping, and each other one with the team here and there, twice."""
    asked, heat = random_demand(HIKEY, rng, 7, heaviest=0.4), Weighted(HIKEY, rng)
    where, start = a_team_of_four(), groups_of_cores(HIKEY, [0, 4, 1])
    first, found = search(HIKEY, asked, start, heat, steps=1, homes=where)
    assert [1] == [batch % 4 for batch in heat.batches]
    assert (0, 1, 0, 0, 0, 0, 0) == first.cluster
    assert first == best_of(HIKEY, asked, where.present, heat)
    assert 1 == len(set(found.cluster[3:]))
    whole = Mappings(np.array([found.cluster]), np.array([found.group]), (4,))
    again = best_of(HIKEY, asked, whole, heat)
    assert found.shortfall == pytest.approx(again.shortfall, abs=1e-12)
    assert found.heat_k == pytest.approx(again.heat_k, rel=1e-5, abs=1e-6)
    assert rank(found) <= rank(first)


def test_threads_that_leave_their_cluster_must_gain() -> None:
    """On LITTLE a core is 1 K hotter: worth it for four threads that must gain 0.9 K each."""
    asked = random_demand(HIKEY, np.random.default_rng(0), 7, lightest=0.01, heaviest=0.02)

    def little_is_hot(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        heat: NDArray[np.float32] = rows[:, :7].sum(axis=1)
        return heat

    start = groups_of_cores(HIKEY, [4, 4, 4])
    for gain_k, home in ((0.9, 1), (1.1, 0)):
        where = a_team_of_four(gain_k)
        mappings = mapping([1, 1, 1], groups=[[0, 0, 0]])
        assert home == best_of(HIKEY, asked, mappings, little_is_hot, homes=where).cluster[-1]
        _, found = search(HIKEY, asked, start, little_is_hot, steps=3, homes=where)
        assert home == found.cluster[-1]


def test_a_team_alone_has_nothing_to_divide() -> None:
    """Four ways in one batch: here or there, apart or among nobody."""
    asked, heat = random_demand(HIKEY, np.random.default_rng(0), 2), Weighted(HIKEY, seeded())
    several = reading(3, cores=(0, 1, 2, 3), threads=2)
    where = homes(HIKEY, [], [several], gain_per_thread_k=0.0)
    first, found = search(HIKEY, asked, groups_of_cores(HIKEY, []), heat, steps=8, homes=where)
    assert [5] == heat.batches
    assert (0, 0) == first.cluster
    assert found.cluster in {(0, 0), (1, 1)}


def seeded() -> np.random.Generator:
    """Dice that fall alike."""
    return np.random.default_rng(0)


def test_no_step_at_all_is_refused() -> None:
    """There would be nothing to return."""
    asked = random_demand(HIKEY, np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match=r"steps must be 1 or more \(got 0\)"):
        search(HIKEY, asked, groups_of_cores(HIKEY, [0]), lambda rows: rows[:, 0], steps=0)
