"""Tests of cores that are filled: nobody shares with more than he bears."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rm.mapping.filling import filled
from tests.rm.mapping.demands import seeds


@given(seeds(), st.integers(1, 12), st.integers(1, 6), st.integers(1, 8))
def test_cores_take_as_many_as_the_most_demanding_one_bears(
    rng: np.random.Generator, count: int, rows: int, cores: int
) -> None:
    """On both clusters, in order, from core 0 on; whom there is no room for is on one beyond."""
    there = rng.random((rows, count)) < 0.5
    bears = [rng.integers(1, 6, size=(rows, count)) for _ in range(2)]
    found = filled(there, bears, cores)
    for at in range(rows):
        for x in (0, 1):
            members = np.flatnonzero(there[at] == bool(x))
            core, room = -1, 0
            for k in sorted(members, key=lambda k: int(bears[x][at, k])):
                if room == 0 and core < cores:
                    core, room = core + 1, int(bears[x][at, k])
                if core < cores:
                    assert core == found[at, k]
                    room -= 1
