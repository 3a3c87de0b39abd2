"""How many seconds the simulated closed loop gets through in one, with the policy in it."""

from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from platforms.application import ApplicationProfile
from platforms.board import Board
from rm.evaluation.episode import EpisodeSetup, run_episode

LEAST_SIMULATED_S_PER_S = 1000.0


def test_closed_loop_with_topil(
    benchmark: BenchmarkFixture,
    board: Board,
    profiles: tuple[ApplicationProfile, ...],
    policy_file: Path,
) -> None:
    """One whole default episode: board, 50 ms and 500 ms loops, network, recording, all in."""
    setup = EpisodeSetup(
        board=board,
        cooling="fan",
        policy="topil",
        seed=0,
        profiles=profiles,
        policy_file=policy_file,
    )
    benchmark.pedantic(run_episode, args=(setup,), rounds=5, warmup_rounds=1)
    speed = setup.duration_s / benchmark.stats.stats.median
    benchmark.extra_info["simulated_s_per_s"] = round(speed)
    print(f"\nclosed loop with topil: {speed:.0f} simulated seconds per second")
    assert speed >= LEAST_SIMULATED_S_PER_S
