"""What an episode with training leaves behind: what training policies are compared by."""

from msgspec import Struct

from rm.evaluation.outcome import ApplicationOutcome, Moment

EXHAUSTIVE = "exhaustive"
"""The policy whose missed rounds count as impossible: it plans on the truth, every plan tried."""

NONE = "none"
"""The policy that does not train: what the foreground alone is like."""


EARLY = 0.1
"""What is said of a round in this share of its time is said early."""


class RoundOutcome(Struct, frozen=True):
    """One federated round in one episode.

    It asks for `samples` reference samples from `start_s` to `deadline_s`; `done_samples` of them
    were done by `end_s`, or by its deadline (`end_s` None: missed). `told_s` is how long after its
    start the trainer first heard that it could not be met (None: never). `attainable` says whether
    the exhaustive policy met it in the same episode (None: not known).
    """

    number: int
    start_s: float
    deadline_s: float
    samples: float
    done_samples: float
    end_s: float | None
    told_s: float | None = None
    attainable: bool | None = None

    @property
    def missed(self) -> bool:
        """Whether its samples were not done by its deadline."""
        return self.end_s is None

    @property
    def time_s(self) -> float:
        """How long it took; a missed one took all the time that it had."""
        return (self.deadline_s if self.end_s is None else self.end_s) - self.start_s

    @property
    def told_early(self) -> bool:
        """Whether the server could still plan anew: it heard in the first tenth of the round."""
        return self.told_s is not None and self.told_s <= EARLY * (self.deadline_s - self.start_s)


class TrainingMoment(Struct, frozen=True):
    """The board at one time of an episode, for plots: the board's `Moment`, and the training.

    `setting` is the index of the knobs' setting that is granted, -1 while the job is paused or has
    nothing to do; `cores` are those that it trains on then.
    """

    time_s: float
    sensor_temp_c: float
    peak_temp_c: float
    power_w: float
    freqs_hz: tuple[int, ...]
    application_on_core: tuple[int, ...]
    setting: int
    cores: tuple[int, ...]

    @property
    def board(self) -> Moment:
        """Its part without training."""
        return Moment(
            self.time_s,
            self.sensor_temp_c,
            self.peak_temp_c,
            self.power_w,
            self.freqs_hz,
            self.application_on_core,
        )


class TrainingOutcome(Struct, frozen=True, kw_only=True):
    """One training policy under one cooling setup with one seed. Temperatures are simulated.

    As in `rm.evaluation.outcome.EpisodeOutcome`: `mean_temp_c` is the time mean where the sensor
    sits, `mean_hottest_c` that of the hottest core, `peak_temp_c` the hottest node ever. The limit
    is `limit_c`: the hottest core was above it for `over_s` in all and by `over_k` at worst (0:
    never), where the sensor sits it was above it by `over_sensor_k`. `peak_w` is the most that the
    SoC took at a round of the governor, `limit_w` what it was to take at most (None: no limit).

    `samples` were trained in all, each of the setting that was granted then; `reference_samples` is
    what they are worth, `lost_samples` the worth of those that a missed round threw away.
    `goal_samples` is how many reference samples the goal takes.
    """

    policy: str
    cooling: str
    seed: int
    duration_s: float
    mean_temp_c: float
    mean_hottest_c: float
    peak_temp_c: float
    limit_c: float
    over_s: float
    over_k: float
    over_sensor_k: float
    limit_w: float | None
    peak_w: float
    energy_j: float
    instructions: float
    samples: float
    reference_samples: float
    lost_samples: float
    goal_samples: float
    migrations: int
    opp_changes: int
    grants: int
    throttled_s: float
    runaway_s: float | None
    applications: tuple[ApplicationOutcome, ...]
    rounds: tuple[RoundOutcome, ...]
    timeline: tuple[TrainingMoment, ...]

    @property
    def samples_to_target(self) -> float | None:
        """How many samples the goal takes with this episode's mix of settings (None: no sample)."""
        if self.reference_samples <= 0:
            return None
        return self.goal_samples * self.samples / self.reference_samples
