"""A training job on the simulated board: what it was given, what it may use, what it has done.

A job has one thread on each core of its grant. It runs while it has a grant and work; without work
it waits and takes no core. Grants take no time, but a change of cores costs the refill of caches,
which is a while without progress: nothing that was done is taken back.
"""

import math

from msgspec import Struct

from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.decision_check import LOWEST_NICE
from platforms.platform import TrainingGrant, TrainingReading
from platforms.training_work import TrainingWork, training_profile

NICE_WEIGHTS = (
    *(88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916),
    *(9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277),
    *(1024, 820, 655, 526, 423, 335, 272, 215, 172, 137),
    *(110, 87, 70, 56, 45, 36, 29, 23, 18, 15),
)
"""Linux's weights of a thread, from a nice of -20 to 19 (kernel/sched/core.c)."""

_NO_SAMPLES = 1e-9
"""Samples too few to wait for."""


def weight_of(nice: int) -> float:
    """A thread's weight beside one that is not nice at all.

    >>> weight_of(0), weight_of(19)
    (1.0, 0.0146484375)
    """
    return NICE_WEIGHTS[nice - LOWEST_NICE] / NICE_WEIGHTS[-LOWEST_NICE]


class SimulatedTraining(Struct, frozen=True, kw_only=True):
    """A training job: `works` is what a step truly asks for, in every setting of its knobs."""

    id: int
    name: str
    works: tuple[TrainingWork, ...]


class TrainingState(Struct, frozen=True):
    """A job now: samples done in all, and left to do; samples/s; what it was granted last."""

    id: int
    name: str
    samples: float
    left: float
    rate: float
    grant: TrainingGrant | None


class RunningTraining:
    """One job. Progress is kept as a point and a rate, so that time passes without touching it."""

    __slots__ = (
        "_done",
        "_owed_s",
        "_profiles",
        "_seen",
        "_since_s",
        "grant",
        "job",
        "left",
        "rate",
    )

    def __init__(self, job: SimulatedTraining) -> None:
        """A paused job without work."""
        self.job = job
        self.grant: TrainingGrant | None = None
        self.left = 0.0
        self.rate = 0.0
        self._done = 0.0
        self._owed_s = 0.0
        self._seen = 0.0
        self._since_s = 0.0
        self._profiles: dict[tuple[int, int], ApplicationProfile] = {}

    @property
    def runs(self) -> bool:
        """Whether it computes now."""
        return self.left > 0.0 and self.grant is not None and not self.grant.pauses

    @property
    def accelerator(self) -> str | None:
        """Where it computes, if not on cores."""
        return self.grant.accelerator if self.grant else None

    @property
    def cores(self) -> tuple[int, ...]:
        """The cores that its threads run on now: on an accelerator the first of its host's."""
        if not self.runs or self.grant is None:
            return ()
        return self.grant.cores if self.grant.accelerator is None else self.grant.cores[:1]

    @property
    def work(self) -> TrainingWork:
        """What a step asks for in its present setting."""
        return self.job.works[self.grant.setting if self.grant else 0]

    def profile(self, board: Board) -> ApplicationProfile:
        """One of its threads on the cores that it has now."""
        key = (self.grant.setting, len(self.cores)) if self.grant else (0, 0)
        if key not in self._profiles:
            self._profiles[key] = training_profile(self.work, board, len(self.cores))
        return self._profiles[key]

    def done(self, now_s: float) -> float:
        """Samples done by `now_s`."""
        return self._done + min(self.left, self._gained(now_s))

    def catch_up(self, now_s: float) -> None:
        """Book the progress since the last change, before the rate changes."""
        gained = min(self.left, self._gained(now_s))
        if self.rate > 0.0:
            self._owed_s = max(0.0, self._owed_s - (now_s - self._since_s))
        self._since_s = now_s
        if self.left - gained <= max(_NO_SAMPLES, 2.0 * math.ulp(now_s) * self.rate):
            gained = self.left
        self._done += gained
        self.left -= gained

    def _gained(self, now_s: float) -> float:
        return self.rate * max(0.0, now_s - self._since_s - self._owed_s)

    def owe(self, seconds: float) -> None:
        """From now on make no progress for so long a time of running."""
        self._owed_s = max(self._owed_s, seconds)

    def next_event_s(self) -> float:
        """When the work ends, at the present rate."""
        if self.rate <= 0.0:
            return math.inf
        return self._since_s + self._owed_s + self.left / self.rate

    def read(self, now_s: float, window_s: float) -> TrainingReading:
        """What it did since the last reading, as a rate."""
        done = self.done(now_s)
        rate = (done - self._seen) / window_s if window_s > 1e-9 else self.rate
        self._seen = done
        grant = self.grant
        return TrainingReading(
            self.job.id,
            done,
            rate,
            grant.cores if grant else (),
            self.left <= 0.0,
            grant.accelerator if grant else None,
        )

    def state(self, now_s: float) -> TrainingState:
        """What only a simulation can tell."""
        done = self.done(now_s)
        left = self.left - (done - self._done)
        return TrainingState(self.job.id, self.job.name, done, left, self.rate, self.grant)
