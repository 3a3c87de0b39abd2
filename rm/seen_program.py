"""What was seen of one application's speed, and what follows from it."""

import math
from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from rm.phases import Phases

PAIRS_KEPT = 15
"""Pairs that a median goes over: a phase that changed within one pair is outvoted."""


class Place(Struct, frozen=True, gc=False):
    """Where an application is, with what follows from that until something is learnt of it.

    `share` is of a core's time, summed over its threads; on its `cluster`, at `freq_hz`, a cycle
    takes `cycle_s` seconds, of which it stalls `stall_s`. Stalls are `slowdown` times as long as on
    an idle memory. `on_reference` turns its cycles into those on the strongest cluster.
    """

    cluster: int
    freq_hz: int
    share: float
    slowdown: float
    stall_s: float
    cycle_s: float
    on_reference: float


class Seen:
    """What is known of one application: `stalls` per cycle with the cluster of each.

    An instruction took `instruction_s` in the last reading, as if a core were the application's
    alone, at `time_s` and `place` (None: there was no reading). `ahead` is the logarithm of how
    much slower than that it is about to be. `ratios` and `usual_stalls` are what follows from the
    pairs, by clusters, kept until another pair comes; so are `ratios_from` one cluster to all, and
    `stalls_on` all clusters (empty: not known).
    """

    __slots__ = (
        "ahead",
        "instruction_s",
        "log_cycles",
        "phases",
        "place",
        "ratios",
        "ratios_from",
        "stalls",
        "stalls_on",
        "time_s",
        "usual_stalls",
    )

    def __init__(self) -> None:
        self.ahead = 0.0
        self.ratios: dict[tuple[int, int], float] = {}
        self.usual_stalls: dict[int, float] = {}
        self.ratios_from: dict[int, list[float]] = {}
        self.stalls_on: list[float] = []
        self.phases = Phases()
        self.place: Place | None = None
        self.instruction_s = self.time_s = 0.0
        self.stalls: deque[tuple[int, float]] = deque(maxlen=PAIRS_KEPT)
        self.log_cycles: dict[tuple[int, int], deque[float]] = {}

    def forget_conclusions(self) -> None:
        """Another pair came: work out ratios and stalls anew."""
        self.ratios.clear()
        self.ratios_from.clear()
        self.usual_stalls.clear()
        self.stalls_on = []

    def hear(self, place: Place, instruction_s: float, time_s: float) -> None:
        """Another reading, from which its phases are followed."""
        self.place, self.instruction_s, self.time_s = place, instruction_s, time_s
        self.ahead = self.phases.hear(math.log(instruction_s / place.cycle_s * place.on_reference))

    def hear_again(
        self, place: Place, times_s: Sequence[float], rates_ips: Sequence[float]
    ) -> None:
        """More readings at one place, one after the other; who stands still gives none."""
        if min(rates_ips) <= 0.0:
            heard = [pair for pair in zip(times_s, rates_ips, strict=True) if pair[1] > 0.0]
            if not heard:
                return
            times_s, rates_ips = zip(*heard, strict=True)
        log, share, cycle_s, on_reference = math.log, place.share, place.cycle_s, place.on_reference
        levels = [log(share / rate_ips / cycle_s * on_reference) for rate_ips in rates_ips]
        self.place, self.instruction_s, self.time_s = place, share / rates_ips[-1], times_s[-1]
        self.ahead = self.phases.hear_all(levels)
