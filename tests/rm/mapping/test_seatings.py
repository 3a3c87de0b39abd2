"""Tests of seats on shared cores: who comes first and still fits is taken."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm.mapping.seatings import MOST_APPLICATIONS, MOST_SHARERS, seatings, taken
from tests.rm.mapping.demands import seeds


def ways(cores: int, count: int) -> list[tuple[int, ...]]:
    """By how many every core in use is shared, the number of cores first."""
    every = (
        way
        for used in range(cores + 1)
        for way in combinations_with_replacement(range(1, MOST_SHARERS + 1), used)
    )
    return [way for way in every if sum(way) <= count]


def fit(bears: list[int], way: tuple[int, ...]) -> bool:
    """Whether all can sit on such cores: each in turn takes the seat with the fewest sharers."""
    seats = sorted(size for size in way for _ in range(size))
    return len(bears) <= len(seats) and all(
        seat <= most for seat, most in zip(seats, sorted(bears), strict=False)
    )


@given(seeds(), st.integers(1, 9), st.integers(1, 4))
def test_who_comes_first_and_fits_beside_those_before_is_taken(
    rng: np.random.Generator, count: int, cores: int
) -> None:
    """At every point, in every order, on all the ways to share."""
    bears = rng.integers(0, 10, size=(2, count))
    orders = np.array([rng.permutation(count) for _ in range(3)])
    found = taken(bears, orders, cores)
    every = ways(cores, count)
    assert (len(every), 3, 2) == found.shape
    for (p, d, j), bits in np.ndenumerate(found):
        expected: list[int] = []
        for k in orders[d]:
            if fit([int(bears[j, other]) for other in [*expected, k]], every[p]):
                expected.append(int(k))
        assert sum(1 << k for k in expected) == bits


@given(st.integers(1, 4), st.integers(1, MOST_APPLICATIONS))
def test_ways_are_told_by_the_cores_that_they_use(cores: int, count: int) -> None:
    """None first, then one, and so on; more cores than applications are of no use."""
    seats, begin = seatings(cores, count)
    numbers = [len(way) for way in ways(cores, count)]
    assert len(numbers) == len(seats)
    assert [numbers.index(n) for n in range(min(cores, count) + 1)] == begin.tolist()


def test_of_many_cores_all_but_one_are_shared_alike() -> None:
    """Else there were too many ways to try."""
    seats, _ = seatings(8, MOST_APPLICATIONS)
    assert len(seats) < 300


@pytest.mark.parametrize("cores", [1, 4, 8])
def test_as_many_as_may_be_are_kept_apart(cores: int) -> None:
    """The last application has a bit of its own, too."""
    bears = np.full((1, MOST_APPLICATIONS), MOST_SHARERS)
    orders = np.arange(MOST_APPLICATIONS)[None, ::-1]
    found = taken(bears, orders, cores)
    most = min(MOST_APPLICATIONS, cores * MOST_SHARERS)
    assert max(int(bits).bit_count() for bits in found.ravel()) == most
    last = {(1 << MOST_APPLICATIONS) - (1 << (MOST_APPLICATIONS - n)) for n in range(most + 1)}
    assert {int(bits) for bits in found.ravel()} <= last
