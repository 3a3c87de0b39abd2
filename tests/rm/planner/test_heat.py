"""The heat model is an upper bound of what the network says, wherever groups are seated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.board_file import load_board
from platforms.simulated.equilibrium import settle
from platforms.simulated.power import Load
from rm.planner.heat import HeatModel

NAMES = ("hikey970", "rk3588", "jetson-nano", "odroid-xu3")


def bound(model: HeatModel, dynamic: np.ndarray, leakage: np.ndarray, leak_c: float) -> float:
    """What the model says of cores that take this, by core, with leakage at a temperature."""
    reach, leaks = model.reach, model.leaks(leak_c)
    takes = dynamic + leaks * leakage
    clusters = [list(cluster.cores) for cluster in model.board.clusters]
    sums = np.zeros(len(reach.base_c))
    sums[: len(clusters)] = [takes[cores].sum() for cores in clusters]
    return max(
        float(reach.base_c[y] + reach.units[y] @ sums + reach.hot[y] * takes[cores].max())
        for y, cores in enumerate(clusters)
    )


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_steady_state_is_warmer_than_the_bound(name: str, seed: int) -> None:
    """With leakage taken at a temperature that the bound keeps, and solved in the truth."""
    rng = np.random.default_rng(seed)
    board = load_board(name)
    cooling = board.cooling[int(rng.integers(len(board.cooling)))]
    model = HeatModel(board, cooling, 75.0)
    dynamic = rng.uniform(0.0, 0.5, size=board.core_count) * (rng.random(board.core_count) < 0.6)
    leakage = 0.1 * (dynamic > 0.0)
    warm_c = bound(model, dynamic, leakage, 75.0)
    if warm_c > 75.0:
        return
    nodes = model.power.core_nodes
    load = np.zeros(len(model.network.names))
    load[nodes] = dynamic
    state = settle(model.network, Load(load, leakage), model.power.shape, nodes)
    assert state.temp_c[nodes].max() <= warm_c + 1e-9
    again_c = bound(model, dynamic, leakage, warm_c)
    assert state.temp_c[nodes].max() <= again_c + 1e-9 <= warm_c + 2e-9


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), horizon_s=st.floats(0.1, 300.0))
def test_after_a_while_no_core_is_warmer_than_the_bound(seed: int, horizon_s: float) -> None:
    """From any field, power being constant."""
    rng = np.random.default_rng(seed)
    board = load_board("hikey970")
    model = HeatModel(board, board.cooling_named("passive"), 75.0)
    nodes = model.power.core_nodes
    field = 25.0 + rng.uniform(0.0, 30.0, size=len(model.network.names))
    dynamic = rng.uniform(0.0, 1.0, size=board.core_count)
    load = np.zeros(len(field))
    load[nodes] = dynamic
    later = model.network.step(field, load, horizon_s)
    after = model.after(field, horizon_s)
    assert later[nodes].max() <= bound(after, dynamic, 0.0 * dynamic, 75.0) + 1e-9


def test_long_after_it_is_the_steady_state() -> None:
    """Whatever the field was."""
    board = load_board("hikey970")
    model = HeatModel(board, board.cooling_named("fan"), 75.0, bias_k=2.0)
    after = model.after(np.full(len(model.network.names), 60.0), 1e5)
    np.testing.assert_allclose(after.reach.units, model.reach.units, rtol=1e-6)
    np.testing.assert_allclose(after.reach.base_c, model.reach.base_c, atol=1e-6)
    assert 27.0 == pytest.approx(float(after.reach.base_c[0]))


def test_leakage_is_never_that_of_less_than_the_warmest_node() -> None:
    """A field that is warmer than the limit goes on leaking."""
    board = load_board("hikey970")
    model = HeatModel(board, board.cooling_named("fan"), 75.0)
    after = model.after(np.full(len(model.network.names), 60.0), 5.0)
    assert model.leaks(60.0) == after.leaks(40.0)
    assert model.leaks(40.0) < after.leaks(40.0)
