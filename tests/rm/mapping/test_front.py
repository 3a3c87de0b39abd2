"""Tests of divisions between two clusters: all that count, and only these."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rm.mapping.front import front
from tests.rm.mapping.demands import seeds

Cell = tuple[int, int, int, int]


def borne(rng: np.random.Generator, points: int, count: int) -> NDArray[np.float64]:
    """With how many each can share a core: the more, the higher the operating point."""
    most: NDArray[np.float64] = rng.uniform(0.3, 1.3, size=(points, count)).cumsum(axis=0)
    return most


def cores_for(bears: NDArray[np.float64], members: list[int]) -> int | None:
    """On how many cores they can share; None where a whole core is too little for one."""
    cores = room = 0
    for most in sorted(int(bears[k]) for k in members):
        if most == 0:
            return None
        if room == 0:
            cores, room = cores + 1, most
        room -= 1
    return cores


def asked(
    here: NDArray[np.float64], there: NDArray[np.float64], goes: tuple[bool, ...], i: int, j: int
) -> Cell | None:
    """The cores and points of a division, if it serves all."""
    stays = [k for k, away in enumerate(goes) if not away]
    leaves = [k for k, away in enumerate(goes) if away]
    mine, theirs = cores_for(here[i], stays), cores_for(there[j], leaves)
    return None if mine is None or theirs is None else (mine, theirs, i, j)


def undercuts(one: Cell, other: Cell) -> bool:
    """Whether one asks for no more of anything."""
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@settings(max_examples=60)
@given(seeds(), st.integers(1, 6), st.integers(1, 3), st.integers(1, 3))
def test_it_finds_all_that_no_other_division_undercuts(
    rng: np.random.Generator, count: int, mine: int, theirs: int
) -> None:
    """Compared with every subset at every pair of operating points."""
    here, there = borne(rng, 3, count), borne(rng, 4, count)
    every = {
        cell
        for goes in product((False, True), repeat=count)
        for i, j in product(range(3), range(4))
        if (cell := asked(here, there, goes, i, j)) and cell[0] <= mine and cell[1] <= theirs
    }
    least = {cell for cell in every if not any(undercuts(other, cell) for other in every)}
    present = rng.random(count) < 0.5
    found = front(here, there, (mine, theirs), present)
    cells = [
        asked(here, there, tuple(goes), i, j)
        for goes, i, j in zip(
            found.there.tolist(), found.here_opp.tolist(), found.there_opp.tolist(), strict=True
        )
    ]
    assert len(set(cells)) == len(cells)
    assert least == set(cells)


def test_of_equals_those_go_who_are_there() -> None:
    """Whoever moved would gain nothing."""
    bears = np.full((1, 4), 2.0)
    for present in product((False, True), repeat=4):
        found = front(bears, bears, (2, 2), np.array(present))
        if sum(present) in (0, 2, 4):
            assert list(present) in found.there.tolist()


def test_where_nobody_can_be_served_nothing_is_found() -> None:
    """Not even an empty division."""
    found = front(np.full((2, 3), 0.9), np.full((2, 3), 0.5), (4, 4), np.zeros(3, dtype=bool))
    assert (0, 3) == found.there.shape


@given(seeds(), st.integers(1, 12))
def test_on_many_cores_all_are_served_too(rng: np.random.Generator, count: int) -> None:
    """Not all ways to share them are tried there."""
    here, there = borne(rng, 3, count), borne(rng, 3, count)
    found = front(here, there, (8, 8), np.zeros(count, dtype=bool))
    for goes, i, j in zip(found.there, found.here_opp, found.there_opp, strict=True):
        cell = asked(here, there, tuple(goes.tolist()), int(i), int(j))
        assert cell is not None
        assert max(cell[:2]) <= 8
