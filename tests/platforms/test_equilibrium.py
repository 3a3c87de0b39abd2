"""Leakage and heat find their balance, or the failure to do so is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.board_file import load_board
from platforms.simulated.equilibrium import ThermalRunaway, settle
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.power import LeakageShape, Load, PowerModel

BOARD = load_board("hikey970")
POWER = PowerModel(BOARD)


def _network(cooling: str) -> HeatNetwork:
    return HeatNetwork.build(BOARD.thermal, BOARD.cooling_named(cooling))


@given(
    st.sampled_from(["fan", "passive", "passive-35"]),
    st.tuples(st.integers(0, 6), st.integers(0, 8)),
    st.lists(st.one_of(st.none(), st.floats(0.2, 1.0)), min_size=8, max_size=8),
)
def test_a_settled_board_gives_off_what_it_takes_in(
    cooling: str, opps: tuple[int, int], activity: list[float | None]
) -> None:
    """The heat that leaves equals dynamic power plus leakage at the settled temperature (1e-6)."""
    network, load = _network(cooling), POWER.load(opps, activity)
    try:
        state = settle(network, load, POWER.shape, POWER.core_nodes)
    except ThermalRunaway:
        return
    leakage_w = load.leakage_w * POWER.shape.value(state.temp_c[POWER.core_nodes])
    enters_w = load.dynamic_w.sum() + leakage_w.sum()
    leaves_w = network.conductance.sum(axis=1) @ (state.temp_c - network.ambient_c)
    assert leaves_w == pytest.approx(enters_w, rel=1e-6, abs=1e-9)


def test_leakage_at_the_reference_temperature_is_the_reference_leakage() -> None:
    """The busy power of the board file holds exactly at 65 degC."""
    assert POWER.shape.value(np.array([65.0]))[0] == pytest.approx(1.0)


def test_leakage_grows_3_6_fold_from_45_to_85_degrees() -> None:
    """The vendor's polynomial for this chip: 0.133 at 45 degC, 0.481 at 85 degC."""
    cold, hot = POWER.shape.value(np.array([45.0, 85.0]))
    assert hot / cold == pytest.approx(0.481 / 0.133, rel=0.01)


@given(st.floats(20.0, 140.0))
def test_the_slope_of_leakage_is_its_derivative(temp_c: float) -> None:
    """Newton's method needs the true slope to converge."""
    near = POWER.shape.value(np.array([temp_c - 1e-4, temp_c + 1e-4]))
    slope = POWER.shape.slope(np.array([temp_c]))[0]
    assert slope == pytest.approx((near[1] - near[0]) / 2e-4, rel=1e-5, abs=1e-9)


def test_runaway_is_told_with_the_node_that_fails_first() -> None:
    """Leakage that feeds itself past any cooling has no steady state; silence would be a lie."""
    network = _network("passive")
    leaky = Load(np.zeros(len(network.names)), np.full(8, 5.0))
    with pytest.raises(ThermalRunaway, match=r"core\d passes 150 degC \(no steady state exists\)"):
        settle(network, leaky, POWER.shape, POWER.core_nodes)


def test_without_leakage_the_steady_state_is_that_of_the_linear_network() -> None:
    """Newton's loop must not disturb what needs no loop."""
    network = _network("fan")
    power_w = np.linspace(0.0, 1.0, len(network.names))
    state = settle(network, Load(power_w, np.zeros(8)), POWER.shape, POWER.core_nodes)
    np.testing.assert_allclose(state.temp_c, network.steady(power_w))


def test_a_clamped_leakage_shape_stays_clamped() -> None:
    """The vendor's polynomial is only used inside its clamp."""
    shape = LeakageShape.build(BOARD.leakage)
    assert shape.value(np.array([1e4]))[0] == pytest.approx(shape.highest)
    assert shape.slope(np.array([1e4]))[0] == 0.0
