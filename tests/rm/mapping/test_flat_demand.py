"""Tests of a demand in one table."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.rm.mapping.demands import BOARDS, random_demand, seeds


@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 6))
def test_every_figure_is_found_where_it_is_said_to_be(
    rng: np.random.Generator, name: str, count: int
) -> None:
    """Application by application, cluster by cluster."""
    asked = random_demand(BOARDS[name], rng, count)
    flat = asked.flat
    for x, points in enumerate(flat.points.tolist()):
        for k in range(count):
            number = x * count + k
            own = slice(flat.first[number], flat.first[number] + points)
            assert {k} == set(flat.application[own].tolist())
            np.testing.assert_array_equal(asked.served[x][k], flat.served[own])
            np.testing.assert_array_equal(asked.busy[x][k], flat.busy[own])
            np.testing.assert_array_equal(asked.l2d_per_s[x][k], flat.l2d_per_s[own])
            least = slice(number * (count + 1), (number + 1) * (count + 1))
            np.testing.assert_array_equal(asked.least_opp[x][k], flat.least_opp[least])
