"""The clusters' clocks as the governor steers them: what they are, what was asked, who interferes.

A board's clusters are matched with the kernel's cpufreq policies by their cores. A cluster whose
cores are all unplugged has no clock: it reads as its lowest operating point, and nothing above it
is allowed, until a core comes back.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence

from msgspec import Struct

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.linux.clocks.actuators import Actuator, Cap, SetSpeed
from platforms.linux.clocks.clock_domain import Clocked, DomainReading
from platforms.linux.clocks.frequency_domain import FrequencyDomain
from platforms.linux.errors import Unreadable, WriteRefused
from platforms.linux.knobs.knobs import KnobWriter
from platforms.nearest_opp import nearest_opp

REFUSALS_IN_A_ROW = 3
"""So often refused, and a knob is not relied upon any more."""

SETTLES_WITHIN_S = 0.1
"""The kernel applies a limit from a work item, after the write has returned; on a busy machine,
with a slow regulator, that takes a while. What still differs then is somebody else's hand."""

Interference = Callable[[float, str, str, str], None]
"""Told of the time (s), the knob's path, what was asked and what was found instead."""


class ClusterReading(Struct, frozen=True, gc=False):
    """A cluster's clock: its operating point, the highest allowed, and the frequencies themselves.

    `asked_hz` is None while nothing is asked for.
    """

    name: str
    opp: int
    cap: int
    freq_hz: int
    cap_hz: int
    asked_hz: int | None


class _Steered:
    """One cluster with its actuator; `is_taken`: its knobs are ours.

    `differs_since_s` is when its clock began not to be the one asked for, None while it is.
    `quiet` is what was read while all was as asked, and what that was turned into. `just_read`: a
    reading succeeded since a clock was asked for, so that it need not be looked for once more.
    """

    __slots__ = (
        "actuator",
        "cluster",
        "differs_since_s",
        "is_taken",
        "just_read",
        "quiet",
        "refusals",
    )

    def __init__(self, cluster: Clocked, actuator: Actuator) -> None:
        self.cluster = cluster
        self.actuator = actuator
        self.differs_since_s: float | None = None
        self.quiet: tuple[DomainReading, ClusterReading] | None = None
        self.is_taken = False
        self.just_read = False
        self.refusals = 0

    def forget(self) -> None:
        """What was asked holds no more, nor since when it did not."""
        self.actuator.forget()
        self.differs_since_s = None
        self.quiet = None

    @property
    def is_there(self) -> bool:
        """Whether it has a clock now: while every core of it is unplugged it has none."""
        try:
            self.actuator.domain.read()
        except Unreadable:
            return False
        return True


