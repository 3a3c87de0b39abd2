"""Policies x cooling setups x seeds, in parallel, and what could have been served at all."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from msgspec import structs

from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.episode import EpisodeSetup, run_episode
from rm.evaluation.outcome import ORACLE, EpisodeOutcome
from rm.policies.registry import PolicyContext, policy_factory
from traces.workers import run_jobs


def check_policies(setups: Iterable[EpisodeSetup]) -> None:
    """Make every policy once, for an idle board, so that a wrong one is told before the work.

    Raises what the policy's factory raises: InvalidInput, npu_runtime.errors.PolicyFileError, ...
    """
    for setup in {setup.policy: setup for setup in setups}.values():
        idle = SimulatedBoard(
            setup.board,
            cooling=setup.board.cooling_named(setup.cooling),
            rng=np.random.default_rng(0),
        )
        policy_factory(setup.policy)(PolicyContext(setup.board, idle, setup.policy_file))


def compare(
    setups: Sequence[EpisodeSetup],
    *,
    workers: int,
    on_done: Callable[[EpisodeOutcome], None] | None = None,
) -> tuple[EpisodeOutcome, ...]:
    """Run all episodes; the order of the outcomes is that of the setups, however many workers."""
    return mark_attainable(run_jobs(run_episode, setups, workers=workers, on_done=on_done))


def mark_attainable(outcomes: Sequence[EpisodeOutcome]) -> tuple[EpisodeOutcome, ...]:
    """Say of every application whether the oracle met its target under the same cooling and seed.

    Without an oracle among the outcomes it stays unknown (None).
    """
    served = {
        (outcome.cooling, outcome.seed): {app.id: not app.missed for app in outcome.applications}
        for outcome in outcomes
        if outcome.policy == ORACLE
    }
    return tuple(
        structs.replace(
            outcome,
            applications=tuple(
                structs.replace(app, attainable=served[key].get(app.id))
                for app in outcome.applications
            ),
        )
        if (key := (outcome.cooling, outcome.seed)) in served
        else outcome
        for outcome in outcomes
    )
