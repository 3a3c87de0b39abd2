"""Learn TOP-RL's table on the simulated board, and see how it gets on while it learns.

The agents explore more than on the board, and average what they find: an action's n-th visit counts
``n ** -0.7`` (Even-Dar, Mansour, "Learning Rates for Q-learning", JMLR 2003: polynomial rates with
an exponent between 1/2 and 1 converge). At the start every action looks as good as an idle board
for ever, so all are tried. An action that was never tried is worth 0 in the result: less than any
that met its target.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from msgspec import Struct, structs, to_builtins
from numpy.typing import NDArray

from rm.policies.q_learning import LearningParameters, QLearner
from rm.policies.q_state import StateSpace, components
from rm.policies.q_table import QTable, QTableMetadata, action_names
from rm.policies.toprl import EXPLORATION_SEED
from traces.schema import applications_digest, board_digest
from traces.workers import run_jobs
from training.reinforcement.episode import Course, Figures, run_episode, together

VISITS_EXPONENT = 0.7
_TRAINING, _EXPLORATION, _VALIDATION = 0, 1, 2
"""Streams of the seed."""

Table = NDArray[np.float64]


class PretrainingOptions(Struct, frozen=True, kw_only=True):
    """How the table is learnt. `exploration` is the pre-training's own; both are assumed."""

    episodes: int = 1600
    exploration: float = 0.3
    seed: int = 0


class Snapshot(Struct, frozen=True):
    """The table after so many episodes, and what its agents earned since the snapshot before."""

    episodes: int
    values: Table
    lately: Figures | None


class CurvePoint(Struct, frozen=True, kw_only=True):
    """How a table of so many episodes of pre-training does: its agents go on learning online.

    `training_reward` is the mean per turn over the training episodes since the point before. The
    others are over the validation episodes, the same ones at every point.
    """

    episodes: int
    training_reward: float | None
    reward: float
    mean_temp_c: float
    missed_share: float
    migrations_per_episode: float


class Averaging(QLearner):
    """Learns at a rate that falls with the visits to a state and action."""

    def __init__(
        self, values: Table, parameters: LearningParameters, rng: np.random.Generator
    ) -> None:
        """As `QLearner`; `visits` counts the updates of every value."""
        super().__init__(values, parameters, rng)
        self.visits = np.zeros(values.shape, dtype=np.int64)

    def rate(self, state: int, action: int) -> float:
        """``n ** -0.7`` on the n-th visit."""
        self.visits[state, action] += 1
        visits = float(self.visits[state, action])
        return math.pow(visits, -VISITS_EXPONENT)

    def learnt(self) -> Table:
        """The values so far, 0 for what was never tried; a table of its own."""
        return np.where(self.visits > 0, self.values, 0.0)


def pretrain(
    course: Course,
    parameters: LearningParameters,
    options: PretrainingOptions,
    *,
    on_episode: Callable[[int], None] = lambda done: None,
) -> list[Snapshot]:
    """The tables at `checkpoints`; the last one is the result."""
    learner = _newcomer(course, parameters, options)
    snapshots = [Snapshot(0, learner.learnt(), None)]
    lately: list[Figures] = []
    for episode in range(1, options.episodes + 1):
        lately.append(run_episode(course, learner, [options.seed, _TRAINING, episode]))
        on_episode(episode)
        if episode in checkpoints(options.episodes):
            snapshots.append(Snapshot(episode, learner.learnt(), together(lately)))
            lately = []
    return snapshots


def checkpoints(episodes: int) -> tuple[int, ...]:
    """When the table is looked at: at the end, half-way, half of that, and so on, six times.

    >>> checkpoints(800)
    (25, 50, 100, 200, 400, 800)
    """
    return tuple(sorted({number for n in range(6) if (number := episodes >> n) > 0}))


def _newcomer(
    course: Course, parameters: LearningParameters, options: PretrainingOptions
) -> Averaging:
    ambient_c = course.board.cooling_named(course.cooling).ambient_c
    hoped_for = (parameters.reference_temp_c - ambient_c) / (1.0 - parameters.discount)
    board = course.board
    return Averaging(
        np.full((StateSpace(board).size, len(board.clusters)), hoped_for),
        structs.replace(parameters, exploration=options.exploration),
        np.random.default_rng([options.seed, _EXPLORATION]),
    )


def learning_curve(
    course: Course,
    parameters: LearningParameters,
    snapshots: Sequence[Snapshot],
    *,
    episodes: int,
    seed: int,
    jobs: int,
    on_episode: Callable[[int], None] = lambda done: None,
) -> tuple[CurvePoint, ...]:
    """How the tables do in `episodes` episodes of `course`, whose programs nobody trained on."""
    work = [(shot.values, number) for shot in snapshots for number in range(episodes)]
    done: list[Figures] = []

    def count(figures: Figures) -> None:
        done.append(figures)
        on_episode(len(done))

    validate = partial(_validate, course, parameters, seed)
    results = run_jobs(validate, work, workers=jobs, on_done=count)
    return tuple(
        _point(shot, results[episodes * number : episodes * (number + 1)])
        for number, shot in enumerate(snapshots)
    )


def _validate(
    course: Course, parameters: LearningParameters, seed: int, work: tuple[Table, int]
) -> Figures:
    """One episode as the policy would be made for it: the same exploration, a table of its own."""
    values, number = work
    learner = QLearner(values.copy(), parameters, np.random.default_rng(EXPLORATION_SEED))
    return run_episode(course, learner, [seed, _VALIDATION, number])


def _point(shot: Snapshot, figures: Sequence[Figures]) -> CurvePoint:
    all_of_them, lately = together(figures), shot.lately
    return CurvePoint(
        episodes=shot.episodes,
        training_reward=None if lately is None else lately.reward / max(lately.turns, 1),
        reward=all_of_them.reward / max(all_of_them.turns, 1),
        mean_temp_c=all_of_them.mean_temp_c,
        missed_share=all_of_them.missed / all_of_them.applications,
        migrations_per_episode=all_of_them.migrations / len(figures),
    )


def table_of(
    snapshot: Snapshot, course: Course, parameters: LearningParameters, options: PretrainingOptions
) -> QTable:
    """The table as it is written to a file."""
    board = course.board
    metadata = QTableMetadata(
        board=board.name,
        board_sha256=board_digest(board),
        cooling=course.cooling,
        applications=tuple(sorted(profile.name for profile in course.profiles)),
        applications_sha256=applications_digest(course.profiles),
        components=components(board),
        actions=action_names(board),
        parameters=parameters,
        training={**to_builtins(options), "duration_s": course.duration_s},
    )
    return QTable(metadata=metadata, values=snapshot.values.astype(np.float32))
