"""What a decision costs the daemon: eight applications, features to moves, and the DVFS round."""

import time
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from npu_runtime.load import load_policy
from platforms.board import Board
from platforms.platform import ApplicationReading, Observation, TemperatureReading
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.comparison import why_not
from rm.evaluation.stopwatch import TimedPolicy
from rm.evaluation.timing import policy_times
from rm.features import rows, table
from rm.governor import Periods
from rm.policies.registry import PolicyContext, policy_factory, policy_names
from rm.policies.topil import TopIl

OF_A_PERIOD = 0.1
"""A decision may take this share of its period on the CPU, in 99 of 100 cases (chosen): the
applications need the rest."""


def _observation(board: Board) -> Observation:
    applications = tuple(
        ApplicationReading(i, f"app{i}", 0.4e9, 0.5e9 + 1e7 * i, 1e7, (i,), 1)
        for i in range(board.core_count)
    )
    return Observation(
        1.0,
        0.05,
        applications,
        (3, 4),
        board.highest_opps,
        (1.0,) * board.core_count,
        (TemperatureReading("cls0", 45.0, 0.0),),
    )


def test_migration_decision_for_eight_applications(
    benchmark: BenchmarkFixture, board: Board, policy_file: Path
) -> None:
    """Once every 500 ms; reported as a multiple of the bare network call in the same run."""
    scorer = load_policy(
        policy_file, features=table(board), board=board.name, outputs=board.core_names
    )
    policy = TopIl(board, scorer)
    observation = _observation(board)
    benchmark(policy.migrate, observation)
    batch = rows(board, observation, observation.applications)
    calls = []
    for _ in range(2000):
        begun = time.perf_counter()
        scorer.run(batch)
        calls.append(time.perf_counter() - begun)
    ratio = benchmark.stats.stats.median / float(np.median(calls))
    benchmark.extra_info["times_the_bare_network_call"] = round(ratio, 1)
    print(
        f"\nmigration decision: {1e6 * benchmark.stats.stats.median:.0f} us, "
        f"{ratio:.1f} times the bare network call"
    )


def test_dvfs_round_for_eight_applications(
    benchmark: BenchmarkFixture, board: Board, policy_file: Path
) -> None:
    """Once every 50 ms."""
    scorer = load_policy(
        policy_file, features=table(board), board=board.name, outputs=board.core_names
    )
    policy = TopIl(board, scorer)
    benchmark(policy.scale, _observation(board))
    print(f"\nDVFS round: {1e6 * benchmark.stats.stats.median:.1f} us")


@pytest.mark.parametrize("name", [name for name in policy_names() if name != "oracle"])
def test_every_policy_decides_in_a_small_part_of_its_period(
    name: str, board: Board, policy_file: Path
) -> None:
    """As a multiple of a numpy pass through TOP-IL's network in the same run, and of its period."""
    file = policy_file if name == "topil" else None
    reason = why_not(name, board, file)
    if reason is not None:
        pytest.skip(f"{name} was not measured: {reason}")
    idle = SimulatedBoard(board, cooling=board.cooling_named("fan"), rng=np.random.default_rng(0))
    policy = TimedPolicy(policy_factory(name)(PolicyContext(board, idle, file)))
    observation = _observation(board)
    for _ in range(1000):
        policy.migrate(observation)
        policy.scale(observation)
    (times,) = policy_times([policy.times(cooling="fan", seed=0)])
    print(
        f"\n{name}: migration {times.migrate_median_ratio:.1f} (99 %: "
        f"{times.migrate_p99_ratio:.1f}), DVFS {times.scale_median_ratio:.1f} (99 %: "
        f"{times.scale_p99_ratio:.1f}) times the reference pass"
    )
    assert times.migrate_p99_ms < OF_A_PERIOD * 1e3 * Periods().migration_s
    assert times.scale_p99_ms < OF_A_PERIOD * 1e3 * Periods().dvfs_s
