"""A policy whose faults stop nobody: whatever it raises is noted, and the board stays as it is."""

import logging
import math
from collections.abc import Mapping
from operator import index

from platforms.board import Board
from platforms.decision_check import decision_problems
from platforms.platform import Decision, Migration, Observation, TrainingGrant
from rm.policy import Policy

logger = logging.getLogger(__name__)


class WatchedPolicy:
    """A policy that can be exchanged while the governor runs; `problem` says what it did wrong.

    In a round that went wrong the answer is: no migration, the present operating points.
    """

    trains_only_with_jobs = True

    def __init__(self, board: Board, policy: Policy, inner: Policy | None = None) -> None:
        """`policy` is asked from now on; `inner` is the one inside it that knows of gains."""
        self._board = board
        self._policy = policy
        self._inner = policy if inner is None else inner
        self._legal: tuple[int, ...] | None = None
        self.name = policy.name
        self.problem: str | None = None

    @property
    def gain(self) -> float | None:
        """What the last migrations promised, in the policy's unit, if it tells (`last_gain`)."""
        try:
            gain = float(getattr(self._inner, "last_gain"))  # noqa: B009 - not every policy has it
        except Exception:  # noqa: BLE001 - it is for the log alone
            return None
        return gain if math.isfinite(gain) else None

    @property
    def reason(self) -> str | None:
        """Why the last decision changed anything about training, if the policy tells."""
        reason = getattr(self._policy, "last_reason", None)
        return reason if isinstance(reason, str) else None

    def exchange(self, policy: Policy, inner: Policy | None = None) -> None:
        """Ask another one from now on."""
        self._policy = policy
        self._inner = policy if inner is None else inner
        self.name = policy.name
        self.problem = None

    def forgive(self) -> None:
        """Give the policy another chance."""
        self.problem = None

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """The policy's migrations, if it has any that are legal."""
        try:
            moves = tuple([_plain(move) for move in self._policy.migrate(observation)])
            if moves:
                threads = {app.id: app.threads for app in observation.applications}
                self._check(threads, Decision(moves))
        except Exception as error:  # noqa: BLE001 - whatever it is, the governor goes on
            self._note("migrate", error)
            return ()
        return moves

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The policy's operating points, if they are legal."""
        try:
            chosen, legal = self._policy.scale(observation), self._legal
            if legal is not None and type(chosen) is tuple and chosen == legal:
                return legal  # what was legal once always is
            opps = tuple([index(opp) for opp in chosen])
            self._check({}, Decision((), opps))
            self._legal = opps
        except Exception as error:  # noqa: BLE001 - whatever it is, the governor goes on
            self._note("scale", error)
            return observation.opp_index
        return opps

    def train(self, observation: Observation) -> tuple[TrainingGrant, ...]:
        """The policy's grants, if it has any that are legal; none where it knows no training.

        Where nobody trains it is not asked.
        """
        train = getattr(self._policy, "train", None) if observation.training else None
        if train is None:
            return ()
        try:
            grants = tuple([_plain_grant(grant) for grant in train(observation)])
            settings = {job.id: None for job in observation.training}
            for problem in decision_problems(self._board, {}, Decision(grants=grants), settings):
                raise ValueError(problem)
        except Exception as error:  # noqa: BLE001 - whatever it is, the governor goes on
            self._note("train", error)
            return ()
        return grants

    def accelerate(self, observation: Observation) -> tuple[int | None, ...]:
        """The policy's operating points of accelerators, if it has any that are legal.

        Where nobody trains it is not asked.
        """
        accelerate = getattr(self._policy, "accelerate", None) if observation.training else None
        if accelerate is None:
            return ()
        try:
            opps = tuple([None if x is None else index(x) for x in accelerate(observation)])
            self._check({}, Decision(accelerator_opp=opps))
        except Exception as error:  # noqa: BLE001 - whatever it is, the governor goes on
            self._note("accelerate", error)
            return ()
        return opps

    def _check(self, threads: Mapping[int, int], decision: Decision) -> None:
        for problem in decision_problems(self._board, threads, decision):
            raise ValueError(problem)

    def _note(self, what: str, error: Exception) -> None:
        self.problem = f"policy {self.name}: {what} failed ({type(error).__name__}: {error})"
        logger.error("%s", self.problem)


def _plain(move: Migration) -> Migration:
    """A migration in Python's own integers: policies calculate in others, which are no JSON."""
    return Migration(index(move.application_id), tuple([index(core) for core in move.cores]))


def _plain_grant(grant: TrainingGrant) -> TrainingGrant:
    """The same of a grant."""
    return TrainingGrant(
        index(grant.job_id),
        index(grant.setting),
        tuple([index(core) for core in grant.cores]),
        grant.accelerator,
        index(grant.nice),
        None if grant.cpu_max is None else float(grant.cpu_max),
    )
