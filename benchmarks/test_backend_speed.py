"""What the back ends cost: against numpy's bare matrix products, and the price of isolation."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npu_runtime.load import BACKENDS, open_policy
from npu_runtime.onnx_graph import read_graph
from npu_runtime.policy_file import PolicyFile, read_policy_file
from rm.safety.failsafe import Failsafe
from rm.safety.sensor_watch import SensorWatch
from tests.rm.readings import observation
from tests.rm.safety.boards import BOARDS

SHIPPED = sorted((Path(__file__).parents[1] / "rm" / "policies" / "shipped").glob("*.onnx"))
TIMES_THE_BARE_PRODUCTS = 3.0
BATCH = 8


def median_s(call: Callable[[Any], Any], argument: Any, *, calls: int = 1000) -> float:
    """The median of nine means: other programs disturb some of them."""
    means = []
    for _ in range(9):
        begun = time.perf_counter()
        for _ in range(calls):
            call(argument)
        means.append((time.perf_counter() - begun) / calls)
    return float(np.median(means))


def bare_products(file: PolicyFile) -> Callable[[Any], Any]:
    """The network's matrix products, and nothing else."""
    weights = read_graph(file.content).weights.values()
    matrices = [np.ascontiguousarray(weight.T) for weight in weights if weight.ndim == 2]

    def run(rows: Any) -> Any:
        for matrix in matrices:
            rows = rows @ matrix
        return rows

    return run


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", BACKENDS)
def test_a_back_end_takes_at_most_three_times_the_bare_products(path: Path, name: str) -> None:
    """Eight rows, one thread, hot."""
    file = read_policy_file(path)
    rows = file.metadata.parity_rows()[0][:BATCH]
    backend = open_policy(file, backend=name).backend
    backend.warm_up(BATCH)
    took_s, bare_s = median_s(backend.run, rows), median_s(bare_products(file), rows)
    print(
        f"\n{path.stem} on {name}: {1e6 * took_s:.1f} us, {took_s / bare_s:.1f} times the bare "
        f"products ({1e6 * bare_s:.1f} us)"
    )
    assert took_s < TIMES_THE_BARE_PRODUCTS * bare_s


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_isolation_costs(path: Path) -> None:
    """A call into another process and back, against the same call in this one."""
    file = read_policy_file(path)
    rows = file.metadata.parity_rows()[0][:BATCH]
    inside = open_policy(file, backend="numpy")
    isolated = open_policy(file, backend="isolated:numpy", deadline_s=1.0)
    assert isolated.backend.wait_until_ready(20.0)  # type: ignore[attr-defined]
    inside_s, isolated_s = median_s(inside.run, rows), median_s(isolated.run, rows)
    isolated.close()
    print(
        f"\n{path.stem}: {1e6 * inside_s:.0f} us in this process, {1e6 * isolated_s:.0f} us in one "
        "of its own"
    )


@pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))
def test_what_watching_costs_a_round(board: Any) -> None:
    """Sensor watch and failsafe, once every DVFS period, a changing clock included."""
    watch, failsafe = SensorWatch(board), Failsafe(board, critical_c=85.0)
    busy = (0.5,) * board.core_count
    seen = [
        observation(
            board=board,
            utilisation=busy,
            time_s=0.05 * number,
            opp_index=board.highest_opps if number % 20 < 10 else board.lowest_opps,
        )
        for number in range(2000)
    ]
    begun = time.perf_counter()
    for one in seen:
        watch.problem(one)
        failsafe.limit(one, board.highest_opps)
    print(f"\n{board.name}: {1e6 * (time.perf_counter() - begun) / len(seen):.0f} us a round")
