"""Who steers: the policy while all is well, the kernel when anything is in doubt.

The guard between the governor and the board. It collects what every watch says, turns it into a
state, takes the board's knobs and gives them back.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from platforms.linux.errors import JournalUnusable, Unreadable, WriteRefused
from platforms.platform import Decision, Observation
from rm.daemon.watched_policy import WatchedPolicy
from rm.safety.failsafe import Failsafe
from rm.safety.rival_watch import RivalWatch
from rm.safety.sensor_watch import SensorWatch
from rm.safety.states import Health, StateMachine, Transition

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


class Supervisor:
    """The governor's guard."""

    def __init__(
        self,
        board: Steered,
        policy: WatchedPolicy,
        *,
        sensors: SensorWatch,
        failsafe: Failsafe,
        rivals: RivalWatch,
        states: StateMachine,
        backend_problem: Callable[[], str | None] = lambda: None,
    ) -> None:
        """`backend_problem` says why the network is answered by the CPU, if it is."""
        self._board = board
        self._policy = policy
        self._sensors = sensors
        self._failsafe = failsafe
        self._rivals = rivals
        self._backend_problem = backend_problem
        self._take_problem: str | None = None
        self._holds = False
        self.states = states
        self._sensor_problem: str | None = None
        self.limited_by: str | None = None

    @property
    def steers(self) -> bool:
        """Whether the board's knobs are ours."""
        return self._holds

    @property
    def failsafe_rounds(self) -> int:
        """How many rounds the failsafe has acted in."""
        return self._failsafe.rounds

    @property
    def sensor_problems(self) -> dict[str, str]:
        """What is wrong with which sensor, as of the last observation."""
        return self._sensors.problems

    def exchange_sensors(self, sensors: SensorWatch, failsafe: Failsafe) -> None:
        """Watch by other limits from now on."""
        self._sensors = sensors
        self._failsafe = failsafe

    def admits(self, observation: Observation) -> bool:
        """Whether the policy may steer; takes or gives back the knobs where that has changed."""
        now_s = observation.time_s
        self._sensor_problem = self._sensors.problem(observation)
        transition = self.states.update(now_s, self._health(now_s))
        if transition is not None:
            self._enter(transition)
        if self.states.governs and not self._holds:
            self._take()
        elif self._holds and not self.states.governs:
            self._release()
        return self._holds

    def limit(self, observation: Observation, decision: Decision) -> Decision:
        """The decision with the failsafe's operating points where that acts."""
        self.limited_by = None
        if decision.opp_index is None:
            return decision
        opps = self._failsafe.limit(observation, decision.opp_index)
        if opps == decision.opp_index:
            return decision
        self.limited_by = f"failsafe: {self._failsafe.reason}"
        return replace(decision, opp_index=opps)

    def stop(self, now_s: float, reason: str) -> None:
        """Give everything back for good."""
        transition = self.states.stop(now_s, reason)
        if transition is not None:
            self._enter(transition)
        if self._holds:
            self._release()

    def _health(self, now_s: float) -> Health:
        return Health(
            sensor=self._sensor_problem,
            rival=self._rivals.problem(now_s),
            policy=self._policy.problem,
            knobs=self._take_problem or self._board.knob_problem,
            backend=self._backend_problem(),
        )

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
        self._holds = True
        logger.info("the knobs are taken")

    def _release(self) -> None:
        self._board.release()
        self._holds = False
        logger.warning("all knobs are given back to the kernel")
