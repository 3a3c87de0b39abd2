"""The state of all training jobs: what they have to do, and what they may use for it.

Whoever talks to the jobs (the daemon's socket, a simulated trainer) tells what they say, and tells
them what comes of it; a policy reads here what there is to decide, and whoever carries its decision
out says so by `hand_out`. Nothing here reads a clock: `now_s` is seconds on one monotonic clock.

One job is planned for at a time, the one whose deadline comes first; the others are paused until it
has done its round, or its deadline has passed.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from msgspec import Struct

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import TrainingGrant, TrainingReading
from rm.planner.capability import Capability, check_capability
from rm.training.job import EXPIRY_S, IssuedGrant, Job, JobLimits, Round
from rm.training.outlook import Outlook, outlook
from rm.training.pace import longest_step_s

logger = logging.getLogger(__name__)

Forecast = Callable[[Job, float], Outlook | None]
"""What a policy expects of a job's round at a time, None where it cannot tell yet."""


class UnknownJob(InvalidInput):
    """A job that never was, or has ended."""


class Overdue(Struct, frozen=True):
    """A job that does not keep to its grant.

    "pause": it should have paused by now. It may be frozen, and thawed with its next grant.
    "expired": it was not heard of. What it had belongs to others; but as a frozen process cannot
    speak, it is better kept off their cores than frozen.
    """

    job_id: int
    why: Literal["pause", "expired"]


