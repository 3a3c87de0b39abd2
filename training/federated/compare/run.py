"""Run studies: what is done already is taken over, the rest is done in several processes."""

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

from msgspec import Struct

from traces.workers import finished_jobs
from training.federated.compare.contestants import Contestant
from training.federated.compare.kept import (
    Keeper,
    Piece,
    Work,
    cpu_s_of,
    do_piece,
    find_kept,
    outcome_of,
    result_of,
)
from training.federated.compare.plan import StudyPlan
from training.federated.compare.tuning import Trial, Tuned, choose, ends
from training.federated.study import Cell, Outcome


class Found(Struct, frozen=True, kw_only=True):
    """What a study came to; `final` and `robust` have the outcomes of each contestant by seed.

    `cpu_s` is what all pieces together took when they were done.
    """

    contestants: tuple[Contestant, ...]
    tuned: tuple[Tuned, ...]
    final: tuple[tuple[Outcome, ...], ...]
    robust: tuple[tuple[Outcome, ...], ...]
    jobs: dict[str, Any]
    cpu_s: float

    def outcomes(self) -> list[Outcome]:
        """All final and robust outcomes."""
        return list(chain(*self.final, *self.robust))


def run_studies(
    plans: Sequence[StudyPlan],
    keeper: Keeper,
    *,
    workers: int,
    on_done: Callable[[], None] = lambda: None,
) -> tuple[Found, ...]:
    """Run all studies; `on_done` hears of each piece that is done or was found done.

    The outcome depends on neither the number of workers nor on what was done before.
    """
    keeper.sweep()
    running = [_Running(plan, keeper) for plan in plans]
    for stage in (_Running.first, _Running.second):
        _do(list(chain.from_iterable(map(stage, running))), workers=workers, on_done=on_done)
    return tuple(one.found() for one in running)


def _do(pieces: Sequence[Piece], *, workers: int, on_done: Callable[[], None]) -> None:
    missing = []
    for piece in pieces:
        if find_kept(piece) is None:
            missing.append(piece)
        else:
            on_done()
    with closing(finished_jobs(do_piece, missing, workers=workers)) as finished:
        for _ in finished:
            on_done()


class _Running:
    """One study under way."""

    def __init__(self, plan: StudyPlan, keeper: Keeper) -> None:
        self._plan, self._keeper = plan, keeper
        self._tuning = [self._placed(cells) for cells in plan.tuning()]
        self._jobs = self._placed(plan.jobs)
        self._final: list[list[Piece]] = []
        self._robust: list[list[Piece]] = []

    def first(self) -> list[Piece]:
        """Tuning and jobs."""
        return [*chain(*self._tuning), *self._jobs]

    def second(self) -> list[Piece]:
        """What depends on what was tuned."""
        chosen = [tuned.chosen for tuned in self._tuned()]
        self._final = [self._placed(cells) for cells in self._plan.final(chosen)]
        self._robust = [self._placed(cells) for cells in self._plan.robust(chosen)]
        return [*chain(*self._final), *chain(*self._robust)]

    def found(self) -> Found:
        """Everything, when all is done."""
        pieces = [*self.first(), *chain(*self._final), *chain(*self._robust)]
        names = [job.name for job in self._plan.jobs]
        return Found(
            contestants=self._plan.contestants,
            tuned=self._tuned(),
            final=tuple(tuple(map(outcome_of, own)) for own in self._final),
            robust=tuple(tuple(map(outcome_of, own)) for own in self._robust),
            jobs=dict(zip(names, map(result_of, self._jobs), strict=True)),
            cpu_s=sum(map(cpu_s_of, pieces)),
        )

    def _placed(self, works: Sequence[Cell] | Sequence[Work]) -> list[Piece]:
        return [self._keeper.place(self._plan.system, work) for work in works]

    def _tuned(self) -> tuple[Tuned, ...]:
        parts = zip(self._plan.contestants, self._plan.grids, self._tuning, strict=True)
        return tuple(
            _tuned(contestant, grid, list(map(outcome_of, pieces)))
            for contestant, grid, pieces in parts
        )


def _tuned(
    contestant: Contestant, grid: Sequence[dict[str, Any]], outcomes: Sequence[Outcome]
) -> Tuned:
    chosen = grid[choose(outcomes)] if outcomes else grid[0]
    trials = tuple(
        Trial(options=options, validation=outcome.points[-1].validation)
        for options, outcome in zip(grid, outcomes, strict=False)
    )
    return Tuned(
        scene=contestant.scene,
        contestant=contestant.name,
        trials=trials,
        chosen=chosen,
        at_end=ends(trials, chosen),
    )
