"""Measure how long the exact joint search takes: with more applications, and with more cores.

All times are processor times of one thread: who else uses the machine does not lengthen them by
waiting. They belong to the machine still, so no two runs give the same; decisions, proofs and nodes
are the same for the same seed and version.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from oracle.joint import JointSearch, Solution
from oracle.scenarios import as_evaluated
from oracle.smaller_board import smaller_board
from oracle.whatif import Wanted, WhatIf
from platforms.application import ApplicationProfile
from platforms.board import Board
from rm.evaluation.workload import WorkloadParameters

CUT_BOARD = "hikey970"
"""The board whose cores are dropped, because its two clusters have equally many."""

CUT_CORES = ((2, 2), (3, 3), (4, 4))
"""How many cores of each cluster are kept; the last is the whole board."""

CUT_APPLICATIONS = 8
"""So many applications run where the number of cores varies: one per core of the whole board."""

DRAWN = WorkloadParameters()
"""The targets and the variation of the applications are those of the evaluation's workloads."""


class Case(Struct, frozen=True):
    """A board, and how many applications it shall run."""

    board: Board
    applications: int


class ScalingPoint(Struct, frozen=True, kw_only=True):
    """What the solutions of one case took.

    `*_ms` are processor times per solution, milliseconds. `certified_share` is the share of
    solutions that were proven optimal, `missed_share` that of those that miss a target.
    `median_nodes` counts the choices that the search tried.
    """

    board: str
    title: str
    cores: int
    applications: int
    solutions: int
    median_ms: float
    p95_ms: float
    max_ms: float
    certified_share: float
    missed_share: float
    median_nodes: float


class Scaling(Struct, frozen=True, kw_only=True):
    """All that was measured: one point per board and number of applications, and per cut board."""

    by_applications: tuple[ScalingPoint, ...]
    by_cores: tuple[ScalingPoint, ...]


class Measurement(Struct, frozen=True, kw_only=True):
    """How every case is measured: `scenarios` are drawn by `seed`; a search tries `budget` nodes.

    `cooling` names a setup that every board must have.
    """

    profiles: tuple[ApplicationProfile, ...]
    cooling: str
    scenarios: int
    seed: int
    budget: int


def cases_by_applications(boards: Sequence[Board], applications: Sequence[int]) -> list[Case]:
    """Every board with every number of applications."""
    return [Case(board, number) for board in boards for number in applications]


def cases_by_cores(board: Board) -> list[Case]:
    """`board` with some of its cores dropped, the fewest cores first."""
    return [Case(smaller_board(board, cores), CUT_APPLICATIONS) for cores in CUT_CORES]


def measure_case(
    case: Case,
    measurement: Measurement,
    on_solved: Callable[[Solution], None] = lambda solution: None,
    *,
    clock: Callable[[], float] = time.process_time,
) -> ScalingPoint:
    """Solve the scenarios of a case one after the other; `on_solved` hears each solution.

    One more is solved first and not counted: the search is compiled, or its code loaded, then.
    `clock` gives seconds.
    """
    board = case.board
    models = WhatIf(board, board.cooling_named(measurement.cooling))
    search = JointSearch(models=models, budget=measurement.budget)
    search.solve(_scenario(case, measurement, measurement.scenarios))
    times_s, solutions = [], []
    for number in range(measurement.scenarios):
        apps = _scenario(case, measurement, number)
        begun_s = clock()
        solutions.append(search.solve(apps))
        times_s.append(clock() - begun_s)
        on_solved(solutions[-1])
    median_ms, p95_ms, max_ms = (float(q) for q in 1e3 * np.quantile(times_s, (0.5, 0.95, 1.0)))
    return ScalingPoint(
        board=board.name,
        title=board.title,
        cores=board.core_count,
        applications=case.applications,
        solutions=len(solutions),
        median_ms=median_ms,
        p95_ms=p95_ms,
        max_ms=max_ms,
        certified_share=float(np.mean([solution.optimal for solution in solutions])),
        missed_share=float(np.mean([bool(solution.misses) for solution in solutions])),
        median_nodes=float(np.median([solution.nodes for solution in solutions])),
    )


def _scenario(case: Case, measurement: Measurement, number: int) -> tuple[Wanted, ...]:
    """Applications as the evaluation draws them, each with one thread, in any phase, anywhere.

    It depends on the seed and the number alone: boards with the same clusters get the same ones.
    """
    rng = np.random.default_rng([measurement.seed, number])
    drawn = replace(DRAWN, arrivals=case.applications)
    return as_evaluated(case.board, measurement.profiles, drawn, rng)
