"""What the Gymnasium environment costs above the simulated board that is in it."""

import time
from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from platforms.platform import Decision, Observation
from rm.governor import Governor
from training.environment.episodes import Episodes, episodes_of
from training.environment.policy import AgentPolicy
from training.environment.simulated_environment import SimulatedEnvironment
from training.environment.steering import Interface

DURATION_S = 600.0
ROUNDS = 5
MOST_TIMES_THE_GOVERNOR = 1.6


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    """Default episodes."""
    return episodes_of(
        board="hikey970",
        cooling="fan",
        applications=["parsec"],
        workload=None,
        periods=None,
        duration_s=DURATION_S,
        start_temp_c=None,
    )


def fastest_s(run: Callable[[], object]) -> float:
    """The least of some runs' times: what others do on the machine only adds to it."""
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return min(times)


def environment_episode(env: SimulatedEnvironment, action: np.ndarray) -> int:
    """A whole episode with one action for ever; how many steps it took."""
    env.reset(seed=0)
    steps, over = 0, False
    while not over:
        _, _, terminated, truncated, _ = env.step(action)
        steps, over = steps + 1, terminated or truncated
    return steps


def test_steps_against_the_bare_board(benchmark: BenchmarkFixture, episodes: Episodes) -> None:
    """The same operating points and no moves; the bare board is looked at by nobody."""
    env = SimulatedEnvironment(dvfs="agent", duration_s=DURATION_S)
    action = np.array([0] * 12 + [6, 8])

    def bare() -> None:
        simulated = episodes.start(0)
        simulated.apply(Decision((), (6, 8)))
        simulated.advance_to(DURATION_S)

    steps = benchmark.pedantic(environment_episode, args=(env, action), rounds=ROUNDS)
    ratio = benchmark.stats.stats.min / fastest_s(bare)
    speed = steps / benchmark.stats.stats.min
    benchmark.extra_info["times_the_bare_board"] = round(ratio, 1)
    print(f"\nenvironment: {speed:.0f} steps/s, {ratio:.1f} times the bare board's time")


def test_steps_against_the_governor(benchmark: BenchmarkFixture, episodes: Episodes) -> None:
    """The same rounds with the same agent as a policy: what Gymnasium's side of it costs."""
    env = SimulatedEnvironment(duration_s=DURATION_S)
    stay = np.zeros(12, dtype=np.int64)

    def governed() -> None:
        simulated = episodes.start(0)
        policy = AgentPolicy(simulated.board, lambda _: stay, name="stays", interface=Interface())
        Governor(simulated, policy, simulated.clock, listener=_hear).run(DURATION_S)

    steps = benchmark.pedantic(environment_episode, args=(env, stay), rounds=ROUNDS)
    ratio = benchmark.stats.stats.min / fastest_s(governed)
    speed = steps / benchmark.stats.stats.min
    benchmark.extra_info["times_the_governor"] = round(ratio, 2)
    print(f"\nenvironment: {speed:.0f} steps/s, {ratio:.2f} times the governor's time")
    assert ratio < MOST_TIMES_THE_GOVERNOR


def _hear(observation: Observation, decision: Decision) -> None:
    """What any recording costs at least."""
