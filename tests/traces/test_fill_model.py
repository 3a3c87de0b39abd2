"""Tests of the model that fills in runs: on programs whose speed and heat are known formulas."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from platforms.board_file import load_board
from traces.fill_model import FillModel, Runs

BOARD = load_board("hikey970")
OWNER = np.array(BOARD.cluster_of_core)
CORES = (0, 1, 5, 7)
GRID = np.array(list(itertools.product(CORES, range(7), range(9))))
CORNERS = np.array(list(itertools.product(CORES, (0, 6), (0, 8))))

Vector = NDArray[np.float64]


def clocks(opps: NDArray[np.int64]) -> Vector:
    """(N, clusters), Hz."""
    return np.stack(
        [np.array(c.freqs_hz, float)[opps[:, i]] for i, c in enumerate(BOARD.clusters)], axis=1
    )


def volts(opps: NDArray[np.int64]) -> Vector:
    """(N, clusters), V."""
    tables = [np.array([point.volt_v for point in c.opps]) for c in BOARD.clusters]
    return np.stack([table[opps[:, i]] for i, table in enumerate(tables)], axis=1)


def runs(places: NDArray[np.int64], *, stall_s: float = 2e-10, noise_k: float = 0.0) -> Runs:
    """Of a program with a stall, on a chip whose clusters heat the sensor as ``f V^2``."""
    core, opps = places[:, 0], places[:, 1:]
    at = np.arange(len(core))
    time_s = np.array([1.5, 0.8])[OWNER[core]] / clocks(opps)[at, OWNER[core]] + stall_s
    power_w = clocks(opps) * volts(opps) ** 2 / 1e9
    temp_c = 30.0 + power_w @ np.array([1.0, 3.0]) + 2.0 * power_w[at, OWNER[core]]
    temp_c += noise_k * np.random.default_rng(0).standard_normal(len(core))
    return Runs(core, opps, 1.0 / time_s, temp_c)


@settings(max_examples=20, deadline=None)
@given(stall_s=st.floats(0.0, 5e-9))
def test_a_program_of_cycles_and_stalls_is_told_from_the_corners(stall_s: float) -> None:
    """Two clocks on a cluster tell both terms, whatever the share of the stalls."""
    model = FillModel(BOARD, runs(CORNERS, stall_s=stall_s))
    expected, found = runs(GRID, stall_s=stall_s), model.predict(GRID[:, 0], GRID[:, 1:])
    assert expected.rate_ips == pytest.approx(found.rate_ips, rel=1e-3)
    assert expected.temp_c == pytest.approx(found.temp_c, abs=1.5)


def test_more_points_tell_the_temperature_better() -> None:
    """Every second point of the grid."""
    model = FillModel(BOARD, runs(GRID[::2], noise_k=0.1))
    found = model.predict(GRID[:, 0], GRID[:, 1:]).temp_c
    assert np.sqrt(np.mean((runs(GRID).temp_c - found) ** 2)) < 0.1


def test_the_doubt_is_of_the_size_of_the_error() -> None:
    """Runs that are left out one by one tell it, the sensor's noise included."""
    model = FillModel(BOARD, runs(GRID[::3], noise_k=0.3))
    rest = np.array([place for n, place in enumerate(GRID) if n % 3])
    missed = (
        model.predict(rest[:, 0], rest[:, 1:]).temp_c
        - runs(GRID, noise_k=0.3).temp_c[[n for n in range(len(GRID)) if n % 3]]
    )
    assert pytest.approx(np.sqrt(np.mean(missed**2)), rel=0.4) == model.doubt.temp_rms_k
    assert model.doubt.rate_rms < 1e-6


def test_what_no_formula_tells_is_carried_over_from_the_measured_clocks() -> None:
    """A program that is 30 % slower around one clock is so at that clock's other runs, too."""
    slow = runs(GRID)
    factor = np.where((OWNER[slow.core] == 1) & (slow.opps[:, 1] == 4), 0.7, 1.0)
    seen = np.arange(len(GRID)) % 2 == 0
    measured = Runs(
        slow.core[seen], slow.opps[seen], (slow.rate_ips * factor)[seen], slow.temp_c[seen]
    )
    found = FillModel(BOARD, measured).predict(slow.core[~seen], slow.opps[~seen]).rate_ips
    assert (slow.rate_ips * factor)[~seen] == pytest.approx(found, rel=0.02)


def test_a_cluster_with_a_single_clock_is_not_told() -> None:
    """Its cycles and stalls cannot be told apart; the other cluster is told all the same."""
    few = GRID[(OWNER[GRID[:, 0]] == 0) | (GRID[:, 2] == 3)]
    model = FillModel(BOARD, runs(few))
    assert frozenset({0}) == model.clusters
    found = model.predict(GRID[:, 0], GRID[:, 1:])
    assert (np.isnan(found.rate_ips) == (OWNER[GRID[:, 0]] == 1)).all()
    assert (np.isnan(found.temp_c) == (OWNER[GRID[:, 0]] == 1)).all()


def test_a_single_run_tells_nothing() -> None:
    """And breaks nothing either."""
    model = FillModel(BOARD, runs(GRID[:1]))
    assert frozenset() == model.clusters
    assert np.isnan(model.predict(GRID[:, 0], GRID[:, 1:]).temp_c).all()
