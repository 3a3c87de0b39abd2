"""Policies x cooling setups x seeds, in parallel, and what could have been served at all."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from msgspec import structs

from npu_runtime.errors import BackendUnavailable, PolicyFileError
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.episode import EpisodeSetup, Finished, run_episode
from rm.evaluation.kept import KeptEpisodes, run_kept, run_missing
from rm.evaluation.outcome import ORACLE, EpisodeOutcome
from rm.policies.registry import PolicyContext, policy_factory
from traces.workers import run_jobs


def check_policies(setups: Iterable[EpisodeSetup]) -> None:
    """Make every policy once, for an idle board, so that a wrong one is told before the work.

    Raises what the policy's factory raises: InvalidInput, npu_runtime.errors.PolicyFileError, ...
    """
    for setup in {setup.policy: setup for setup in setups}.values():
        _make_once(setup.policy, setup.board, setup.policy_file)


def why_not(policy: str, board: Board, policy_file: Path | None) -> str | None:
    """Why a policy cannot be had here, in a sentence, or None where it can."""
    try:
        _make_once(policy, board, policy_file)
    except (InvalidInput, PolicyFileError, BackendUnavailable) as error:
        return str(error)
    except ImportError as error:
        return f"it cannot be loaded ({error})"
    return None


def _make_once(policy: str, board: Board, policy_file: Path | None) -> None:
    cooling = next(setup for setup in board.cooling if setup.then is None)
    idle = SimulatedBoard(board, cooling=cooling, rng=np.random.default_rng(0))
    policy_factory(policy)(PolicyContext(board, idle, policy_file))


def compare(
    setups: Sequence[EpisodeSetup],
    *,
    workers: int,
    on_done: Callable[[EpisodeOutcome], None] | None = None,
) -> tuple[EpisodeOutcome, ...]:
    """Run all episodes; the order of the outcomes is that of the setups, however many workers."""
    return mark_attainable(run_jobs(run_episode, setups, workers=workers, on_done=on_done))


def compare_keeping(
    setups: Sequence[EpisodeSetup],
    *,
    kept: KeptEpisodes,
    workers: int,
    on_done: Callable[[Finished], None] = lambda finished: None,
) -> tuple[Finished, ...]:
    """As `compare`, with wall times; what is kept is taken over, what is finished is kept."""
    episodes = [kept.place(setup) for setup in setups]
    all_ = run_missing(episodes, Finished, run_kept, workers=workers, on_done=on_done)
    marked = mark_attainable([finished.outcome for finished in all_])
    return tuple(
        structs.replace(finished, outcome=outcome)
        for finished, outcome in zip(all_, marked, strict=True)
    )


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
