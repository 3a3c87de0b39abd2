"""What a study has to run: tuning first, then final runs, and runs that lose replies."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.federated.compare.contestants import Contestant, contestants
from training.federated.compare.tuning import SEED, grid_of, with_options
from training.federated.study import Cell, Job, Size, Stage, Study
from training.federated.system import Setup

DROP_SHARE = 0.3
"""In robust runs a device is lost in a round with this probability."""


class StudyPlan:
    """The cells and jobs of one system's study."""

    def __init__(self, system: str, study: Study, size: Size) -> None:
        self.system, self.study, self.size = system, study, size
        self.jobs: tuple[Job, ...] = tuple(study.jobs(size))
        self._setups = tuple(study.setups(size, SEED))
        self.contestants: tuple[Contestant, ...] = contestants(
            self._setups, getattr(study, "scene_options", ())
        )
        self.grids = [grid_of(setup, study.grid, size.grid_points) for setup in self._setups]

    def tuning(self) -> list[list[Cell]]:
        """Per contestant a cell for each point of its grid; none where there is only one point."""
        return [
            [self._cell("tune", with_options(setup, point)) for point in grid]
            if len(grid) > 1
            else []
            for setup, grid in zip(self._setups, self.grids, strict=True)
        ]

    def final(self, chosen: Sequence[Mapping[str, Any]]) -> list[list[Cell]]:
        """Per contestant a cell for each seed, with the options that were `chosen` for it."""
        return self._seeded("final", chosen, self.size.seeds, 0.0)

    def robust(self, chosen: Sequence[Mapping[str, Any]]) -> list[list[Cell]]:
        """The same with lost replies, for the first half of the seeds."""
        return self._seeded("robust", chosen, robust_seeds(self.size), DROP_SHARE)

    def count(self) -> int:
        """How many pieces of work there are in all."""
        tuned = sum(map(len, self.tuning()))
        seeds = self.size.seeds + robust_seeds(self.size)
        return tuned + len(self.jobs) + len(self._setups) * seeds

    def _seeded(
        self, stage: Stage, chosen: Sequence[Mapping[str, Any]], seeds: int, drop_share: float
    ) -> list[list[Cell]]:
        cells: list[list[Cell]] = [[] for _ in chosen]
        for seed in range(1, seeds + 1):
            setups = self.study.setups(self.size, seed)
            for own, setup, options in zip(cells, setups, chosen, strict=True):
                own.append(self._cell(stage, with_options(setup, options), drop_share))
        return cells

    def _cell(self, stage: Stage, setup: Setup, drop_share: float = 0.0) -> Cell:
        return Cell(stage=stage, setup=setup, rounds=self.size.rounds, drop_share=drop_share)


def robust_seeds(size: Size) -> int:
    """How many seeds run once more with lost replies.

    >>> robust_seeds(Size(name="default", rounds=20, seeds=5, grid_points=3))
    3
    """
    return (size.seeds + 1) // 2
