"""`swan`: which cores to train on, and when to back off, after Swan (arXiv 2206.04687).

Source: the paper's abstract alone was at hand: a neural engine that trains on a phone's SoC without
hurting the user's experience. That it profiles execution choices (sets of cores), drops those that
another one dominates, notices interference by its own steps taking longer than in the profile, and
then moves to a choice that takes less from the foreground, is recalled and not checked against the
paper. Its thresholds are not known. Assumed here:

- A choice is a number of cores of one cluster, from its first on; its profile is the
  job's table at the highest frequency, at one fixed setting: Swan turns no knob of the training.
- Its cost to the foreground is the capacity of the cores that it takes; a choice that is slower
  and no cheaper than another is dropped.
- It starts with the fastest choice. A look at its rate, once every `LOOK_S`, that shows less than
  `KEPT_SHARE` of the profile is interference: one choice down. `CALM_LOOKS` looks in a row without:
  one choice up. Slow steps because of a throttled clock are interference to it as well.
- The foreground is the stock one, and threads of the training have the lowest priority, as with
  `nice`. Swan knows neither deadlines nor temperatures.
"""

from msgspec import Struct

from platforms.board import Board
from platforms.platform import Observation, TrainingReading
from rm.planner.capability import Capability
from rm.policies.energy_model import EnergyModel
from rm.training.baselines.background import Background
from rm.training.baselines.fixed_setting import promise
from rm.training.job import Job
from rm.training.registry import TrainingContext

LOOK_S = 1.0
KEPT_SHARE = 0.85
CALM_LOOKS = 10


class Choice(Struct, frozen=True):
    """Cores to train on, the rate that the profile promises there, the capacity that they take."""

    cores: tuple[int, ...]
    rate: float
    cost: float


def choices(board: Board, capability: Capability, setting: int) -> tuple[Choice, ...]:
    """The choices that no other dominates, the slowest and cheapest first."""
    capacity = EnergyModel.of(board).core_capacity
    every = [
        Choice(
            cores := cluster.cores[:count],
            promise(board, capability, setting, cores).rate,
            sum(capacity[core] for core in cores),
        )
        for cluster in board.clusters
        for count in range(1, len(cluster.cores) + 1)
    ]
    kept: list[Choice] = []
    for choice in sorted(every, key=lambda choice: (choice.cost, -choice.rate)):
        if not kept or choice.rate > kept[-1].rate:
            kept.append(choice)
    return tuple(kept)


class _Ladder:
    """A job's choices and the one in use."""

    def __init__(self, options: tuple[Choice, ...]) -> None:
        self._options = options
        self._level = len(options) - 1
        self._calm = 0
        self._samples: float | None = None
        self._since_s = 0.0

    @property
    def choice(self) -> Choice:
        """The one in use."""
        return self._options[self._level]

    def look(self, reading: TrainingReading, now_s: float) -> None:
        """Compare its rate since the last look with the profile, if it is time to."""
        if reading.waits or reading.cores != self.choice.cores:
            self._samples = None
            return
        if self._samples is None:
            self._samples, self._since_s = reading.samples, now_s
            return
        if now_s < self._since_s + LOOK_S - 1e-9:
            return
        rate = (reading.samples - self._samples) / (now_s - self._since_s)
        self._samples, self._since_s = reading.samples, now_s
        if rate < KEPT_SHARE * self.choice.rate:
            self._go(-1)
            return
        self._calm += 1
        if self._calm >= CALM_LOOKS:
            self._go(+1)

    def _go(self, step: int) -> None:
        self._calm = 0
        self._level = min(max(self._level + step, 0), len(self._options) - 1)
        self._samples = None


class Swan(Background):
    """The stock foreground, and every job on the cores of its present choice."""

    def __init__(self, context: TrainingContext) -> None:
        """Choices are worked out when a job comes."""
        super().__init__("swan", context.board, context.jobs, ())
        self._ladders: dict[int, _Ladder] = {}

    def cores_of(self, job: Job, observation: Observation) -> tuple[int, ...]:
        """The present choice's."""
        if job.id not in self._ladders:
            options = choices(self._board, job.capability, self.setting(job))
            self._ladders[job.id] = _Ladder(options)
        ladder = self._ladders[job.id]
        for reading in observation.training:
            if reading.id == job.id:
                ladder.look(reading, observation.time_s)
        return ladder.choice.cores


def make(context: TrainingContext) -> Swan:
    """The policy; its limits are not heeded."""
    return Swan(context)
