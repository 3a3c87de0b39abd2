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


class TemperatureReading(Struct, frozen=True, gc=False):
    """A sensor's value and how old it is."""

    sensor: str
    temp_c: float
    age_s: float


class Observation(Struct, frozen=True, gc=False):
    """The board at `time_s`.

    `opp_index` is the operating point per cluster, `opp_cap` the highest one that the kernel's own
    thermal protection allows now. `core_utilisation` is the busy share of each core, 0 to 1, over
    the last `window_s`.
    """

    time_s: float
    window_s: float
    applications: tuple[ApplicationReading, ...]
    opp_index: tuple[int, ...]
    opp_cap: tuple[int, ...]
    core_utilisation: tuple[float, ...]
    temperatures: tuple[TemperatureReading, ...]


class Migration(Struct, frozen=True, gc=False):
    """Put an application onto these cores: one core for one thread, several for several threads.

    Several threads have one core only on a board where no cluster has two.
    """

    application_id: int
    cores: tuple[int, ...]


class Decision(Struct, frozen=True, gc=False):
    """Migrations, and an operating point per cluster (None: leave them)."""

    migrations: tuple[Migration, ...] = ()
    opp_index: tuple[int, ...] | None = None


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
        """Carry out a decision. Applications that are gone by now are passed over."""
        ...
