"""From a board and its training applications to a fitted network, DAgger rounds included."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.whatif import WhatIf
from platforms.application import ApplicationProfile
from platforms.board import Board
from rm.speed_priors import SpeedPriors
from traces.workers import run_jobs
from training.joint.episodes import NetworkScorer, met
from training.joint.lists import OracleJudge, RatedList, rated_list
from training.joint.options import JointOptions
from training.joint.priors import measured_priors
from training.joint.situations import drawn

if TYPE_CHECKING:
    from training.joint.fit import Fitted

CHUNK = 50
"""Situations that a worker draws and labels at a time."""

VALIDATION_SHARE = 0.2
"""Share of the situations and episodes that are made of the applications held out."""

_DRAWN, _MET = 0, 1
_KNOWN, _HELD_OUT = 0, 1


class Task(NamedTuple):
    """What is learnt for whom: `known` applications teach, `held_out` ones validate."""

    board: Board
    cooling: str
    known: tuple[ApplicationProfile, ...]
    held_out: tuple[ApplicationProfile, ...]

    def pool(self, side: int) -> tuple[ApplicationProfile, ...]:
        """The applications of one side."""
        return self.held_out if side == _HELD_OUT else self.known


class Step(NamedTuple):
    """A step of the work, for who watches: `done` of `total` jobs."""

    name: str
    done: int
    total: int


Progress = Callable[[Step], None]


@dataclass(frozen=True, eq=False)
class Trained:
    """The last round's network, what every round reached, and the lists that it was judged by."""

    fitted: "Fitted"
    priors: SpeedPriors
    rounds: tuple["Fitted", ...]
    training_lists: int
    validation: tuple[RatedList, ...] = field(repr=False)


class _Draw(NamedTuple):
    side: int
    chunk: int
    size: int


class _Episode(NamedTuple):
    side: int
    round: int
    number: int
    weights: dict[str, NDArray[np.float32]]


_Job = _Draw | _Episode


Lists = dict[int, list[RatedList]]
"""Lists by side."""


def train(
    task: Task,
    options: JointOptions,
    *,
    workers: int,
    progress: Progress,
    lists: Lists | None = None,
) -> Trained:
    """Draw, label, fit; then let the policy govern, label what it met, fit again.

    `lists` are those of `draw`, where they are there already. The result depends on the task and
    the options alone, not on `workers`.
    """
    priors = measured_priors(task.board, task.known)
    lists = lists or draw(task, options, workers=workers, progress=progress)
    rounds = [_fit(lists, options, progress)]
    for number in range(1, options.dagger_rounds + 1):
        episodes: list[_Job] = [
            _Episode(side, number, at, rounds[-1].weights)
            for side, count in enumerate(_split(options.dagger_episodes))
            for at in range(count)
        ]
        more = partial(_meet, task, options, priors)
        found = _gather(f"round {number}", more, episodes, workers, progress)
        lists = {side: [*lists[side], *found[side]] for side in lists}
        rounds.append(_fit(lists, options, progress))
    return Trained(rounds[-1], priors, tuple(rounds), len(lists[_KNOWN]), tuple(lists[_HELD_OUT]))


def draw(task: Task, options: JointOptions, *, workers: int, progress: Progress) -> Lists:
    """The lists of `options.situations` situations drawn at random."""
    chunks: list[_Job] = [
        _Draw(side, number, min(CHUNK, count - number * CHUNK))
        for side, count in enumerate(_split(options.situations))
        for number in range(-(-count // CHUNK))
    ]
    return _gather("situations", partial(_draw, task, options), chunks, workers, progress)


def _split(count: int) -> tuple[int, int]:
    """How many of `count` go to the known and the held-out side, at least one to each."""
    held_out = max(1, round(VALIDATION_SHARE * count))
    return max(1, count - held_out), held_out


def _gather(
    name: str,
    function: Callable[..., list[RatedList]],
    jobs: Sequence[_Job],
    workers: int,
    progress: Progress,
) -> Lists:
    """The lists of all jobs by side, in the order of the jobs."""
    done = 0

    def count(_: object) -> None:
        nonlocal done
        done += 1
        progress(Step(name, done, len(jobs)))

    results = run_jobs(function, jobs, workers=workers, on_done=count)
    lists: Lists = {_KNOWN: [], _HELD_OUT: []}
    for job, found in zip(jobs, results, strict=True):
        lists[job.side] += found
    return lists


def _fit(lists: Lists, options: JointOptions, progress: Progress) -> "Fitted":
    from training.joint.fit import fit  # workers, who only draw and judge, do without torch

    progress(Step("fit", 0, 1))
    fitted = fit(lists[_KNOWN], lists[_HELD_OUT], options)
    progress(Step("fit", 1, 1))
    return fitted


def _judge(task: Task) -> OracleJudge:
    return OracleJudge(WhatIf(task.board, task.board.cooling_named(task.cooling)))


def _draw(task: Task, options: JointOptions, job: _Draw) -> list[RatedList]:
    judge, lists = _judge(task), []
    for number in range(job.size):
        rng = np.random.default_rng([options.seed, _DRAWN, job.side, job.chunk, number])
        situation = drawn(task.board, task.pool(job.side), rng, stall_aware=options.stall_aware)
        lists.append(rated_list(task.board, judge, situation, options, rng))
    return [entry for entry in lists if entry is not None]


def _meet(task: Task, options: JointOptions, priors: SpeedPriors, job: _Episode) -> list[RatedList]:
    seed = [options.seed, _MET, job.side, job.round, job.number]
    scorer = NetworkScorer(job.weights)
    found = met(task.board, task.cooling, task.pool(job.side), scorer, priors, options, seed=seed)
    judge, rng = _judge(task), np.random.default_rng([*seed, 1])
    lists = [rated_list(task.board, judge, situation, options, rng) for situation in found]
    return [entry for entry in lists if entry is not None]
