"""How long a plan takes for eight applications and a training job of 512 modes, on one core.

The yardstick beside the bar in milliseconds is one plain look at all plans in the same run: every
division of the applications, every place and operating point of training, every operating point of
the other cluster, by three additions and a maximum of arrays in double precision, without knowing
who is served, which setting to take, or what leaks at which temperature.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from platforms.board import Board
from platforms.board_file import load_board
from platforms.training_work import load_training
from rm.mapping.demand import Demand
from rm.planner.capability import modelled_capability
from rm.planner.heat import HeatModel
from rm.planner.mode_table import ModeTable, mode_table
from rm.planner.plans import Limits, Objective, Plan, RoundLeft
from rm.planner.together import plan
from tests.rm.mapping.demands import random_demand

QUESTIONS = 120
REPEATS = 3
"""The least of so many times counts: what else the machine does is not the planner's."""

MOST_MS = 5.0


def tabled(board: Board, settings: int = 8) -> ModeTable:
    """So many settings of a shipped training at all places: 512 modes on the HiKey 970."""
    training = load_training("transformer-6x256")
    return mode_table(board, modelled_capability(board, training.works[:settings], training.curve))


def questions(board: Board, table: ModeTable) -> list[tuple[Objective, Callable[[], Plan]]]:
    """Random ones: deadlines and limits that are easy, hard and out of reach."""
    rng = np.random.default_rng(0)
    best = float(table.progress_per_s.max())
    heat = HeatModel(board, board.cooling_named("fan"), 75.0)
    asked: list[tuple[Objective, Callable[[], Plan]]] = []
    for number in range(QUESTIONS):
        demand = random_demand(board, rng, 8, heaviest=float(rng.choice([0.3, 0.6, 0.9])))
        samples = best * 60.0 * float(np.exp(rng.uniform(np.log(0.02), np.log(1.5))))
        limits = Limits(
            float(rng.choice([35.0, 45.0, 60.0, 85.0])),
            power_w=float(rng.choice([math.inf, math.inf, 3.0])),
        )
        objective: Objective = "energy" if number % 4 == 0 else "temperature"
        asked.append((objective, _question(heat, demand, table, samples, limits, objective)))
    return asked


def _question(
    heat: HeatModel,
    demand: Demand,
    table: ModeTable,
    samples: float,
    limits: Limits,
    objective: Objective,
) -> Callable[[], Plan]:
    left = RoundLeft(samples, 60.0)
    return lambda: plan(heat.board, heat, demand, table, left, limits, objective=objective)


def looked_at_once(board: Board) -> float:
    """Milliseconds of one plain look at all plans."""
    rng = np.random.default_rng(1)
    points = [len(cluster.opps) for cluster in board.clusters]
    cores = [len(cluster.cores) for cluster in board.clusters]
    begun = time.process_time()
    for own, other in ((0, 1), (1, 0)):
        mine = rng.random((2, 256, points[own] * cores[own], 1))
        theirs = rng.random((2, 256, 1, points[other]))
        warm = [mine[row] + theirs[row] for row in (0, 1)]
        np.maximum(warm[0], warm[1] + 1.0).argmin()
    return 1e3 * (time.process_time() - begun)


def timed_ms(asked: Callable[[], Plan]) -> tuple[float, Plan]:
    """The least time of some tries, and the plan."""
    best = math.inf
    for _ in range(REPEATS):
        begun = time.process_time()
        found = asked()
        best = min(best, 1e3 * (time.process_time() - begun))
    return best, found


def test_eight_applications_and_512_modes_on_the_hikey_970(
    benchmark: BenchmarkFixture, board: Board
) -> None:
    """Under 5 ms for every kind of answer: 95 of 100 of each objective."""
    table = tabled(board)
    assert len(table) >= 500
    asked = questions(board, table)
    asked[0][1]()
    times: defaultdict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(list)

    def run() -> None:
        for objective, question in asked:
            time_ms, found = timed_ms(question)
            times[objective, found.broken].append(time_ms)

    benchmark.pedantic(run, rounds=1)
    plain_ms = min(looked_at_once(board) for _ in range(9))
    for (objective, broken), each in sorted(times.items()):
        kept = f"without keeping {' and '.join(broken)}" if broken else "all kept"
        print(
            f"\n{objective}, {kept}: {len(each)} plans, median {np.median(each):.2f} ms, "
            f"most {max(each):.2f} ms; median x {np.median(each) / plain_ms:.1f}",
            end="",
        )
    all_ms = [time_ms for each in times.values() for time_ms in each]
    benchmark.extra_info |= {
        "median_ms": float(np.median(all_ms)),
        "p95_ms": float(np.quantile(all_ms, 0.95)),
        "times_a_plain_look": float(np.median(all_ms)) / plain_ms,
    }
    print()
    assert np.quantile(all_ms, 0.95) <= MOST_MS


@pytest.mark.parametrize("name", ["rk3588", "jetson-nano", "jetson-orin-nano"])
def test_other_boards(benchmark: BenchmarkFixture, name: str) -> None:
    """Printed: three clusters, one with a GPU, two of one kind with a GPU."""
    on = load_board(name)
    cooling = on.cooling[0]
    table = tabled(on)
    rng = np.random.default_rng(0)
    heat = HeatModel(on, cooling, 75.0)
    samples = 0.3 * 60.0 * float(table.progress_per_s.max())
    asked = [
        _question(
            heat,
            random_demand(on, rng, 8, heaviest=0.4),
            table,
            samples,
            Limits(80.0),
            "temperature",
        )
        for _ in range(12)
    ]
    asked[0]()
    found = benchmark.pedantic(lambda: [timed_ms(question)[0] for question in asked], rounds=1)
    print(
        f"\n{name}, {len(table)} modes: median {np.median(found):.2f} ms, most {max(found):.2f} ms"
    )


@pytest.mark.parametrize(("name", "count"), [("hikey970", 13), ("hikey970", 64), ("rk3588", 20)])
def test_more_applications(benchmark: BenchmarkFixture, name: str, count: int) -> None:
    """Printed: what a search takes, with as many modes as a job of 24 settings has."""
    on = load_board(name)
    training = load_training("tiny-4")
    table = mode_table(on, modelled_capability(on, training.works, training.curve))
    rng = np.random.default_rng(0)
    heat = HeatModel(on, on.cooling[0], 75.0)
    samples = 0.3 * 60.0 * float(table.progress_per_s.max())
    asked = [
        _question(
            heat,
            random_demand(on, rng, count, lightest=0.1 / count, heaviest=heaviest),
            table,
            samples,
            Limits(60.0),
            "temperature",
        )
        for heaviest in (3.0 / count, 0.9)
        for _ in range(6)
    ]
    asked[0]()
    found = benchmark.pedantic(lambda: [timed_ms(question)[0] for question in asked], rounds=1)
    print(
        f"\n{count} applications on {name}, {len(table)} modes: median {np.median(found):.2f} ms, "
        f"most {max(found):.2f} ms"
    )
