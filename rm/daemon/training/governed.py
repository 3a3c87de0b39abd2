"""Puts the governing of training jobs around a policy that can say what applications ask for."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import Migration, Observation, TrainingGrant
from rm.daemon.configuration.settings import Configuration
from rm.daemon.opened_board import critical_c
from rm.planner.plans import Limits
from rm.policy import Policy, TrainingPolicy
from rm.training.jobs import TrainingJobs

BELOW_CRITICAL_K = 10.0
"""So far below the failsafe's temperature training stays where its own limit is not configured: the
failsafe must never act for its sake."""


Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


class Governed(NamedTuple):
    """A policy, and why it lets no training jobs in (None: it does)."""

    policy: Policy
    refusal: str | None


class OnDemand:
    """Governs training in every round while there are jobs, and costs next to nothing while not.

    Without jobs what is around the ordinary policy only listens, once in a migration period, so
    that it knows how warm the board is when a job comes. Where it fails applications are governed
    as ever, and all training pauses until these jobs are gone: what jobs say of themselves must
    cost nobody else anything.
    """

    def __init__(self, governing: TrainingPolicy, ordinary: Policy, jobs: TrainingJobs) -> None:
        """`governing` is around `ordinary`."""
        self.name = governing.name
        self._governing = governing
        self._ordinary = ordinary
        self._jobs = jobs
        self._accelerate = getattr(governing, "accelerate", None)
        self._fault: str | None = None
        self._said: str | None = None

    @property
    def last_reason(self) -> str | None:
        """Why the last decision changed anything about training."""
        reason: str | None = getattr(self._governing, "last_reason", None)
        return self._fault or reason

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """As the one that listens."""
        moves = None
        if not self._has_jobs(observation) or self._fault is None:
            moves = self._asked(self._governing.migrate, observation)
        return self._ordinary.migrate(observation) if moves is None else moves

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """As the one that governs now."""
        if not self._jobs.by_id and self._fault is None:
            return self._ordinary.scale(observation)  # as mostly
        opps = None
        if self._has_jobs(observation) and self._fault is None:
            opps = self._asked(self._governing.scale, observation)
        return self._ordinary.scale(observation) if opps is None else opps

    def train(self, observation: Observation) -> tuple[TrainingGrant, ...]:
        """Nothing without a job."""
        if not self._has_jobs(observation):
            return ()
        if self._fault is None:
            grants = self._asked(self._governing.train, observation)
            if grants is not None:
                return grants
        alive = self._jobs.alive(observation.time_s)
        return tuple(TrainingGrant(job.id, 0, ()) for job in alive if job.state == "granted")

    def accelerate(self, observation: Observation) -> tuple[int | None, ...]:
        """Nothing without a job."""
        if self._accelerate is None or self._fault or not self._has_jobs(observation):
            return ()
        clocks: tuple[int | None, ...] | None = self._asked(self._accelerate, observation)
        return clocks or ()

    def _has_jobs(self, observation: Observation) -> bool:
        has_jobs = bool(self._jobs.alive(observation.time_s))
        if not has_jobs:
            self._fault = None
        return has_jobs

    def _asked(self, ask: Callable[[Observation], Answer], seen: Observation) -> Answer | None:
        """What is answered, None where that fails; the same fault is logged once."""
        try:
            return ask(seen)
        except Exception as error:  # noqa: BLE001 - whatever it is, applications are governed
            self._fault = f"training is not governed ({type(error).__name__}: {error})"
            if self._fault != self._said:
                self._said = self._fault
                _log.exception("training pauses until the jobs that there are have ended")
            return None


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
        governing = GoverningTraining(board, policy, jobs, limits)  # type: ignore[arg-type]
        return Governed(OnDemand(governing, policy, jobs), None)
    except InvalidInput as error:
        return Governed(policy, f"board must be one that training can be planned for ({error})")
