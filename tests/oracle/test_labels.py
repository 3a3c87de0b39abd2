"""Tests of the labels: the oracle's choice for one application, against trying everything."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from oracle.labels import FEASIBLE, OCCUPIED, UNREACHABLE, Choices, Sweep, choose, soft_labels

CLUSTERS = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 4)), min_size=1, max_size=3)
"""Cores and operating points of every cluster."""


class Case:
    """A random sweep with holes, and demands on it."""

    def __init__(self, clusters: list[tuple[int, int]], seed: int, *, holes: float) -> None:
        rng = np.random.default_rng(seed)
        self.owner = tuple(x for x, (cores, _) in enumerate(clusters) for _ in range(cores))
        self.points = tuple(points for _, points in clusters)
        shape = (len(self.owner), *self.points)
        occupied = rng.random(shape[0]) < 0.3
        rate_ips = rng.uniform(1.0, 2.0, size=shape)
        temp_c = rng.uniform(30.0, 60.0, size=shape)
        missing = (rng.random(shape) < holes) | occupied.reshape(-1, *[1] * len(self.points))
        rate_ips[missing], temp_c[missing] = np.nan, np.nan
        self.sweep = Sweep(rate_ips, temp_c, occupied)
        self.target_ips = rng.uniform(0.9, 2.1, size=6)
        self.background_opp = np.stack([rng.integers(0, p, size=6) for p in self.points], axis=1)

    def choices(self) -> Choices:
        """What the code under test makes of it."""
        return choose(
            self.sweep,
            self.owner,
            target_ips=self.target_ips,
            background_opp=self.background_opp,
        )


def tried(case: Case, core: int, demand: int) -> tuple[int, float, tuple[int, ...]]:
    """Status, temperature and points of a core by trying one point after the other."""
    sweep, floor = case.sweep, tuple(case.background_opp[demand].tolist())
    if sweep.occupied[core]:
        return OCCUPIED, math.nan, floor
    own, highest = case.owner[core], None
    for point in range(floor[own], case.points[own]):
        opps = (*floor[:own], point, *floor[own + 1 :])
        if math.isnan(sweep.temp_c[(core, *opps)]):
            continue
        highest = opps
        if sweep.rate_ips[(core, *opps)] >= case.target_ips[demand]:
            return FEASIBLE, float(sweep.temp_c[(core, *opps)]), opps
    return UNREACHABLE, math.nan, highest or floor


@given(clusters=CLUSTERS, seed=st.integers(0, 2**32 - 1), holes=st.sampled_from([0.0, 0.3]))
def test_the_choice_is_the_one_that_trying_all_points_finds(
    clusters: list[tuple[int, int]], seed: int, holes: float
) -> None:
    """For one, two and three clusters, and where runs are missing."""
    case = Case(clusters, seed, holes=holes)
    choices = case.choices()
    for demand in range(len(case.target_ips)):
        for core in range(len(case.owner)):
            status, temp_c, opps = tried(case, core, demand)
            assert status == choices.status[demand, core]
            assert opps == tuple(choices.opp_index[demand, core])
            np.testing.assert_equal(temp_c, choices.temp_c[demand, core])


def labels_of(choices: Choices, *, alpha_per_k: float = 1.0) -> NDArray[np.float64]:
    """Soft labels with constants that are told apart easily."""
    return soft_labels(
        choices.temp_c,
        choices.status,
        alpha_per_k=alpha_per_k,
        unreachable=-0.75,
        occupied=-0.25,
    )


@given(
    clusters=CLUSTERS, seed=st.integers(0, 2**32 - 1), alpha_per_k=st.sampled_from([0.1, 1.0, 30.0])
)
def test_labels_are_1_at_the_coolest_core_and_fall_with_temperature(
    clusters: list[tuple[int, int]], seed: int, alpha_per_k: float
) -> None:
    """A policy that takes the largest label takes the coolest core."""
    choices = Case(clusters, seed, holes=0.2).choices()
    labels = labels_of(choices, alpha_per_k=alpha_per_k)
    assert np.isfinite(labels).all()
    for row, temps, status in zip(labels, choices.temp_c, choices.status, strict=True):
        assert {-0.75} >= set(row[status == UNREACHABLE])
        assert {-0.25} >= set(row[status == OCCUPIED])
        feasible = np.flatnonzero(status == FEASIBLE)
        if feasible.size:
            by_temp = feasible[np.argsort(temps[feasible])]
            assert 1.0 == row[by_temp[0]] == row.max()
            assert (np.diff(row[by_temp]) <= 0).all()
            expected = np.exp(-alpha_per_k * (temps[by_temp] - temps[by_temp[0]]))
            assert pytest.approx(expected) == row[by_temp]


def test_equally_cool_cores_get_the_same_label() -> None:
    """Chance may choose between them."""
    labels = soft_labels(
        np.array([[40.0, 40.0, 42.0]]),
        np.array([[FEASIBLE, FEASIBLE, FEASIBLE]], dtype=np.int8),
        alpha_per_k=0.5,
        unreachable=-1.0,
        occupied=0.0,
    )
    assert [1.0, 1.0, pytest.approx(math.exp(-1.0))] == labels[0].tolist()


def test_a_demand_that_nobody_meets_has_the_constants_only() -> None:
    """No warning, no NaN: the rows are counted and left out by who asked."""
    temps = np.full((1, 2), np.nan)
    status = np.array([[UNREACHABLE, OCCUPIED]], dtype=np.int8)
    labels = soft_labels(temps, status, alpha_per_k=1.0, unreachable=-1.0, occupied=0.0)
    assert [[-1.0, 0.0]] == labels.tolist()
