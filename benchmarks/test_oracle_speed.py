"""How many demonstrations the oracle extracts from traces in a second of processor time."""

import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from oracle.demonstrations import OracleParameters, extract, scenarios
from platforms.board import Board
from traces.store import read_table


@pytest.mark.benchmark(timer=time.process_time)
def test_demonstrations_per_second(
    benchmark: BenchmarkFixture, board: Board, traces_file: Path
) -> None:
    """From a table in memory to labelled feature rows, with the oracle's default parameters."""
    traces, _ = read_table(traces_file, kind="traces")
    parameters = OracleParameters()

    def all_rows() -> int:
        return sum(len(extract(board, s, parameters).labels) for s in scenarios(board, traces))

    count = benchmark(all_rows)
    speed = count / benchmark.stats.stats.median
    benchmark.extra_info["demonstrations_per_s"] = round(speed)
    print(f"\noracle: {speed:.0f} demonstrations per second ({count} from {traces.num_rows} runs)")
