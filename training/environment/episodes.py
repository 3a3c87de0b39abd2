"""What the episodes of one environment have in common, and how one is drawn from a seed."""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from platforms.application import ApplicationProfile
from platforms.application_file import find_applications
from platforms.board import Board
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Periods

WORKLOAD_STREAM, NOISE_STREAM, COOLING_STREAM = 0, 1, 2
"""Streams of an episode's seed. The first two are those of ``ilgov evaluate --seed-start``, so that
an agent and a policy can be compared on the very same episode."""

START_RANGE_C = (-20.0, 120.0)
"""Start temperatures that ``ilgov evaluate`` takes as well."""


class Episodes(Struct, frozen=True, kw_only=True):
    """Boards under one of `coolings`, drawn alike, with a workload that is drawn anew."""

    board: Board
    coolings: tuple[str, ...]
    profiles: tuple[ApplicationProfile, ...]
    workload: WorkloadParameters
    periods: Periods
    duration_s: float
    start_temp_c: float | None

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated."""
        known = [setup.name for setup in self.board.cooling]
        for name in self.coolings or ("",):
            if name not in known:
                raise InvalidInput(f"cooling must be one of {', '.join(known)} (got {name!r})")
        steps = self.duration_s / self.periods.migration_s
        if not 2 <= steps < math.inf or abs(steps - round(steps)) > 1e-6:
            raise InvalidInput(
                "duration_s must be a whole multiple, at least 2, of the migration period "
                f"{self.periods.migration_s} s (got {self.duration_s})"
            )
        low_c, high_c = START_RANGE_C
        if self.start_temp_c is not None and not low_c <= self.start_temp_c <= high_c:
            raise InvalidInput(
                f"start_temp_c must lie in {low_c} ... {high_c} (got {self.start_temp_c})"
            )

    @property
    def steps(self) -> int:
        """How often the agent acts in an episode: from the end of the first period on."""
        return round(self.duration_s / self.periods.migration_s) - 1

    def start(self, seed: int) -> SimulatedBoard:
        """The board at time 0 of the episode of a seed."""
        drawn = np.random.default_rng([seed, COOLING_STREAM]).integers(len(self.coolings))
        rng = np.random.default_rng([seed, WORKLOAD_STREAM])
        return SimulatedBoard(
            self.board,
            cooling=self.board.cooling_named(self.coolings[int(drawn)]),
            rng=np.random.default_rng([seed, NOISE_STREAM]),
            jobs=draw_workload(self.board, self.profiles, self.workload, rng),
            start_temp_c=self.start_temp_c,
            run_s=self.duration_s,
        )


def episodes_of(
    *,
    board: str | Board,
    cooling: str | Sequence[str],
    applications: Sequence[str | ApplicationProfile],
    workload: WorkloadParameters | None,
    periods: Periods | None,
    duration_s: float,
    start_temp_c: float | None,
) -> Episodes:
    """The episodes that the environment's arguments describe; InvalidInput where there are none."""
    given = [app for app in applications if isinstance(app, ApplicationProfile)]
    names = [app for app in applications if isinstance(app, str)]
    if not applications or isinstance(applications, str):
        raise InvalidInput(
            f"applications must be a list of suites, names or profiles (got {applications!r})"
        )
    return Episodes(
        board=load_board(board) if isinstance(board, str) else board,
        coolings=(cooling,) if isinstance(cooling, str) else tuple(cooling),
        profiles=(*find_applications(names), *given),
        workload=workload or WorkloadParameters(),
        periods=periods or Periods(),
        duration_s=duration_s,
        start_temp_c=start_temp_c,
    )
