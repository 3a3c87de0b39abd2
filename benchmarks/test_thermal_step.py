"""The exact thermal step against a general integrator, over the same minute of switching power."""

import time

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture
from scipy.integrate import solve_ivp

from platforms.board import Board
from platforms.simulated.heat import HeatNetwork

STEPS, STEP_S = 60, 1.0


def test_thermal_step_against_solve_ivp(benchmark: BenchmarkFixture, board: Board) -> None:
    """Both start from the same field and end within a millikelvin of each other."""
    network = HeatNetwork.build(board.thermal, board.cooling_named("fan"))
    rng = np.random.default_rng(0)
    powers = rng.uniform(0.0, 1.0, size=(STEPS, len(network.names)))
    start = np.full(len(network.names), 35.0)

    def exact() -> np.ndarray:
        temp_c = start
        for power_w in powers:
            temp_c = network.step(temp_c, power_w, STEP_S)
        return temp_c

    def integrated() -> np.ndarray:
        temp_c = start
        for power_w in powers:

            def slope(_: float, t: np.ndarray, power_w: np.ndarray = power_w) -> np.ndarray:
                rise = t - network.ambient_c
                return (power_w - network.conductance @ rise) / network.capacity

            solved = solve_ivp(slope, (0.0, STEP_S), temp_c, method="LSODA", rtol=1e-8, atol=1e-8)
            temp_c = solved.y[:, -1]
        return temp_c

    np.testing.assert_allclose(benchmark(exact), integrated(), atol=1e-3)
    begun = time.perf_counter()
    integrated()
    ratio = (time.perf_counter() - begun) / benchmark.stats.stats.median
    benchmark.extra_info["times_faster_than_solve_ivp"] = round(ratio)
    print(f"\nthermal step: {ratio:.0f} times as fast as solve_ivp (LSODA, 1e-8), same minute")
