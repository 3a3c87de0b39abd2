"""Who steers: the policy while all is well, the kernel when anything is in doubt.

The guard between the governor and the board. It collects what every watch says, turns it into a
state, takes the board's knobs and gives them back.
"""

import logging
from typing import Protocol

from msgspec.structs import replace

from platforms.linux.errors import JournalUnusable, Unreadable, WriteRefused
from platforms.platform import Decision, Observation, TrainingGrant
from rm.daemon.watched_policy import WatchedPolicy
from rm.daemon.watches import Watches
from rm.safety.states import WELL, Health, StateMachine, Transition

logger = logging.getLogger(__name__)


class Steered(Protocol):
    """A board whose knobs can be taken and given back."""

    @property
    def knob_problem(self) -> str | None:
        """Why its knobs cannot be relied upon now."""
        ...

    def take(self) -> None:
        """Store how everything is, and take over."""
        ...

    def release(self) -> None:
        """Put everything back as it was."""
        ...


class Substituted(Protocol):
    """A network's back end that is answered for where it fails."""

    @property
    def degraded(self) -> str | None:
        """Why something else answers at present; None where it answers itself."""
        ...


class Supervisor:
    """The governor's guard; `failsafe_rounds` counts those that the failsafe acted in.

    `steers`: the board's knobs are ours. `backend` is the policy's, where it can fail by itself.
    """

    def __init__(
        self,
        board: Steered,
        policy: WatchedPolicy,
        *,
        watches: Watches,
        states: StateMachine,
        backend: Substituted | None = None,
    ) -> None:
        self._board = board
        self._policy = policy
        self._watches = watches
        self.backend = backend
        self._take_problem: str | None = None
        self.steers = False
        self.states = states
        self._sensor_problem: str | None = None
        self.limited_by: str | None = None
        self.failsafe_rounds = 0

    @property
    def sensor_problems(self) -> dict[str, str]:
        """What is wrong with which sensor, as of the last observation."""
        return self._watches.sensors.problems

    def exchange(self, watches: Watches) -> None:
        """Watch by other limits from now on."""
        self._watches = watches

    def interfered(self, now_s: float, path: str, asked: str, found: str) -> None:
        """A knob at `path` read otherwise than it was asked to, and not by the kernel's doing."""
        logger.warning("%s must read %s as written (got %s)", path, asked, found)
        self._watches.rivals.differs(now_s, path=path, written=asked, found=found)

    def admits(self, observation: Observation) -> bool:
        """Whether the policy may steer; takes or gives back the knobs where that has changed."""
        now_s = observation.time_s
        self._sensor_problem = self._watches.sensors.problem(observation)
        health = self._health(now_s)
        if health is WELL and self.steers and self.states.state == "normal":
            return True  # as nearly always
        transition = self.states.update(now_s, health)
        if transition is not None:
            self._enter(transition)
        governs = self.states.governs
        if governs and not self.steers:
            self._take()
        elif self.steers and not governs:
            self._release()
        return self.steers

    def limit(self, observation: Observation, decision: Decision) -> Decision:
        """The decision with the failsafe's operating points where that acts, and no training.

        Leaving the operating points as they are is a wish as well.
        """
        self.limited_by, failsafe = None, self._watches.failsafe
        if observation.temperatures is failsafe.cool and not failsafe.active:
            return decision  # as in most rounds
        wanted = observation.opp_index if decision.opp_index is None else decision.opp_index
        opps = failsafe.limit(observation, wanted)
        if not failsafe.active:
            return decision
        self.failsafe_rounds += 1
        limited = _without_training(observation, decision)
        if opps != wanted:
            limited = replace(limited, opp_index=opps)
        if limited != decision:
            self.limited_by = f"failsafe: {failsafe.reason}"
        return limited

    def stop(self, now_s: float, reason: str) -> None:
        """Give everything back for good."""
        transition = self.states.stop(now_s, reason)
        if transition is not None:
            self._enter(transition)
        if self.steers:
            self._release()

    def _health(self, now_s: float) -> Health:
        rivals, policy = self._watches.rivals, self._policy.problem
        rival = rivals.problem(now_s) if rivals.seen else None
        sensor = self._sensor_problem
        backend = None if self.backend is None else self.backend.degraded
        knobs = self._take_problem or self._board.knob_problem
        if not (sensor or rival or policy or knobs or backend):
            return WELL  # as nearly always
        return Health(sensor=sensor, rival=rival, policy=policy, knobs=knobs, backend=backend)

    def _enter(self, transition: Transition) -> None:
        logger.warning(
            "state %s -> %s: %s", transition.before, transition.after, transition.reason or "well"
        )
        if transition.after == "hands-off":  # these are told once, and not looked for meanwhile
            self._policy.forgive()
            self._take_problem = None

    def _take(self) -> None:
        """Take the knobs; where that fails they are as they were, and the next round says why."""
        try:
            self._board.take()
        except (WriteRefused, JournalUnusable, Unreadable) as error:
            self._take_problem = str(error)
            logger.error("the knobs could not be taken: %s", error)
            return
        self._take_problem = None
        self.steers = True
        logger.info("the knobs are taken")

    def _release(self) -> None:
        self._board.release()
        self.steers = False
        logger.warning("all knobs are given back to the kernel")


def _without_training(observation: Observation, decision: Decision) -> Decision:
    """The decision, with every job that trains to be paused."""
    running = [job for job in observation.training if job.cores or job.accelerator is not None]
    pauses = tuple([TrainingGrant(job.id, 0, ()) for job in running])
    if not (pauses or decision.grants or decision.accelerator_opp):
        return decision  # as nearly always
    return replace(decision, grants=pauses, accelerator_opp=())
