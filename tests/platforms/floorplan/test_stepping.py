"""Steps of a floorplan's network are exact, however a trace is cut."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from platforms.errors import ThermalLimit
from platforms.floorplan.block_model import block_network
from platforms.floorplan.block_network import BlockNetwork
from platforms.floorplan.package import Package
from platforms.floorplan.plan import Block, Floorplan
from platforms.floorplan.stepping import Stepper, clipped_k, steady_k
from tests.platforms.floorplan.random_chips import powered_chips

Chip = tuple[Floorplan, Package, list[float]]


def start_of(network: BlockNetwork, above_k: float = 0.0) -> np.ndarray:
    """The same temperature everywhere."""
    return np.full(len(network.names), network.ambient_k + above_k)


@given(powered_chips(), st.sampled_from([1e-4, 0.01, 1.0]), st.floats(-20.0, 20.0))
@settings(max_examples=15)
def test_steps_agree_with_a_general_integrator(chip: Chip, step_s: float, above_k: float) -> None:
    """Two steps of different powers, against scipy's implicit Runge-Kutta at 1e-9."""
    plan, package, power_w = chip
    network = block_network(plan, package).without_massless()
    n, powers = len(power_w), np.array([power_w, power_w[::-1]])
    temp_k = Stepper(network, step_s, start_of(network, above_k)).advance(powers)
    rise = np.full(len(network.names), above_k)
    for row, mine in zip(powers, temp_k, strict=True):
        drive = np.concatenate([row, np.zeros(len(rise) - n)])

        def slope(_: float, t: np.ndarray, drive: np.ndarray = drive) -> np.ndarray:
            return (drive - network.conductance @ t) / network.capacity

        jacobian = -network.conductance / network.capacity[:, None]
        solved = solve_ivp(
            slope, (0.0, step_s), rise, method="Radau", rtol=1e-9, atol=1e-9, jac=jacobian
        )
        rise = solved.y[:, -1]
        np.testing.assert_allclose(mine, network.ambient_k + rise[:n], atol=1e-5)


@given(powered_chips(), st.lists(st.integers(1, 4), min_size=1, max_size=4))
@settings(max_examples=30)
def test_how_a_trace_is_cut_into_batches_does_not_matter(chip: Chip, sizes: list[int]) -> None:
    """One batch, or many: the same temperatures."""
    plan, package, power_w = chip
    network = block_network(plan, package)
    powers = np.outer(np.linspace(0.5, 1.5, sum(sizes)), power_w)
    whole = Stepper(network, 0.01, start_of(network)).advance(powers)
    parts = np.split(powers, np.cumsum(sizes)[:-1])
    pieces = list(Stepper(network, 0.01, start_of(network)).over(parts))
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-9)


@given(powered_chips())
@settings(max_examples=30)
def test_two_half_steps_are_one_step(chip: Chip) -> None:
    """The step's length adds no error."""
    plan, package, power_w = chip
    network = block_network(plan, package)
    whole = Stepper(network, 0.02, start_of(network)).advance(np.array([power_w]))
    halves = Stepper(network, 0.01, start_of(network)).advance(np.array([power_w, power_w]))
    np.testing.assert_allclose(halves[-1], whole[-1], atol=1e-7)


@given(powered_chips())
@settings(max_examples=30)
def test_a_steady_state_stays(chip: Chip) -> None:
    """Started where its power settles, a chip does not move."""
    plan, package, power_w = chip
    network = block_network(plan, package)
    settled = steady_k(network, np.array(power_w))
    after = Stepper(network, 5.0, settled).advance(np.array([power_w]))
    np.testing.assert_allclose(after[0], settled[: len(power_w)], atol=1e-5)


PLAN = Floorplan.of((Block("a", 8e-3, 8e-3, 0, 0), Block("b", 8e-3, 8e-3, 8e-3, 0)))


def test_leakage_makes_a_steady_state_hotter_by_the_heat_that_it_adds() -> None:
    """The heat to the air is the trace's power and 15 kW/m2 x exp(0.036 (T - 383.15)) together."""
    network = block_network(PLAN, Package(convection_k_per_w=0.5))
    power_w = np.array([20.0, 10.0])
    plain, leaking = steady_k(network, power_w), steady_k(network, power_w, PLAN.areas_m2)
    leaked = 1.5e4 * PLAN.areas_m2 * np.exp(0.036 * (leaking[:2] - 383.15))
    assert (leaking > plain).all()
    flow_w = network.to_air @ (leaking - network.ambient_k)
    assert 30.0 + leaked.sum() == pytest.approx(flow_w, abs=1e-4)


def test_leakage_that_outgrows_the_cooling_is_told() -> None:
    """No steady state exists then."""
    network = block_network(PLAN, Package(convection_k_per_w=20.0))
    with pytest.raises(ThermalLimit, match="no steady state"):
        steady_k(network, np.array([5.0, 5.0]), PLAN.areas_m2)


def test_a_start_is_scaled_down_to_the_hottest_block_allowed() -> None:
    """All differences to the ambient by the same factor; a start below it is left alone."""
    network = block_network(PLAN, replace(Package(), ambient_k=300.0))
    start = start_of(network)
    start[0], start[5] = 400.0, 350.0
    clipped = clipped_k(start, network, 360.0)
    assert [360.0, 330.0, 300.0] == pytest.approx(clipped[[0, 5, 1]])
    assert start is clipped_k(start, network, 400.0)
