"""Sees to training jobs that do not keep to their grants, and to all when the knobs come back."""

import logging
from collections.abc import Iterable
from typing import Literal, Protocol

from platforms.platform import Decision
from rm.daemon.training.training_desk import TrainingDesk
from rm.training.jobs import Overdue

HeldBy = Literal["frozen", "throttled"]

_log = logging.getLogger(__name__)


class Enforcing(Protocol):
    """What is asked of a `LinuxBoard`."""

    def apply(self, decision: Decision) -> None:
        """Carry a decision out."""
        ...

    def enforce(self, *, pause: Iterable[int] = (), throttle: Iterable[int] = ()) -> None:
        """Freeze the jobs in `pause`, leave those in `throttle` hardly any time."""
        ...


class Enforcement:
    """Told after every round what was decided.

    `grants`, `pauses` and `held` count what was given, taken back, and enforced.
    """

    def __init__(self, board: Enforcing, desk: TrainingDesk, *, enforces: bool = True) -> None:
        """Not `enforces`: jobs keep to their grants by themselves, or not."""
        self._board = board
        self._desk = desk
        self._enforces = enforces
        self._steered = False
        self._overdue: dict[int, Overdue] = {}
        self.grants = self.pauses = self.held = 0

    def held_by(self, job_id: int) -> HeldBy | None:
        """What keeps a job from training against its grant, if anything."""
        overdue = self._overdue.get(job_id)
        if overdue is None:
            return None
        return "frozen" if overdue.why == "pause" else "throttled"

    def after_round(self, decision: Decision, now_s: float, steers: bool) -> None:
        """Tell the jobs what was decided; see to those that do not keep to it, while we steer.

        When the knobs are taken again, so are the jobs' cores. While they are the kernel's, jobs go
        on by their last grants, and none is held to it.
        """
        steers = steers and self._enforces
        if not (decision.grants or self._overdue or self._desk.held):
            self._steered = steers
            return  # as nearly always
        self._desk.jobs.hand_out(decision.grants, now_s)
        if decision.grants:
            pauses = [grant.pauses for grant in decision.grants]
            self.pauses += pauses.count(True)
            self.grants += pauses.count(False)
        if steers and not self._steered:
            self._hold_again(now_s)
        self._steered = steers
        self._see_to_overdue(self._desk.jobs.overdue(now_s) if steers else ())

    def _hold_again(self, now_s: float) -> None:
        held = tuple(job.grant for job in self._desk.jobs.alive(now_s) if job.grant is not None)
        if held:
            self._board.apply(Decision(grants=held))

    def _see_to_overdue(self, overdue: tuple[Overdue, ...]) -> None:
        if not overdue and not self._overdue:
            return  # as nearly always
        before, self._overdue = self._overdue, {job.job_id: job for job in overdue}
        for job in overdue:
            if before.get(job.job_id) != job:
                self.held += 1
                held = self._desk.get(job.job_id)
                _log.warning(
                    "job %d %r %s",
                    job.job_id,
                    held.name if held else "",
                    "must have paused by now, and is frozen"
                    if job.why == "pause"
                    else "was not heard of for too long, and is throttled",
                )
        self._board.enforce(
            pause=[job.job_id for job in overdue if job.why == "pause"],
            throttle=[job.job_id for job in overdue if job.why == "expired"],
        )
