"""What a decision costs the daemon: eight applications, features to moves, and the DVFS round."""

import time
from pathlib import Path

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from npu_runtime.load import load_policy
from platforms.board import Board
from platforms.platform import ApplicationReading, Observation, TemperatureReading
from rm.features import rows, table
from rm.policies.topil import TopIl


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
