"""The sweep: which application of interest runs beside which others, on which core, how fast.

A plan is drawn once from a seed and is then data; its digest names the recording.
"""

import hashlib
import itertools
from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Struct

from platforms.board import Board


class PlannedScenario(Struct, frozen=True):
    """An application of interest, and others pinned to cores of their own.

    The application of interest runs on every core that `background_cores` leaves free, at every
    point of the plan's grid. `seed` draws what is random in the scenario.
    """

    number: int
    application: str
    background: tuple[str, ...]
    background_cores: tuple[int, ...]
    seed: int


class Plan(Struct, frozen=True, kw_only=True):
    """A whole recording. `grid` lists the operating points per cluster, one tuple a run.

    `pools` are the names of applications that run only among themselves, as `draw_scenarios` took
    them.
    `board_sha256`, `cooling_sha256` and `applications_sha256` are digests (`traces.schema`) of the
    descriptions that the board, its cooling setup and the applications had.
    """

    board: str
    board_sha256: str
    applications_sha256: str
    cooling: str
    seed: int
    window_s: float
    variation: float
    diversity: float
    grid: tuple[tuple[int, ...], ...]
    scenarios: tuple[PlannedScenario, ...]
    pools: tuple[tuple[str, ...], ...] = ()
    cooling_sha256: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 over everything in the plan."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def free_cores(self, scenario: PlannedScenario, board: Board) -> tuple[int, ...]:
        """The cores that the application of interest visits."""
        taken = set(scenario.background_cores)
        return tuple(core for core in range(board.core_count) if core not in taken)

    def run_count(self, board: Board) -> int:
        """How many runs the plan asks for."""
        mappings = sum(len(self.free_cores(s, board)) for s in self.scenarios)
        return mappings * len(self.grid)


def opp_grid(board: Board, points_per_cluster: int | None) -> tuple[tuple[int, ...], ...]:
    """All combinations of operating points, or of an even choice of them per cluster.

    The lowest and the highest are always in; None takes every point.
    """
    axes = []
    for cluster in board.clusters:
        count = len(cluster.opps)
        chosen = count if points_per_cluster is None else min(points_per_cluster, count)
        axes.append(sorted({round(i) for i in np.linspace(0, count - 1, max(chosen, 2))}))
    return tuple(itertools.product(*axes))


def draw_scenarios(
    board: Board,
    pools: Sequence[Sequence[str]],
    *,
    count: int,
    most_background: int,
    rng: np.random.Generator,
) -> tuple[PlannedScenario, ...]:
    """Draw scenarios whose applications all come from one pool each.

    Pools keep training and validation applications apart, in the background too. Each pool gets a
    share of the scenarios by its size, and within a pool every application is of interest equally
    often (to within one).
    """
    most = min(most_background, board.core_count - 1)
    order = [pool for pool in pools for _ in pool]
    rng.shuffle(order)
    turns = {id(pool): itertools.cycle(rng.permutation(list(pool))) for pool in pools}
    scenarios = []
    for number, pool in zip(range(count), itertools.cycle(order), strict=False):
        others = int(rng.integers(0, most + 1))
        scenarios.append(
            PlannedScenario(
                number,
                str(next(turns[id(pool)])),
                tuple(str(name) for name in rng.choice(list(pool), size=others)),
                tuple(int(c) for c in rng.choice(board.core_count, size=others, replace=False)),
                int(rng.integers(2**31)),
            )
        )
    return tuple(scenarios)


def split_pools(
    names: Sequence[str], *, held_out_share: float, rng: np.random.Generator
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split names at random into those for training, at least one, and those held out.

    The latter are for validation.
    """
    shuffled = [str(name) for name in rng.permutation(sorted(names))]
    held_out = min(round(held_out_share * len(shuffled)), len(shuffled) - 1)
    return tuple(sorted(shuffled[held_out:])), tuple(sorted(shuffled[:held_out]))
