"""The training jobs as the daemon's status and its decision log show them."""

import math
from collections.abc import Iterator

from platforms.platform import Decision
from rm.daemon.decision_log import NO_TRAINING, GrantedJob, SeenJob, TrainingSeen
from rm.daemon.status import TrainingRoundStatus, TrainingStatus
from rm.daemon.training.enforcement import Enforcement
from rm.daemon.training.held_job import HeldJob
from rm.daemon.training.training_desk import TrainingDesk
from rm.training.job import Job


def training_statuses(
    desk: TrainingDesk, enforcement: Enforcement, now_s: float
) -> Iterator[TrainingStatus]:
    """All jobs, by id, as of `now_s`."""
    for held in desk:
        job = desk.jobs.get(held.id, now_s)
        grant = job.grant
        yield TrainingStatus(
            id=held.id,
            name=held.name,
            pid=held.key.pid,
            state=job.state,
            setting=job.setting,
            knobs=job.capability.settings[job.setting].knobs,
            cores=grant.cores if grant else (),
            accelerator=grant.accelerator if grant else None,
            rate=job.rate if grant else 0.0,
            samples=job.samples,
            loss=job.loss,
            rounds_done=job.finished_rounds,
            rounds_missed=job.missed_rounds,
            round=_round(held, job, now_s),
            held_by=enforcement.held_by(held.id),
        )


def _round(held: HeldJob, job: Job, now_s: float) -> TrainingRoundStatus | None:
    if job.round is None or not job.has_work:
        return None
    outlook = job.outlook
    return TrainingRoundStatus(
        number=job.round.number,
        samples=job.round.samples + held.done_before,
        done=job.done + held.done_before,
        deadline_s=job.round.deadline_s - now_s,
        meets=outlook.meets,
        finish_s=outlook.finish_s if math.isfinite(outlook.finish_s) else None,
        samples_possible=outlook.samples_possible + held.done_before,
        reason=outlook.reason,
    )


def training_seen(
    desk: TrainingDesk,
    enforcement: Enforcement,
    decision: Decision,
    *,
    reason: str | None,
    now_s: float,
) -> TrainingSeen:
    """What the decision log says of the jobs after a decision."""
    if not desk.held:
        return NO_TRAINING  # as mostly
    jobs = {held.id: desk.jobs.get(held.id, now_s) for held in desk}
    return TrainingSeen(
        jobs=tuple(_seen(job, enforcement) for job in jobs.values()),
        grants=tuple(
            GrantedJob(
                id=grant.job_id,
                setting=grant.setting,
                knobs=jobs[grant.job_id].capability.settings[grant.setting].knobs,
                cores=grant.cores,
                accelerator=grant.accelerator,
                cpu_max=grant.cpu_max,
            )
            for grant in decision.grants
            if grant.job_id in jobs
        ),
        reason=reason if decision.grants else None,
    )


def _seen(job: Job, enforcement: Enforcement) -> SeenJob:
    works, finish_s = job.has_work, job.outlook.finish_s
    return SeenJob(
        id=job.id,
        name=job.name,
        state=job.state,
        samples=job.samples,
        rate=job.rate if job.grant else 0.0,
        held_by=enforcement.held_by(job.id),
        meets=job.outlook.meets if works else None,
        finish_s=finish_s if works and math.isfinite(finish_s) else None,
    )
