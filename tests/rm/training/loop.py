"""A governor's rounds by hand: jobs, the policy, and a board whose temperature a test sets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace

from platforms.platform import (
    ApplicationReading,
    Decision,
    Migration,
    Observation,
    TemperatureReading,
    TrainingGrant,
)
from rm.mapping.demand import Demand, demand
from rm.planner.plans import Limits
from rm.training.governing import GoverningTraining
from rm.training.job import Job, JobLimits
from rm.training.jobs import TrainingJobs
from rm.training.outlook import Outlook
from tests.platforms.programs import HIKEY
from tests.rm.readings import observation
from tests.rm.training.capabilities import capability

ROUND_S = 0.05


class Ordinary:
    """A policy that knows: an application needs a share of a core's top clock, without stalls.

    A big core does twice as much per cycle. It moves nobody and asks for what clocks it is told.
    """

    name = "ordinary"

    def __init__(self) -> None:
        self.opps = (0, 0)
        self.moves: tuple[Migration, ...] = ()
        self.migrated_s: list[float] = []

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """What a test set."""
        self.migrated_s.append(observation.time_s)
        return self.moves

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """What a test set."""
        return self.opps

    def demand(
        self, observation: Observation, applications: Sequence[ApplicationReading]
    ) -> Demand:
        """By the targets alone."""
        count = len(applications)
        times = [
            np.tile(per_cycle / np.array(cluster.freqs_hz), (count, 1))
            for cluster, per_cycle in zip(HIKEY.clusters, (1.0, 0.5), strict=True)
        ]
        return demand(
            HIKEY,
            instruction_s=times,
            stall_s_per_cycle=np.zeros(count),
            l2d_per_instruction=np.full(count, 0.01),
            target_ips=np.array([app.target_ips for app in applications]),
        )


@dataclass
class Round:
    """What was decided in one round, and why."""

    observation: Observation
    decision: Decision
    reason: str | None

    @property
    def opps(self) -> tuple[int, ...]:
        """The operating points that were decided."""
        assert self.decision.opp_index is not None
        return self.decision.opp_index


class Loop:
    """`jobs` have ids from 1 and the tables of `capabilities`; they do `pace` times as much."""

    def __init__(
        self,
        count: int = 1,
        *,
        limit_c: float = 80.0,
        limits: JobLimits | None = None,
        pace: float = 1.0,
    ) -> None:
        self.jobs = TrainingJobs(HIKEY)
        self.inner = Ordinary()
        self.policy = GoverningTraining(HIKEY, self.inner, self.jobs, Limits(limit_c))
        self.now_s = 0.0
        self.temp_c = 40.0
        self.apps: tuple[ApplicationReading, ...] = ()
        self.pace = pace
        self.carries_out = True
        self._opps = (0, 0)
        for number in range(count):
            self.jobs.register(capability(), name=str(number), limits=limits, now_s=0.0)

    def begin(
        self, samples: float, *, deadline_s: float = 100.0, job_id: int = 1, number: int = 1
    ) -> Outlook:
        """Another round of a job."""
        return self.jobs.begin_round(
            job_id, number=number, samples=samples, deadline_s=deadline_s, now_s=self.now_s
        )

    def job(self, job_id: int = 1) -> Job:
        """A job as it is now."""
        return self.jobs.get(job_id, self.now_s)

    @property
    def grant(self) -> TrainingGrant | None:
        """What job 1 may use."""
        return self.job().grant

    def round(self, *, migrates: bool = True) -> Round:
        """One round of the governor; what it decides is carried out, and the job trains on."""
        self.now_s += ROUND_S
        self._train()
        seen = self._observation()
        moves = self.policy.migrate(seen) if migrates else ()
        opps = self.policy.scale(seen)
        grants = self.policy.train(seen)
        if self.carries_out:
            self.jobs.hand_out(grants, self.now_s)
            self._opps = opps
            places = {move.application_id: move.cores for move in moves}
            self.apps = tuple(
                replace(app, cores=places.get(app.id, app.cores)) for app in self.apps
            )
        return Round(seen, Decision(moves, opps, grants), self.policy.last_reason)

    def run(self, time_s: float) -> list[Round]:
        """So many seconds of rounds, with migrations every tenth."""
        return [self.round(migrates=number % 10 == 9) for number in range(round(time_s / ROUND_S))]

    def _train(self) -> None:
        for job in self.jobs.alive(self.now_s):
            grant = job.grant
            if grant is None or not job.has_work:
                continue
            if job.state == "revoking":
                self.jobs.confirm_paused(job.id, self.now_s)
                continue
            unit = HIKEY.cluster_of_core[grant.cores[0]]
            place = (
                HIKEY.clusters[unit].name,
                len(grant.cores),
                HIKEY.clusters[unit].freqs_hz[self._opps[unit]],
            )
            table = job.capability
            at = [(p.unit, p.cores, p.freq_hz) for p in table.places].index(place)
            samples = ROUND_S * self.pace / table.sample_s[grant.setting][at]
            self.jobs.progress(job.id, samples=samples, now_s=self.now_s, setting=grant.setting)

    def _observation(self) -> Observation:
        training = self.jobs.readings(self.now_s)
        busy = {core for app in self.apps for core in app.cores}
        busy |= {core for reading in training for core in reading.cores}
        shown = observation(*self.apps, opp_index=self._opps, time_s=self.now_s)
        return replace(
            shown,
            core_utilisation=tuple(float(core in busy) for core in range(8)),
            temperatures=(TemperatureReading("cls0", self.temp_c, self.now_s % 1.0),),
            training=training,
        )
