"""Tests of the demand: the operating point that every application needs, alone or sharing."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rm.mapping.demand import MARGIN, demand
from tests.rm.mapping.demands import BOARDS, random_demand, seeds
from tests.rm.readings import HIKEY


@given(seeds(), st.sampled_from(sorted(BOARDS)), st.integers(1, 6))
def test_the_least_point_serves_and_the_one_below_does_not(
    rng: np.random.Generator, name: str, count: int
) -> None:
    """With so much to spare, for any number that share a core."""
    board = BOARDS[name]
    asked = random_demand(board, rng, count)
    assert count == asked.count
    for x, cluster in enumerate(board.clusters):
        for k in range(count):
            for sharers in range(1, count + 1):
                serves = asked.served[x][k] >= sharers * (1.0 + MARGIN)
                lowest = next((i for i, yes in enumerate(serves) if yes), len(cluster.opps))
                assert lowest == asked.least_opp[x][k, sharers]


def test_figures_of_one_application_by_hand() -> None:
    """A LITTLE core at 1402 MHz: an instruction takes 1 ns, 0.3 ns of it a stall."""
    little_hz, big_hz = (np.array(c.freqs_hz, dtype=np.float64) for c in HIKEY.clusters)
    cycles = 0.7e-9 * little_hz[3]
    stall = 0.3e-9 / cycles
    asked = demand(
        HIKEY,
        instruction_s=[cycles * (1.0 / hz + stall)[None, :] for hz in (little_hz, big_hz)],
        stall_s_per_cycle=np.array([stall]),
        l2d_per_instruction=np.array([0.02]),
        target_ips=np.array([0.25e9]),
    )
    np.testing.assert_allclose(asked.served[0][0, 3], 4.0)
    np.testing.assert_allclose(asked.busy[0][0, 3], 0.7)
    np.testing.assert_allclose(asked.l2d_per_s[0][0, 3], 0.02e9)
    assert [0, 0] == [asked.least_opp[x][0, 1] for x in (0, 1)]


def test_who_cannot_be_served_needs_a_point_that_is_not_there() -> None:
    """Also who never ran, of whom nothing is known."""
    never = [np.full((1, len(cluster.opps)), np.inf) for cluster in HIKEY.clusters]
    asked = demand(
        HIKEY,
        instruction_s=never,
        stall_s_per_cycle=np.array([0.0]),
        l2d_per_instruction=np.array([0.0]),
        target_ips=np.array([1e9]),
    )
    counts = [len(cluster.opps) for cluster in HIKEY.clusters]
    assert counts == [points[0, 1] for points in asked.least_opp]
    assert all((values == 0.0).all() for values in (*asked.served, *asked.l2d_per_s))


@given(seeds(), st.integers(0, 6), st.integers(0, 8))
def test_others_that_stay_bind_their_cluster(
    rng: np.random.Generator, little: int, big: int
) -> None:
    """Nobody runs below what they need."""
    state = rng.bit_generator.state
    free = random_demand(HIKEY, rng, 4)
    rng.bit_generator.state = state
    bound = random_demand(HIKEY, rng, 4, lowest_opp=(little, big))
    for x, lowest in enumerate((little, big)):
        np.testing.assert_array_equal(np.maximum(free.least_opp[x], lowest), bound.least_opp[x])
        np.testing.assert_array_equal(free.served[x], bound.served[x])


@given(seeds(), st.integers(2, 6))
def test_the_first_few_are_asked_for_alone(rng: np.random.Generator, count: int) -> None:
    """As if the others had never been there."""
    asked = random_demand(HIKEY, rng, count).first(count - 1)
    assert count - 1 == asked.count
    for x in range(2):
        assert (count - 1, count) == asked.least_opp[x].shape
        for sharers in range(1, count):
            serves = asked.served[x] >= sharers * (1.0 + MARGIN)
            lowest = np.where(serves.any(axis=1), serves.argmax(axis=1), serves.shape[1])
            np.testing.assert_array_equal(lowest, asked.least_opp[x][:, sharers])


@given(seeds(), st.integers(1, 6))
def test_a_demand_resembles_itself_and_one_that_is_off_by_a_part_of_a_percent(
    rng: np.random.Generator, count: int
) -> None:
    """Unless somebody needs another operating point for it."""
    state = rng.bit_generator.state
    asked = random_demand(HIKEY, rng, count)
    assert asked.resembles(asked)
    nearly = replace(asked, served=tuple(1.002 * values for values in asked.served))
    assert nearly.resembles(asked)
    rng.bit_generator.state = state
    bound = random_demand(HIKEY, rng, count, lowest_opp=(6, 8))
    moved = any((asked.least_opp[x] != bound.least_opp[x]).any() for x in range(2))
    assert bound.resembles(asked) is not moved


@given(seeds(), st.integers(1, 6))
def test_a_demand_does_not_resemble_one_of_other_speeds_traffic_or_number(
    rng: np.random.Generator, count: int
) -> None:
    """Any of them may make another mapping the best."""
    asked = random_demand(HIKEY, rng, count)
    assert not replace(asked, served=tuple(1.02 * v for v in asked.served)).resembles(asked)
    assert not replace(asked, l2d_per_s=tuple(1.1 * v for v in asked.l2d_per_s)).resembles(asked)
    assert not asked.first(count - 1).resembles(asked)
