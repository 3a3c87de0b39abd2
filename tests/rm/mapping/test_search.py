"""Tests of the local search: it goes where the network says that it is cooler."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from platforms.board import Board
from rm.mapping.demand import Demand
from rm.mapping.divisions import divisions
from rm.mapping.packing import groups_of_cores, pack
from rm.mapping.rows import describe, table
from rm.mapping.search import SHORTFALL_STEP, Rated, Settling, best_of, search
from rm.mapping.threads import with_threads
from tests.rm.mapping.demands import BOARDS, mapping, random_demand, seeds
from tests.rm.readings import HIKEY


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


@settings(max_examples=60)
@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 8), st.floats(0.1, 2.0))
def test_who_settles_near_ties_chooses_as_if_nothing_were_rounded(
    rng: np.random.Generator, name: str, count: int, heaviest: float
) -> None:
    """However the rounding falls, as long as it is half of what is rated again at most."""
    board = BOARDS[name]
    asked, heat = random_demand(board, rng, count, heaviest=heaviest), Weighted(board, rng)
    start = rng.integers(0, len(board.clusters), size=count).tolist()
    exact = search(board, asked, start, heat, steps=4)
    off = 0.2 * abs(exact.heat_k)

    def rounded(rows: np.ndarray) -> np.ndarray:
        return heat(rows) + rng.uniform(-off, off, len(rows)).astype(np.float32)

    settling = Settling(heat, 2.001 * off)
    assert exact == search(board, asked, start, rounded, steps=4, settling=settling)
    here = pack(board, asked, np.array([start]))
    found = best_of(board, asked, here, rounded, settling=settling)
    assert best_of(board, asked, here, heat) == found


@settings(max_examples=60)
@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 8), st.floats(0.1, 2.0))
def test_what_it_finds_is_never_worse_than_any_packing_of_its_start(
    rng: np.random.Generator, name: str, count: int, heaviest: float
) -> None:
    """And every further step is for the better."""
    board = BOARDS[name]
    asked, heat = random_demand(board, rng, count, heaviest=heaviest), Weighted(board, rng)
    start = rng.integers(0, len(board.clusters), size=count).tolist()
    here = best_of(board, asked, pack(board, asked, np.array([start])), heat)
    ranks = [rank(here)]
    ranks += [rank(search(board, asked, start, heat, steps=steps)) for steps in (1, 2, 4)]
    assert ranks == sorted(ranks, reverse=True)


@settings(max_examples=40)
@given(seeds(), st.integers(2, 8), st.integers(0, 1))
def test_what_it_finds_is_never_worse_than_any_division(
    rng: np.random.Generator, count: int, start: int
) -> None:
    """However far these are from where it starts."""
    asked, heat = random_demand(HIKEY, rng, count), Weighted(HIKEY, rng)
    divided = best_of(HIKEY, asked, pack(HIKEY, asked, divisions(asked)), heat)
    found = search(HIKEY, asked, [start] * count, heat, steps=1)
    assert rank(found) <= rank(divided)


@settings(max_examples=40)
@given(seeds(), st.integers(1, 2))
def test_with_few_applications_it_finds_the_best_of_all(
    rng: np.random.Generator, count: int
) -> None:
    """Two are one step from everywhere."""
    asked, heat = random_demand(HIKEY, rng, count), Weighted(HIKEY, rng)
    every = np.array(list(itertools.product(range(2), repeat=count)))
    best = best_of(HIKEY, asked, pack(HIKEY, asked, every), heat)
    found = search(HIKEY, asked, [0] * count, heat, steps=1)
    assert rank(best) == rank(found)


@given(seeds(), st.integers(1, 8))
def test_the_figures_of_the_best_are_its_own(rng: np.random.Generator, count: int) -> None:
    """Shortfall and heat belong to the mapping that is returned."""
    asked, heat = random_demand(HIKEY, rng, count, heaviest=2.0), Weighted(HIKEY, rng)
    found = search(HIKEY, asked, [0] * count, heat, steps=3)
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


def test_it_ends_where_nothing_near_is_better() -> None:
    """The batches are counted: one to get there, one to see that it is there."""
    rng = np.random.default_rng(4)
    asked, heat = random_demand(HIKEY, rng, 5), Weighted(HIKEY, rng)
    found = search(HIKEY, asked, [0] * 5, heat, steps=20)
    used = len(heat.batches)
    assert 1 < used < 20
    assert found == search(HIKEY, asked, [0] * 5, heat, steps=used - 1)


def threads_demand(rng: np.random.Generator) -> tuple[Demand, list[int]]:
    """Three applications and four threads that stay on the LITTLE cluster."""
    return random_demand(HIKEY, rng, 7, heaviest=0.4), [0, 0, 0, 0]


@settings(max_examples=30)
@given(seeds())
def test_threads_that_stay_are_allowed_for_in_every_mapping(rng: np.random.Generator) -> None:
    """They take their share of the cores, and their cluster's clock serves them."""
    asked, held = threads_demand(rng)
    heat = Weighted(HIKEY, rng)
    found = search(HIKEY, asked, [0, 1, 0], heat, steps=2, threads=held)
    assert 3 == len(found.cluster)
    whole = with_threads(HIKEY, mapping(found.cluster, groups=[found.group]), held)
    described = describe(HIKEY, asked, whole)
    assert found.shortfall == pytest.approx(described.shortfall[0], abs=1e-12)
    now = best_of(HIKEY, asked, groups_of_cores(HIKEY, [0, 4, 1]), heat, threads=held)
    assert (0, 1, 0) == now.cluster


def test_no_step_at_all_is_refused() -> None:
    """There would be nothing to return."""
    asked = random_demand(HIKEY, np.random.default_rng(0), 1)
    with pytest.raises(ValueError, match=r"steps must be 1 or more \(got 0\)"):
        search(HIKEY, asked, [0], Weighted(HIKEY, np.random.default_rng(0)), steps=0)
