"""One training job: what it has to do, what it may use now, and what it was told.

    waiting    it has no round, or has done it
    paused     it has work and nothing to do it with
    granted    it trains, until its grant expires; every word from it renews the grant
    revoking   it keeps what it has until it says that it has paused, or its grace is over
    expired    it was not heard of for too long: what it had is free again, until it speaks
    ended      it is gone, and its grant with it

Time is an argument everywhere, in seconds on any one monotonic clock.
"""

import math
from typing import Literal

from msgspec import Struct

from platforms.errors import InvalidInput
from platforms.platform import TrainingGrant
from rm.planner.capability import Capability
from rm.training.outlook import NOTHING_TO_DO, Outlook
from rm.training.pace import most_progress, worth_of_samples

State = Literal["waiting", "paused", "granted", "revoking", "expired", "ended"]

GRACE_S = 2.0
"""How long a job has to write its checkpoint before it must have paused, unless it says more
(chosen: a model of a few hundred MB on an SD card takes about so long)."""

EXPIRY_S = 5.0
"""A grant ends when its job was not heard of for so long (chosen: ten migration periods)."""

_MOST_ALLOWED = 1 << 62
"""A limit above this is none: the kernel takes no more for memory."""

STEPS_OF_SILENCE = 3.0
"""A job speaks once a step, so that no grant expires within so many of them."""

LONGEST_SILENCE_S = 600.0
"""But no longer than this (chosen): how long a step takes is what the job itself says."""


class JobLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a job asks to be kept to, beside what holds for the board (None: no more than that).

    `temp_c` is of the board's sensors, `power_w` of the training alone, `memory_bytes` what it may
    have resident at its peak. `grace_s` is how long it may take to pause.
    """

    temp_c: float | None = None
    power_w: float | None = None
    memory_bytes: int | None = None
    grace_s: float = GRACE_S

    def __post_init__(self) -> None:
        """Refuse limits under which nothing can run."""
        for name in ("temp_c", "power_w", "memory_bytes"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= _MOST_ALLOWED:
                raise InvalidInput(
                    f"limits: {name} must be above 0, or left out for no limit (got {value})"
                )
        if not 0 <= self.grace_s < math.inf:
            raise InvalidInput(f"limits: grace_s must be 0 or more seconds (got {self.grace_s})")


class Round(Struct, frozen=True):
    """`samples` reference samples to do between `began_s` and `deadline_s`, both on the clock."""

    number: int
    samples: float
    began_s: float
    deadline_s: float


class IssuedGrant(Struct, frozen=True):
    """A grant as its job hears of it.

    Another `number` means that something changed. With neither `cores` nor `accelerator` it must
    not train. `expires_s` is in how many seconds from now the grant ends unless the job speaks
    (None: there is none). `pause_within_s` is how long it has to write its checkpoint and say that
    it has paused (None: it need not).
    """

    number: int
    state: State
    setting: int
    knobs: dict[str, float]
    cores: tuple[int, ...]
    accelerator: str | None
    expires_s: float | None
    pause_within_s: float | None
    outlook: Outlook


class Job:
    """The state of one job. `grant` is what it may use now, or None; see the module for `state`.

    `best` is the most progress that its own limits allow anywhere, reference samples/s.
    `done` are reference samples of its round, `samples` all that it ever did, of whatever setting;
    `rate` samples/s as it last told. `ignores_pause`: its grace was over before it said that it
    had paused, or it trained on; and it was not heard to have paused since.
    """

    def __init__(
        self,
        job_id: int,
        name: str,
        capability: Capability,
        limits: JobLimits,
        *,
        expiry_s: float,
        now_s: float,
    ) -> None:
        self.id, self.name, self.capability, self.limits = job_id, name, capability, limits
        self.worth = worth_of_samples(capability)
        self.best = most_progress(
            capability, memory_bytes=limits.memory_bytes, power_w=limits.power_w
        )
        self._expiry_s = expiry_s
        self._silence_s = expiry_s
        self.state: State = "waiting"
        self.round: Round | None = None
        self.grant: TrainingGrant | None = None
        self.number = 0
        self.done = self.samples = self.rate = 0.0
        self.loss: float | None = None
        self.setting = 0
        self.outlook = NOTHING_TO_DO
        self.ignores_pause = False
        self.missed_rounds = self.finished_rounds = 0
        self.heard_s = now_s
        self._answered = 0
        self._expires_s = self._pause_by_s = math.inf

    @property
    def left(self) -> float:
        """Reference samples that its round lacks."""
        return max(0.0, self.round.samples - self.done) if self.round else 0.0

    @property
    def has_work(self) -> bool:
        """Whether there is anything to do."""
        return self.left > 0.0

    @property
    def expires_s(self) -> float | None:
        """When the grant ends unless the job speaks."""
        return self._expires_s if self.state == "granted" else None

    @property
    def pause_by_s(self) -> float | None:
        """When it must have paused, at the latest."""
        return self._pause_by_s if self.state == "revoking" or self.ignores_pause else None

    # --- what the job says ----------------------------------------------------------------------

    def begin(self, new: Round) -> None:
        """Another round; what the one before lacks is dropped."""
        self.drop()
        self.round, self.done = new, 0.0
        self._speaks(new.began_s)
        if self.state == "waiting":
            self.state = "paused"

    def progress(
        self, samples: float, loss: float | None, now_s: float, setting: int | None
    ) -> None:
        """So many samples more: of the setting that it was last answered with, unless it says."""
        had_work = self.has_work
        self.samples += samples
        self.done += samples * self.worth[self._answered if setting is None else setting]
        if self.state == "paused" and samples > 0.0:
            self.ignores_pause, self._pause_by_s = True, now_s
        passed_s = now_s - self.heard_s
        self.rate = samples / passed_s if passed_s > 0.0 else self.rate
        self.loss = self.loss if loss is None else loss
        self._speaks(now_s)
        if had_work and not self.has_work:
            self.finished_rounds += 1
            self._leave("waiting")

    def confirm_paused(self, now_s: float) -> None:
        """It has paused; one that was granted anew meanwhile may go on at once."""
        self._speaks(now_s)
        self.ignores_pause = False
        if self.state == "revoking":
            self._leave("paused")

    def drop(self) -> None:
        """What its round lacks is not wanted any more."""
        if self.has_work:
            self.missed_rounds += 1
        self.round, self.outlook = None, NOTHING_TO_DO

    def stop(self) -> None:
        """It waits for another round: whatever it has is free."""
        if self.state != "ended":
            self._leave("waiting")

    def end(self) -> None:
        """It is gone."""
        self._leave("ended")

    # --- what the governor says -----------------------------------------------------------------

    def give(self, grant: TrainingGrant, now_s: float, *, step_s: float) -> None:
        """Let it train so, in steps of `step_s` at most.

        One that has no work, or is not heard of, gets nothing.
        """
        if self.state not in ("paused", "granted", "revoking") or not self.has_work:
            return
        if self.state == "granted" and grant == self.grant:
            return
        self.state, self.grant, self.setting = "granted", grant, grant.setting
        self.ignores_pause = False
        self.number += 1
        steps_s = min(STEPS_OF_SILENCE * step_s, LONGEST_SILENCE_S)
        self._silence_s = max(self._expiry_s, steps_s)
        self._expires_s = now_s + self._silence_s

    def revoke(self, now_s: float) -> None:
        """Take back what it has, as soon as it has paused; one that never had any is to wait."""
        if self.state == "granted":
            self.state = "revoking"
            self.number += 1
            self._pause_by_s = now_s + self.limits.grace_s
        elif self.state == "paused" and self.number == 0:
            self.number = 1

    def pass_time(self, now_s: float) -> None:
        """End what time ends."""
        if self.state == "granted" and now_s >= self._expires_s:
            self._leave("expired")
        elif self.state == "revoking" and now_s >= self._pause_by_s:
            self._leave("paused")
            self.ignores_pause = True

    # --- inside ---------------------------------------------------------------------------------

    def _speaks(self, now_s: float) -> None:
        self.heard_s = now_s
        self._answered = self.setting
        if self.state == "granted":
            self._expires_s = now_s + self._silence_s
        elif self.state == "expired":
            self.state = "paused" if self.has_work else "waiting"

    def _leave(self, state: State) -> None:
        """Be without a grant."""
        if self.grant is not None:
            self.number += 1
        self.state, self.grant = state, None
