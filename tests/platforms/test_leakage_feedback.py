"""Heat makes leakage makes heat: the simulated board against an independent integrator."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from platforms.simulated.performance import Placed, speeds
from platforms.simulated.power import Load
from platforms.simulated.simulated_board import SimulatedBoard
from tests.platforms.programs import COMPUTE, HIKEY, MEMORY, job, opps, simulated

PROGRAMS = [(COMPUTE, 4), (MEMORY, 5), (COMPUTE, 6), (MEMORY, 0), (COMPUTE, 1)]
UNPROTECTED = replace(HIKEY, protection=None)

Field = NDArray[np.float64]


def _load(board: SimulatedBoard, opp_index: tuple[int, ...]) -> Load:
    placed = [Placed(profile, 1.0, 1.0, (core,)) for profile, core in PROGRAMS]
    return board.power.load(opp_index, speeds(HIKEY, opp_index, placed).core_activity)


def _slopes(board: SimulatedBoard, load: Load) -> Callable[[float, Field], Field]:
    """Kelvin/s of every node, and watts; leakage follows the temperature at every instant."""
    network, cores = board.network, board.power.core_nodes
    c0, c1, c2, c3 = HIKEY.leakage.coefficients

    def curve(temp_c: Field) -> Field:
        return c0 + c1 * temp_c + c2 * temp_c**2 + c3 * temp_c**3

    at_reference = curve(np.array(HIKEY.leakage.ref_temp_c))

    def slopes(_: float, state: Field) -> Field:
        temp_c, power_w = state[:-1], load.dynamic_w.copy()
        power_w[cores] += load.leakage_w * curve(temp_c[cores]) / at_reference
        leaves_w = network.conductance @ (temp_c - network.ambient_c)
        return np.append((power_w - leaves_w) / network.capacity, power_w.sum())

    return slopes


@pytest.mark.parametrize("step_s", [0.05, 0.5])
@pytest.mark.parametrize(
    ("cooling", "start_c"), [("fan", 30.0), ("passive", 60.0), ("passive-35", 110.0)]
)
def test_a_minute_of_switching_operating_points_is_true_to_a_tenth_of_a_millikelvin(
    cooling: str, start_c: float, step_s: float
) -> None:
    """However often one looks; energy agrees to 3e-6 as well."""
    jobs = [job(i, profile, cores=(core,)) for i, (profile, core) in enumerate(PROGRAMS)]
    board = simulated(*jobs, board=UNPROTECTED, cooling=cooling, start_temp_c=start_c)
    state = np.append(board.temperatures_c, 0.0)
    rng = np.random.default_rng(1)
    for second in range(60):
        points = tuple(int(rng.integers(len(c.opps))) for c in HIKEY.clusters)
        board.apply(opps(*points))
        for step in range(round(1.0 / step_s)):
            board.advance_to(second + (step + 1) * step_s)
        slopes = _slopes(board, _load(board, points))
        solved = solve_ivp(slopes, (0.0, 1.0), state, method="LSODA", rtol=1e-9, atol=1e-8)
        state = solved.y[:, -1]
        np.testing.assert_allclose(board.temperatures_c, state[:-1], atol=1e-4, rtol=0.0)
    assert board.energy_j == pytest.approx(state[-1], rel=3e-6)