class SteeredClocks:
    """Clocks that are steered side by side, in a given order: those of clusters, or others.

    Counts `writes`, `refused` ones, and `clamped` readings (less than asked, by the kernel's cap).
    """

    def __init__(
        self,
        clocked: Sequence[Clocked],
        actuators: Sequence[Actuator],
        writer: KnobWriter,
        *,
        on_interference: Interference = lambda _now_s, _path, _asked, _found: None,
    ) -> None:
        """`actuators` in the order of what they clock."""
        self._steered = [
            _Steered(cluster, actuator)
            for cluster, actuator in zip(clocked, actuators, strict=True)
        ]
        self._writer = writer
        self._on_interference = on_interference
        self.clamped = 0
        self.refused = 0
        self.writes = 0

    @property
    def problem(self) -> str | None:
        """Why a knob cannot be relied upon; None while all take what is written."""
        for steered in self._steered:
            if steered.refusals >= REFUSALS_IN_A_ROW:
                return f"the clock of {steered.cluster.name} refuses what is written to it"
        return None

    def read(self, now_s: float) -> tuple[ClusterReading, ...]:
        """Every clock now."""
        found = []
        for steered in self._steered:
            found.append(self._read(steered, now_s))
        return tuple(found)

    def take(self) -> None:
        """Journal and take every clock's knobs; WriteRefused, JournalUnusable where that fails.

        A cluster that is unplugged as a whole is taken when it is back and a clock is asked for.
        """
        for steered in self._steered:
            steered.refusals = 0
            if steered.is_there:
                self._take(steered)

    def set(self, opp_index: Sequence[int | None]) -> tuple[str, ...]:
        """Ask for operating points (None: leave it as it is); what was refused, in words.

        Of a cluster that is unplugged as a whole nothing is asked.
        """
        problems = []
        for steered, opp in zip(self._steered, opp_index, strict=True):
            if opp is None:
                continue
            freq_hz = steered.cluster.freqs_hz[opp]
            if freq_hz == steered.actuator.asked_hz:
                continue
            if not (steered.just_read or steered.is_there):
                continue
            steered.just_read = False
            try:
                if not steered.is_taken:
                    self._take(steered)
                steered.actuator.set(self._writer, freq_hz)
                self.writes += 1
                steered.refusals = 0
            except WriteRefused as error:
                if not steered.is_there:  # unplugged since it was read
                    continue
                steered.refusals += 1
                self.refused += 1
                problems.append(str(error))
        return tuple(problems)

    def forget(self) -> None:
        """The knobs were given back."""
        for steered in self._steered:
            steered.refusals, steered.is_taken = 0, False
            steered.forget()

    def _take(self, steered: _Steered) -> None:
        steered.actuator.take(self._writer)
        steered.is_taken = True

    def _read(self, steered: _Steered, now_s: float) -> ClusterReading:
        cluster, actuator = steered.cluster, steered.actuator
        try:
            reading = actuator.domain.read()
        except Unreadable:  # every core of it is unplugged
            steered.just_read = False
            steered.forget()
            low_hz = cluster.freqs_hz[0]
            return ClusterReading(cluster.name, 0, 0, low_hz, low_hz, None)
        steered.just_read = True
        asked_hz = actuator.asked_hz
        # In most rounds a clock that is as asked shows the same as before: nothing to compare then.
        if steered.quiet is not None:
            before, found = steered.quiet
            if (
                reading is before
                and asked_hz == found.asked_hz
                and (actuator.reading_tells_all or actuator.allowed_hz(reading) == found.cap_hz)
            ):
                return found
        cap_hz = actuator.allowed_hz(reading)
        if asked_hz is not None and steered.is_taken and not self._writer.dry_run:
            self._compare(steered, reading, cap_hz, now_s)
        freqs_hz = cluster.freqs_hz
        cap = max(0, bisect_right(freqs_hz, cap_hz) - 1)
        opp = min(cap, nearest_opp(freqs_hz, reading.freq_hz))
        found = ClusterReading(cluster.name, opp, cap, reading.freq_hz, cap_hz, asked_hz)
        is_as_asked = steered.differs_since_s is None and actuator.asked_hz == asked_hz
        is_allowed = asked_hz is None or asked_hz <= cap_hz
        steered.quiet = (reading, found) if is_as_asked and is_allowed else None
        return found

    def _compare(
        self, steered: _Steered, reading: DomainReading, cap_hz: int, now_s: float
    ) -> None:
        """Notice a clamp of the kernel's, or somebody else's hand, and write anew after that.

        What was asked for may change meanwhile: who writes between any two rounds is noticed too.
        """
        actuator = steered.actuator
        if actuator.asked_hz is not None and cap_hz < actuator.asked_hz:
            self.clamped += 1
        if actuator.holds(reading):
            steered.differs_since_s = None
            return
        if steered.differs_since_s is None:
            steered.differs_since_s = now_s
        if now_s - steered.differs_since_s < SETTLES_WITHIN_S:
            return
        found = f"{reading.freq_hz} Hz, {reading.governor}"
        asked = f"{actuator.asked_hz} Hz"
        self._on_interference(now_s, actuator.domain.path, asked, found)
        steered.forget()


class SteeredClusters(SteeredClocks):
    """All clusters of a board, in its order."""

    def __init__(
        self,
        board: Board,
        actuators: Sequence[Actuator],
        writer: KnobWriter,
        *,
        on_interference: Interference = lambda _now_s, _path, _asked, _found: None,
    ) -> None:
        """`actuators` in the order of the board's clusters."""
        super().__init__(board.clusters, actuators, writer, on_interference=on_interference)


def actuators_for(
    board: Board, domains: Sequence[FrequencyDomain], kind: str
) -> tuple[Actuator, ...]:
    """An actuator (``setspeed`` or ``cap``) for each cluster of the board.

    Raises InvalidInput where the machine's cpufreq policies are not the board's clusters.
    """
    by_cores = {domain.cores: domain for domain in domains}
    found: list[Actuator] = []
    for cluster in board.clusters:
        domain = by_cores.get(cluster.cores)
        if domain is None:
            have = " | ".join(",".join(map(str, cores)) for cores in sorted(by_cores)) or "none"
            raise InvalidInput(
                f"board {board.name}: cluster {cluster.name} must have a cpufreq policy with the "
                f"cores {','.join(map(str, cluster.cores))} (there are: {have}); see 'ilgov doctor'"
            )
        unknown = sorted(set(cluster.freqs_hz) - set(domain.freqs_hz))
        if unknown:
            raise InvalidInput(
                f"board {board.name}: {cluster.name}.freq_hz must be frequencies of "
                f"{domain.path} (got {unknown}); see 'ilgov board probe'"
            )
        found.append(Cap(domain) if kind == "cap" else SetSpeed(domain))
    return tuple(found)
