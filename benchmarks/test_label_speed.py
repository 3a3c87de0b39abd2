"""How many scenarios a second get labels for one application of interest, on one core.

A scenario is a QoS target with what the fixed background demands; its label is one figure per core.
Time is processor time: who else uses the machine does not count.
"""

import time
from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oracle.demonstrations import Scenario, scenarios
from oracle.labels import choose, soft_labels
from platforms.board import Board
from traces.store import read_table

LEAST_PER_S = 100_000
"""The rate below which sweeps of millions of scenarios would be no fun."""


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("demands", [72, 10_000])
def test_labels_per_second(
    benchmark: BenchmarkFixture, board: Board, traces_file: Path, demands: int
) -> None:
    """For all recorded scenarios, in batches of as many `demands` as a sweep draws, or of many."""
    recorded = list(scenarios(board, read_table(traces_file, kind="traces")[0]))
    rng = np.random.default_rng(0)
    drawn = [(one, *_demands(board, one, demands, rng)) for one in recorded]

    def all_labels() -> None:
        for one, target_ips, background_opp in drawn:
            choices = choose(
                one.sweep,
                board.cluster_of_core,
                target_ips=target_ips,
                background_opp=background_opp,
            )
            soft_labels(
                choices.temp_c, choices.status, alpha_per_k=1.0, unreachable=-1.0, occupied=0.0
            )

    benchmark(all_labels)
    speed = len(recorded) * demands / benchmark.stats.stats.median
    benchmark.extra_info["scenarios_per_s"] = round(speed)
    print(f"\nlabels: {speed:.0f} scenarios per second in batches of {demands}")
    assert speed > LEAST_PER_S


def _demands(
    board: Board, scenario: Scenario, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Targets up to the best recorded rate, and any operating points for the background."""
    best_ips = float(np.nanmax(scenario.sweep.rate_ips))
    points = [rng.integers(0, len(cluster.opps), size=count) for cluster in board.clusters]
    return best_ips * rng.uniform(0.1, 1.0, size=count), np.stack(points, axis=1)
