"""Tests of how many can share a core."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rm.mapping.demand import MARGIN
from rm.mapping.sharing import bears
from tests.rm.mapping.demands import BOARDS, random_demand, seeds


@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 9))
def test_with_an_idle_memory_it_is_what_the_least_operating_points_say(
    rng: np.random.Generator, name: str, count: int
) -> None:
    """The same question, asked from the other end."""
    asked = random_demand(BOARDS[name], rng, count)
    for borne, least in zip(bears(asked), asked.least_opp, strict=True):
        points, sharers = np.arange(len(borne)), np.arange(1, count + 1)
        serves = points[:, None, None] >= least[None, :, 1:]
        np.testing.assert_array_equal(serves, borne.astype(int)[:, :, None] >= sharers)


@given(seeds(), st.integers(2, 9), st.floats(0.0, 2.0))
def test_a_busy_memory_lets_fewer_share(rng: np.random.Generator, count: int, busy: float) -> None:
    """Nobody with more than beside an idle one, but for those who have become hopeless."""
    asked = random_demand(BOARDS["hikey970"], rng, count)
    loaded = replace(asked, memory=np.full(count, busy / count))
    for idle, less in zip(bears(asked), bears(loaded), strict=True):
        assert (less <= np.maximum(idle, 1.0)).all()


def test_whom_nobody_can_serve_takes_a_core_at_the_top_of_the_fastest_cluster() -> None:
    """The others are divided as if he were the most demanding of those who can be served."""
    asked = random_demand(BOARDS["hikey970"], np.random.default_rng(1), 3, heaviest=0.3)
    hopeless = tuple(served * np.array([[1.0], [1e-3], [1.0]]) for served in asked.served)
    found = bears(replace(asked, served=hopeless))
    fastest = int(hopeless[0][1, -1] < hopeless[1][1, -1])
    assert 1.0 == found[fastest][-1, 1]
    assert max(found[1 - fastest][:, 1].max(), found[fastest][:-1, 1].max()) < 1.0
    for cluster, before in zip(found, bears(asked), strict=True):
        np.testing.assert_array_equal(before[:, [0, 2]], cluster[:, [0, 2]])


def test_whom_one_cluster_can_serve_is_not_taken_for_hopeless() -> None:
    """He goes there."""
    asked = random_demand(BOARDS["hikey970"], np.random.default_rng(1), 1, heaviest=0.3)
    little, big = asked.served
    slow = replace(asked, served=(little * 0.6 / little.max(), big))
    assert bears(slow)[0][-1, 0] == 0.6 / (1.0 + MARGIN)
