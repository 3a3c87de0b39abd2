"""Something with a clock of its own that the kernel lets be steered: cores, or an accelerator."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from platforms.linux.clocks.cooling_devices import CoolingDevice


class DomainReading(Struct, frozen=True, gc=False):
    """A clock now: its frequency, the limits that the kernel keeps to, who steers it.

    `set_hz` is what the governor userspace was told last, where the kernel shows it beside.
    """

    freq_hz: int
    min_hz: int
    max_hz: int
    governor: str
    set_hz: int | None = None


class ClockKnobs(Struct, frozen=True):
    """The names of a clock's files, and the unit of their numbers, Hz.

    `speed_comes`: the file `speed` is there under the governor userspace only.
    """

    governor: str
    speed: str
    lowest: str
    highest: str
    hz: int
    speed_comes: bool = False


class ClockDomain(Protocol):
    """`path` is the clock's folder as on the machine's own root; `freqs_hz` rise."""

    path: str
    knobs: ClockKnobs
    freqs_hz: tuple[int, ...]
    governors: tuple[str, ...]
    cooling: CoolingDevice | None

    def read(self) -> DomainReading:
        """How it is now; raises Unreadable."""
        ...


class Clocked(Protocol):
    """What the board file says of it: a cluster, or an accelerator."""

    @property
    def name(self) -> str:
        """As in the board file."""
        ...

    @property
    def freqs_hz(self) -> Sequence[int]:
        """The frequencies of its operating points, lowest first."""
        ...
