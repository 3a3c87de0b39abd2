"""The sweep: which application of interest runs beside which others, on which core, how fast.

A plan is drawn once from a seed and is then data; its digest names the recording.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from msgspec import Struct

from platforms.board import Board
from traces.designs import design_points


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


class PlannedRun(Struct, frozen=True):
    """One run: the application of interest on a core, an operating point per cluster."""

    scenario: PlannedScenario
    core: int
    opps: tuple[int, ...]


class StartTemperature(Struct, frozen=True, kw_only=True):
    """Every run begins at `temp_c` of the board's first sensor, within `tolerance_k`.

    The board is heated or cooled for at most `timeout_s` each; a run that begins elsewhere then
    says so.
    """

    temp_c: float
    tolerance_k: float = 1.0
    timeout_s: float = 300.0


class Conduct(Struct, frozen=True, kw_only=True):
    """How each run is made: begin at `start`, settle, then measure over the plan's window.

    `settle_s` is how long the board settles; None leaves it to the back end: the simulated board
    jumps to its steady state. With `instructions` the window ends when the application of interest
    has executed so many, in whole periods of the sensor, but not after the plan's window, which
    then is the longest. A run is made `repeats` times. A program that was just started loads for
    `load_s` before the board settles (the simulated ones need no time).
    """

    settle_s: float | None = None
    start: StartTemperature | None = None
    instructions: float | None = None
    repeats: int = 1
    load_s: float = 5.0


class Plan(Struct, frozen=True, kw_only=True):
    """A whole recording. `grid` lists the combinations of operating points per cluster.

    `design` says which of them are visited on each core (`traces.designs`), `conduct` how a run is
    made.

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
    design: str = "full"
    conduct: Conduct = Conduct()

    @property
    def axes(self) -> tuple[tuple[int, ...], ...]:
        """The operating points per cluster that the grid is the product of, lowest first."""
        return tuple(tuple(sorted(set(axis))) for axis in zip(*self.grid, strict=True))

    @property
    def digest(self) -> str:
        """SHA-256 over everything in the plan."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    @property
    def grid_digest(self) -> str:
        """SHA-256 over everything but the design: two of the same can complete each other."""
        return msgspec.structs.replace(self, design="full").digest

    def free_cores(self, scenario: PlannedScenario, board: Board) -> tuple[int, ...]:
        """The cores that the application of interest visits."""
        taken = set(scenario.background_cores)
        return tuple(core for core in range(board.core_count) if core not in taken)

    def points(self, scenario: PlannedScenario, core: int) -> tuple[tuple[int, ...], ...]:
        """The operating points that the application of interest is run at on a core."""
        if self.design == "full":
            return self.grid
        rng = np.random.default_rng([scenario.seed, core])
        return design_points(self.design, self.axes, rng)

    def runs(self, scenario: PlannedScenario, board: Board) -> Iterator[PlannedRun]:
        """The runs of a scenario in the order in which they are made."""
        for core in self.free_cores(scenario, board):
            for opps in self.points(scenario, core):
                yield PlannedRun(scenario, core, opps)

    def run_count(self, board: Board) -> int:
        """How many runs the plan asks for; repeats of a run are not counted."""
        if self.design == "full":
            mappings = sum(len(self.free_cores(s, board)) for s in self.scenarios)
            return mappings * len(self.grid)
        return sum(sum(1 for _ in self.runs(scenario, board)) for scenario in self.scenarios)


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
