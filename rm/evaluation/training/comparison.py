"""Training policies x cooling setups x seeds, in parallel, and which rounds could be met at all."""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from msgspec import structs

from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.kept import KeptEpisode, KeptEpisodes, keep, run_missing
from rm.evaluation.training.episode import TrainingSetup, run_training_episode
from rm.evaluation.training.outcome import EXHAUSTIVE, TrainingOutcome
from rm.planner.plans import Limits
from rm.training.jobs import TrainingJobs
from rm.training.registry import TrainingContext, training_policy_factory
from traces.workers import run_jobs


def check_training_policies(setups: Iterable[TrainingSetup]) -> None:
    """Make every policy once, for an idle board, so that a wrong one is told before the work.

    Raises what the policy's factory raises: InvalidInput, npu_runtime.errors.PolicyFileError, ...
    """
    for setup in {setup.policy: setup for setup in setups}.values():
        board = setup.board
        cooling = next(setup for setup in board.cooling if setup.then is None)
        idle = SimulatedBoard(board, cooling=cooling, rng=np.random.default_rng(0))
        limits = Limits(temp_c=setup.limit_c, power_w=setup.limit_w or math.inf)
        context = TrainingContext(board, idle, TrainingJobs(board), limits, setup.policy_file)
        training_policy_factory(setup.policy)(context)


def compare_training(
    setups: Sequence[TrainingSetup],
    *,
    workers: int,
    kept: KeptEpisodes | None = None,
    on_done: Callable[[TrainingOutcome], None] = lambda outcome: None,
) -> tuple[TrainingOutcome, ...]:
    """Run all episodes; the order of the outcomes is that of the setups, however many workers.

    What is `kept` is taken over, what is finished is kept.
    """
    if kept is None:
        made = run_jobs(run_training_episode, setups, workers=workers, on_done=on_done)
        return mark_attainable(made)
    episodes = [kept.place(setup) for setup in setups]
    return mark_attainable(
        run_missing(episodes, TrainingOutcome, run_kept_training, workers=workers, on_done=on_done)
    )


def run_kept_training(episode: KeptEpisode[TrainingSetup]) -> TrainingOutcome:
    """Run an episode and keep it."""
    return keep(episode, run_training_episode(episode.setup))


def mark_attainable(outcomes: Sequence[TrainingOutcome]) -> tuple[TrainingOutcome, ...]:
    """Say of every round whether the exhaustive policy met it under the same cooling and seed.

    Without that policy among the outcomes it stays unknown (None).
    """
    met = {
        (outcome.cooling, outcome.seed): {item.number: not item.missed for item in outcome.rounds}
        for outcome in outcomes
        if outcome.policy == EXHAUSTIVE
    }
    return tuple(
        structs.replace(
            outcome,
            rounds=tuple(
                structs.replace(item, attainable=met[key].get(item.number))
                for item in outcome.rounds
            ),
        )
        if (key := (outcome.cooling, outcome.seed)) in met
        else outcome
        for outcome in outcomes
    )
