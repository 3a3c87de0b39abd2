"""What an episode leaves behind: the figures that policies are compared by."""

from msgspec import Struct

MISS_BELOW = 0.95
"""An application misses its target when its rate over its life is below this share of it."""


ORACLE = "oracle"
"""The policy whose misses count as unavoidable: who misses with it could not be served."""


class ApplicationOutcome(Struct, frozen=True):
    """One application's life in one episode.

    `achieved_ips` is its mean rate from arrival to its end, or to the episode's end (`end_s` None).
    `attainable` says whether the oracle policy met the target in the same episode (None: not
    known).
    """

    id: int
    name: str
    arrival_s: float
    end_s: float | None
    target_ips: float
    achieved_ips: float
    attainable: bool | None = None

    @property
    def missed(self) -> bool:
        """Whether it stayed below `MISS_BELOW` of its target over its life."""
        return self.achieved_ips < MISS_BELOW * self.target_ips

    @property
    def shortfall(self) -> float:
        """By what share of its target it stayed below it over its life (0: it did not)."""
        return max(0.0, 1.0 - self.achieved_ips / self.target_ips) if self.target_ips else 0.0


class Moment(Struct, frozen=True):
    """The board at one time of an episode, for plots.

    `sensor_temp_c` is the temperature where the sensor sits (not quantised, no noise),
    `peak_temp_c` the hottest node. `application_on_core` is the lowest application id on each core,
    -1 if idle.
    """

    time_s: float
    sensor_temp_c: float
    peak_temp_c: float
    power_w: float
    freqs_hz: tuple[int, ...]
    application_on_core: tuple[int, ...]


class EpisodeOutcome(Struct, frozen=True):
    """One policy under one cooling setup with one seed. Temperatures are simulated.

    `mean_temp_c` is the time mean where the sensor sits, `mean_hottest_c` that of the core that is
    the hottest at each time, which is what the oracle minimises; `peak_temp_c` is the hottest node
    ever. `energy_j` is the SoC's, `instructions` counts what all applications retired: a fast
    policy gets more done in the same time. `runaway_s` is the time when leakage outran cooling,
    None if never.

    A judge (`judging`) looked `judged` times at the mapping: `judged_within` times it was within
    1 K of the optimum, `judged_short` times it could not meet what the optimum meets, and
    `judged_proven` times the optimum was proven. `steady_regret_k` is the mean excess over the
    optimum where it is not short, None where there is none.
    """

    policy: str
    cooling: str
    seed: int
    duration_s: float
    mean_temp_c: float
    mean_hottest_c: float
    peak_temp_c: float
    energy_j: float
    instructions: float
    migrations: int
    opp_changes: int
    throttled_s: float
    runaway_s: float | None
    applications: tuple[ApplicationOutcome, ...]
    timeline: tuple[Moment, ...]
    judged: int = 0
    judged_within: int = 0
    judged_short: int = 0
    judged_proven: int = 0
    steady_regret_k: float | None = None
