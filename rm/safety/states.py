"""What the governor may do at present: the states, and when it changes from one to another.

``normal``: it governs. ``degraded``: it governs, but the NPU does not answer. ``hands-off``: a
sensor is in doubt, a rival writes the same knobs, the policy is unusable or the knobs refuse: the
kernel has the board, ilgov watches. ``stopped``: everything was given back for good.
"""

from typing import Literal

from msgspec import Struct

State = Literal["normal", "degraded", "hands-off", "stopped"]

WELL_FOR_S = 5.0
"""Without a problem for this long, hands-off ends: longer than any sensor's refresh period."""

RELAPSE_WITHIN_S = 600.0
LONGEST_PAUSE_S = 300.0


class Health(Struct, frozen=True, kw_only=True):
    """What is wrong at present, None where nothing is."""

    sensor: str | None = None
    rival: str | None = None
    policy: str | None = None
    knobs: str | None = None
    backend: str | None = None

    @property
    def obstacle(self) -> str | None:
        """The first reason not to govern."""
        return self.sensor or self.rival or self.policy or self.knobs


WELL = Health()
"""Nothing is wrong: one for all rounds."""


class Transition(Struct, frozen=True, kw_only=True):
    """A change of state at `time_s`, with its reason (None: all is well again)."""

    time_s: float
    before: State
    after: State
    reason: str | None


class StateMachine:
    """Knows the present `state`, its `reason` and since when; has no clock of its own.

    Hands-off begins at once and ends after `well_for_s` without an obstacle. Each relapse within
    `RELAPSE_WITHIN_S` of the end doubles that time, up to `LONGEST_PAUSE_S`, so that a rival that
    comes back every minute is fought ever more rarely.
    """

    def __init__(self, now_s: float = 0.0, *, well_for_s: float = WELL_FOR_S) -> None:
        self.state: State = "normal"
        self.reason: str | None = None
        self.since_s = now_s
        self.counts: dict[State, int] = {"normal": 0, "degraded": 0, "hands-off": 0, "stopped": 0}
        self._well_for_s = well_for_s
        self._pause_s = well_for_s
        self._troubled_s = now_s
        self._ended_s: float | None = None

    @property
    def governs(self) -> bool:
        """Whether decisions are applied."""
        return self.state in ("normal", "degraded")

    @property
    def pause_s(self) -> float:
        """How long all must be well before hands-off ends."""
        return self._pause_s

    def be_well_for(self, well_for_s: float) -> None:
        """Another time from the next hands-off on that is no relapse."""
        self._well_for_s = well_for_s

    def update(self, now_s: float, health: Health) -> Transition | None:
        """Take a look; the transition, if there is one. Once stopped, always stopped."""
        if self.state == "stopped" or (health is WELL and self.state == "normal"):
            return None
        obstacle = health.obstacle
        if obstacle is not None:
            self._troubled_s = now_s
            return self._to("hands-off", obstacle, now_s)
        if self.state == "hands-off" and now_s - self._troubled_s < self._pause_s:
            return None
        if health.backend is not None:
            return self._to("degraded", health.backend, now_s)
        return self._to("normal", None, now_s)

    def stop(self, now_s: float, reason: str) -> Transition | None:
        """End for good."""
        return self._to("stopped", reason, now_s)

    def _to(self, state: State, reason: str | None, now_s: float) -> Transition | None:
        before, self.reason = self.state, reason
        if state == before:
            return None
        if state == "hands-off":
            self._lengthen_pause(now_s)
        if before == "hands-off":
            self._ended_s = now_s
        self.state, self.since_s = state, now_s
        self.counts[state] += 1
        return Transition(time_s=now_s, before=before, after=state, reason=reason)

    def _lengthen_pause(self, now_s: float) -> None:
        relapse = self._ended_s is not None and now_s - self._ended_s < RELAPSE_WITHIN_S
        longest_s = max(LONGEST_PAUSE_S, self._well_for_s)
        self._pause_s = min(2 * self._pause_s, longest_s) if relapse else self._well_for_s
