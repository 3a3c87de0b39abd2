"""The thermal network obeys physics, whatever its shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from platforms.board import CoolingSetup, Thermal, ThermalLink, ThermalNode
from platforms.board_file import load_board
from platforms.simulated.heat import HeatNetwork

_POWER_W = st.floats(0.0, 5.0)


@st.composite
def networks(draw: st.DrawFn) -> HeatNetwork:
    """Random connected networks of 1 to 12 nodes: a tree with some extra links."""
    count = draw(st.integers(1, 12))
    names = tuple(f"n{i}" for i in range(count))
    capacity = st.floats(0.05, 50.0)
    conductance = st.floats(0.05, 5.0)
    nodes = tuple(
        ThermalNode(name=name, capacity_j_per_k=draw(capacity), core=i)
        for i, name in enumerate(names)
    )
    tree = [(draw(st.integers(0, i - 1)), i) for i in range(1, count)]
    extra = draw(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=4)
    )
    pairs = tree + [(a, b) for a, b in extra if a != b]
    links = tuple(
        ThermalLink(between=(names[a], names[b]), conductance_w_per_k=draw(conductance))
        for a, b in pairs
    )
    thermal = Thermal(nodes=nodes, links=links, ambient_node="n0", cluster_node="n0", sources={})
    cooling = CoolingSetup(
        name="any",
        conductance_w_per_k=draw(st.floats(0.05, 2.0)),
        ambient_c=draw(st.floats(-10.0, 45.0)),
        sources={},
    )
    return HeatNetwork.build(thermal, cooling)


@st.composite
def powered_networks(draw: st.DrawFn) -> tuple[HeatNetwork, np.ndarray]:
    """A network with power that is nowhere negative."""
    network = draw(networks())
    power = draw(st.lists(_POWER_W, min_size=len(network.names), max_size=len(network.names)))
    return network, np.array(power)


@given(powered_networks(), st.floats(1e-3, 1e4))
def test_no_node_falls_below_ambient_while_power_is_not_negative(
    powered: tuple[HeatNetwork, np.ndarray], step_s: float
) -> None:
    """Heat only flows down: nothing can cool a node below the air."""
    network, power_w = powered
    start = np.full(len(power_w), network.ambient_c)
    after = network.step(start, power_w, step_s)
    assert after.min() >= network.ambient_c - 1e-9
    assert network.steady(power_w).min() >= network.ambient_c - 1e-9


@given(powered_networks())
def test_at_steady_state_the_heat_that_leaves_equals_the_power_that_enters(
    powered: tuple[HeatNetwork, np.ndarray],
) -> None:
    """Energy is conserved to 1e-6 relative; only the ambient node leads heat away."""
    network, power_w = powered
    to_ambient = network.conductance.sum(axis=1)
    leaves_w = float(to_ambient @ (network.steady(power_w) - network.ambient_c))
    assert leaves_w == pytest.approx(power_w.sum(), rel=1e-6, abs=1e-9)


@given(powered_networks(), st.floats(1e-3, 500.0))
def test_one_step_of_2h_equals_two_steps_of_h(
    powered: tuple[HeatNetwork, np.ndarray], step_s: float
) -> None:
    """The step is exact, so its length does not matter (1e-9 relative to the rise)."""
    network, power_w = powered
    start = np.linspace(20.0, 90.0, len(power_w))
    once = network.step(start, power_w, 2 * step_s)
    twice = network.step(network.step(start, power_w, step_s), power_w, step_s)
    np.testing.assert_allclose(twice, once, rtol=1e-9, atol=1e-9)


@given(powered_networks(), st.integers(0, 11), st.floats(0.01, 5.0))
def test_temperatures_rise_with_power_everywhere(
    powered: tuple[HeatNetwork, np.ndarray], where: int, more_w: float
) -> None:
    """A watt more at any node makes every node warmer, in steady state and on the way."""
    network, power_w = powered
    more = power_w.copy()
    more[where % len(more)] += more_w
    assert (network.steady(more) > network.steady(power_w)).all()
    start = np.full(len(more), network.ambient_c)
    assert (network.step(start, more, 1.0) >= network.step(start, power_w, 1.0) - 1e-9).all()


@given(powered_networks())
def test_long_steps_end_at_the_steady_state(powered: tuple[HeatNetwork, np.ndarray]) -> None:
    """The transient and the factorised solve agree."""
    network, power_w = powered
    end = network.step(np.full(len(power_w), 70.0), power_w, 1e7)
    np.testing.assert_allclose(end, network.steady(power_w), rtol=1e-8, atol=1e-6)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_agrees_with_solve_ivp_within_1_mk_over_60_s_of_switching_power(seed: int) -> None:
    """An independent integrator at tight tolerance finds the same transient on the HiKey 970."""
    board = load_board("hikey970")
    network = HeatNetwork.build(board.thermal, board.cooling_named("fan"))
    rng = np.random.default_rng(seed)
    count = len(network.names)
    temp_c = np.full(count, 35.0)
    reference = temp_c.copy()
    for _ in range(30):
        power_w = rng.uniform(0.0, 1.2, size=count) * (rng.random(count) < 0.6)

        def slope(_: float, t: np.ndarray, power_w: np.ndarray = power_w) -> np.ndarray:
            rise = t - network.ambient_c
            return (power_w - network.conductance @ rise) / network.capacity

        solved = solve_ivp(slope, (0.0, 2.0), reference, method="LSODA", rtol=1e-10, atol=1e-10)
        reference = solved.y[:, -1]
        temp_c = network.step(temp_c, power_w, 2.0)
        np.testing.assert_allclose(temp_c, reference, atol=1e-3)