class TrainingJobs:
    """All jobs of one board; job ids count from 1 and are never used again.

    `by_id` are those that there are, to look at only.
    """

    def __init__(self, board: Board) -> None:
        """There are none yet."""
        self._board = board
        self.by_id: dict[int, Job] = {}
        self._last_id = 0
        self._forecast: Forecast | None = None

    # --- what jobs say --------------------------------------------------------------------------

    def register(
        self,
        capability: Capability,
        *,
        name: str,
        limits: JobLimits | None = None,
        now_s: float,
        expiry_s: float = EXPIRY_S,
    ) -> int:
        """A new job; returns its id. InvalidInput for a capability that is not of this board."""
        check_capability(self._board, capability)
        _require("expiry_s", expiry_s)
        self._last_id += 1
        job = Job(
            self._last_id, name, capability, limits or JobLimits(), expiry_s=expiry_s, now_s=now_s
        )
        self.by_id[job.id] = job
        return job.id

    def begin_round(
        self, job_id: int, *, number: int, samples: float, deadline_s: float, now_s: float
    ) -> Outlook:
        """Another round of so many reference samples, due in `deadline_s` seconds from now.

        What the round before lacks is dropped. The outlook is the policy's where there is one; else
        that of the job's fastest mode with the board to itself.
        """
        job = self._job(job_id, now_s)
        _require("samples", samples)
        _require("deadline_s", deadline_s)
        job.begin(Round(number, samples, now_s, now_s + deadline_s))
        job.outlook = self._foreseen(job, now_s) or _alone(job, now_s)
        return job.outlook

    def progress(
        self,
        job_id: int,
        *,
        samples: float,
        loss: float | None = None,
        now_s: float,
        setting: int | None = None,
    ) -> None:
        """The heartbeat: so many samples since the last one.

        They are taken to be of the setting that was in force at what the job last said, as it is
        told then what to use, unless `setting` says of which they are.
        """
        job = self._job(job_id, now_s)
        if not 0.0 <= samples < math.inf:
            raise InvalidInput(f"samples must be 0 or more (got {samples})")
        if setting is not None and not 0 <= setting < len(job.worth):
            raise InvalidInput(f"setting must be below {len(job.worth)} (got {setting})")
        job.progress(samples, loss, now_s, setting)

    def confirm_paused(self, job_id: int, now_s: float) -> None:
        """The job has written its checkpoint and does not train."""
        self._job(job_id, now_s).confirm_paused(now_s)

    def drop_round(self, job_id: int, now_s: float) -> None:
        """The job's round is not wanted any more: it waits for another one."""
        job = self._job(job_id, now_s)
        job.drop()
        job.stop()

    def end(self, job_id: int) -> None:
        """The job is gone, and whatever it had is free; one that is gone already may go again."""
        job = self.by_id.pop(job_id, None)
        if job is not None:
            job.end()

    # --- what the governor decides --------------------------------------------------------------

    def hand_out(self, grants: Iterable[TrainingGrant], now_s: float) -> None:
        """Take down what was decided; grants of jobs that are gone by now are passed over."""
        self._pass_time(now_s)
        for grant in grants:
            job = self.by_id.get(grant.job_id)
            if job is None:
                continue
            if not 0 <= grant.setting < len(job.worth):
                raise InvalidInput(
                    f"grant of job {job.id}: setting must be below {len(job.worth)} "
                    f"(got {grant.setting})"
                )
            if grant.pauses:
                job.revoke(now_s)
            else:
                step_s = longest_step_s(self._board, job.capability, grant)
                job.give(grant, now_s, step_s=step_s)

    def foresee(self, job_id: int, expected: Outlook) -> None:
        """What is expected of a job's round now; it hears of it with its next grant."""
        job = self.by_id.get(job_id)
        if job is not None and job.has_work:
            job.outlook = expected

    def forecast_with(self, forecast: Forecast | None) -> None:
        """Who is asked at once for an outlook when a round begins."""
        self._forecast = forecast

    # --- what there is to know ------------------------------------------------------------------

    def grant_of(self, job_id: int, now_s: float) -> IssuedGrant:
        """What the job is to be told now."""
        job = self._job(job_id, now_s)
        grant = job.grant
        return IssuedGrant(
            job.number,
            job.state,
            job.setting,
            job.capability.settings[job.setting].knobs,
            grant.cores if grant else (),
            grant.accelerator if grant else None,
            _until(job.expires_s, now_s),
            _until(job.pause_by_s, now_s),
            job.outlook,
        )

    def get(self, job_id: int, now_s: float) -> Job:
        """One job as it is now, to look at; UnknownJob where there is none."""
        return self._job(job_id, now_s)

    def alive(self, now_s: float) -> tuple[Job, ...]:
        """All jobs that have not ended, as they are now, by id."""
        self._pass_time(now_s)
        return tuple(self.by_id.values())

    def planned(self, now_s: float) -> Job | None:
        """The job to plan for: of those that have work and are heard of the one that is due first.

        Those whose deadline has passed come last; of several that are due at once, the oldest. One
        that its own limits let train nowhere is not waited for.
        """
        candidates = [
            (job.round.deadline_s <= now_s, job.round.deadline_s, job.id, job)
            for job in self.alive(now_s)
            if job.round is not None and job.has_work and job.state != "expired" and job.best > 0.0
        ]
        return min(candidates)[-1] if candidates else None

    def readings(self, now_s: float) -> tuple[TrainingReading, ...]:
        """The jobs as an observation shows them where nobody counts but they themselves."""
        if not self.by_id:
            return ()  # as mostly, and in every round
        return tuple(
            TrainingReading(
                job.id,
                job.samples,
                job.rate if job.grant else 0.0,
                job.grant.cores if job.grant else (),
                not job.has_work,
                job.grant.accelerator if job.grant else None,
            )
            for job in self.alive(now_s)
        )

    def overdue(self, now_s: float) -> tuple[Overdue, ...]:
        """The jobs that do not keep to their grants; enforcement acts on these."""
        if not self.by_id:
            return ()  # as mostly, and in every round
        return tuple(_overdue(self.alive(now_s)))

    # --- inside ---------------------------------------------------------------------------------

    def _foreseen(self, job: Job, now_s: float) -> Outlook | None:
        """The policy's outlook; a policy that fails is no reason to refuse a round."""
        if self._forecast is None or job.best == 0.0:
            return None
        try:
            return self._forecast(job, now_s)
        except Exception:
            logger.exception("the outlook of job %d is that of the job alone", job.id)
            return None

    def _job(self, job_id: int, now_s: float) -> Job:
        self._pass_time(now_s)
        job = self.by_id.get(job_id)
        if job is None:
            known = ", ".join(map(str, self.by_id)) or "none"
            raise UnknownJob(f"job must be one that trains here: {known} (got {job_id})")
        return job

    def _pass_time(self, now_s: float) -> None:
        for job in self.by_id.values():
            job.pass_time(now_s)


def _overdue(jobs: Iterable[Job]) -> Iterator[Overdue]:
    for job in jobs:
        if job.ignores_pause:
            yield Overdue(job.id, "pause")
        elif job.state == "expired":
            yield Overdue(job.id, "expired")


def _alone(job: Job, now_s: float) -> Outlook:
    """The outlook with the board to itself, at the fastest."""
    assert job.round is not None
    finish_s = job.left / job.best if job.best > 0.0 else math.inf
    return outlook(
        samples=job.round.samples,
        done=job.done,
        time_s=job.round.deadline_s - now_s,
        finish_s=finish_s,
        reason="even with the board to itself" if job.best > 0.0 else "nothing fits its limits",
    )


def _until(time_s: float | None, now_s: float) -> float | None:
    return None if time_s is None else max(0.0, time_s - now_s)


def _require(name: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise InvalidInput(f"{name} must be a finite number above 0 (got {value})")
