"""Puts the governing of training jobs around a policy that can say what applications ask for."""

from pathlib import Path
from typing import NamedTuple

from platforms.board import Board
from platforms.errors import InvalidInput
from rm.daemon.configuration.settings import Configuration
from rm.daemon.opened_board import critical_c
from rm.planner.plans import Limits
from rm.policy import Policy
from rm.training.jobs import TrainingJobs

BELOW_CRITICAL_K = 10.0
"""So far below the failsafe's temperature training stays where its own limit is not configured: the
failsafe must never act for its sake."""


class Governed(NamedTuple):
    """A policy, and why it lets no training jobs in (None: it does)."""

    policy: Policy
    refusal: str | None


def limits_for(board: Board, configuration: Configuration, root: Path) -> Limits:
    """What training must keep to on the board at `root`."""
    training = configuration.training
    temp_c = training.temp_limit_c
    if temp_c is None:
        temp_c = critical_c(board, configuration, root) - BELOW_CRITICAL_K
    if training.power_limit_w is None:
        return Limits(temp_c)
    return Limits(temp_c, training.power_limit_w)


def with_training(
    policy: Policy, board: Board, jobs: TrainingJobs, configuration: Configuration, root: Path
) -> Governed:
    """The policy for applications and training jobs, or `policy` itself where that cannot be."""
    if not configuration.training.enabled:
        return Governed(policy, "training.enabled must be true in the configuration (got false)")
    if not callable(getattr(policy, "demand", None)):
        return Governed(
            policy,
            "policy must be one that can say what applications ask for, such as ilgov "
            f"(got {policy.name})",
        )
    from rm.training.governing import GoverningTraining  # 1 MB, for those who train

    try:
        limits = limits_for(board, configuration, root)
        return Governed(GoverningTraining(board, policy, jobs, limits), None)  # type: ignore[arg-type]
    except InvalidInput as error:
        return Governed(policy, f"board must be one that training can be planned for ({error})")
