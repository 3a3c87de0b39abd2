"""The border between the governor and a board: what is seen, what is decided, who carries it out.

The simulated and the real board implement `Platform`; the governor's loops cannot tell them apart.
Time comes from `Clock` alone.
"""

from typing import Protocol

from msgspec import Struct

from platforms.board import Board


class ApplicationReading(Struct, frozen=True, gc=False):
    """What is known of one running application.

    `rate_ips` (instructions/s) and `l2d_per_s` (accesses to the L2 data cache/s) are means over the
    observation's `window_s`, for a newcomer since its start. `cores` are the cores that it may run
    on: one for a single thread, a cluster's for several.
    """

    id: int
    name: str
    target_ips: float
    rate_ips: float
    l2d_per_s: float
    cores: tuple[int, ...]
    threads: int


class TrainingReading(Struct, frozen=True, gc=False):
    """What is known of one training job.

    `samples` are all that it did since it began, `rate` samples/s over the observation's window.
    `cores` are those that it may use now, `accelerator` where it computes instead; without either
    it is paused. `waits`: it has no work now, between two rounds.
    """

    id: int
    samples: float
    rate: float
    cores: tuple[int, ...]
    waits: bool
    accelerator: str | None = None


class TemperatureReading(Struct, frozen=True, gc=False):
    """A sensor's value and how old it is."""

    sensor: str
    temp_c: float
    age_s: float


class Observation(Struct, frozen=True, gc=False):
    """The board at `time_s`.

    `opp_index` is the operating point per cluster, `opp_cap` the highest one that the kernel's own
    thermal protection allows now. `core_utilisation` is the busy share of each core, 0 to 1, over
    the last `window_s`. `accelerator_opp` is the operating point of each of
    `Board.compute_accelerators`.
    """

    time_s: float
    window_s: float
    applications: tuple[ApplicationReading, ...]
    opp_index: tuple[int, ...]
    opp_cap: tuple[int, ...]
    core_utilisation: tuple[float, ...]
    temperatures: tuple[TemperatureReading, ...]
    training: tuple[TrainingReading, ...] = ()
    accelerator_opp: tuple[int, ...] = ()


class Migration(Struct, frozen=True, gc=False):
    """Put an application onto these cores: one core for one thread, several for several threads.

    Several threads have one core only on a board where no cluster has two.
    """

    application_id: int
    cores: tuple[int, ...]


class TrainingGrant(Struct, frozen=True, gc=False):
    """What a training job may use from now on.

    `setting` is an index into the job's settings. Without `cores` and `accelerator` the job pauses.
    On an accelerator `cores` are its host's, of which there may be none. `cpu_max` is the share of
    its cores' time that it may have, above 0 and up to 1 (None: all); `nice` is the kernel's.
    """

    job_id: int
    setting: int
    cores: tuple[int, ...]
    accelerator: str | None = None
    nice: int = 0
    cpu_max: float | None = None

    @property
    def pauses(self) -> bool:
        """Whether the job may not compute anywhere."""
        return not self.cores and self.accelerator is None


class Decision(Struct, frozen=True, gc=False):
    """Migrations, and an operating point per cluster (None: leave them).

    `grants` name only the training jobs that change. `accelerator_opp` is an operating point for
    each of `Board.compute_accelerators` (None: leave it), or empty: leave them all.
    """

    migrations: tuple[Migration, ...] = ()
    opp_index: tuple[int, ...] | None = None
    grants: tuple[TrainingGrant, ...] = ()
    accelerator_opp: tuple[int | None, ...] = ()


class Clock(Protocol):
    """Time, as the loops see it: monotonic seconds."""

    def now_s(self) -> float:
        """Seconds since an arbitrary start."""
        ...

    def sleep_until(self, time_s: float) -> None:
        """Return when `now_s` is at least `time_s`."""
        ...


class Platform(Protocol):
    """A board that can be observed and steered."""

    @property
    def board(self) -> Board:
        """The board's description."""
        ...

    def observe(self) -> Observation:
        """The present state; rates are means since the previous call."""
        ...

    def apply(self, decision: Decision) -> None:
        """Carry out a decision. Applications and jobs that are gone by now are passed over."""
        ...
