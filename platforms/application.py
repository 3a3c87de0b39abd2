"""Applications: what a program demands of a core (profile), and one run of it (job)."""

from functools import cached_property

from msgspec import Struct

from platforms.board import Cluster


class CoreProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speed on one core type: an instruction takes ``cpi / freq_hz + stall_s`` seconds.

    `cpi` is cycles per instruction without memory stalls, `stall_s` the seconds per instruction
    that the core waits for memory, which its clock does not shorten.
    """

    cpi: float
    stall_s: float


class Phase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch of `instructions` during which `cpi`, `stall_s` and `activity` are scaled."""

    instructions: float
    cpi_scale: float
    stall_scale: float
    activity_scale: float = 1.0


class ApplicationProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A program as the simulated board runs it.

    `core_profiles` maps core types to speeds. `activity` is the switching activity of the core
    relative to the board's busy power when it does not stall (0 to 1). `bytes_per_instruction` is
    the traffic to memory. Phases repeat in a cycle; none means a steady program.
    """

    name: str
    suite: str
    core_profiles: dict[str, CoreProfile]
    activity: float
    l2d_per_instruction: float
    bytes_per_instruction: float
    phases: tuple[Phase, ...] = ()
    sources: dict[str, str]

    @cached_property
    def cycle(self) -> tuple[Phase, ...]:
        """The phases, or one endless phase."""
        steady = Phase(instructions=float("inf"), cpi_scale=1.0, stall_scale=1.0)
        return self.phases or (steady,)

    def on(self, cluster: Cluster) -> CoreProfile:
        """The profile on a cluster's cores, through its stand-in where it names one.

        Raises KeyError with the core type's name where neither is known.
        """
        if cluster.core_type in self.core_profiles:
            return self.core_profiles[cluster.core_type]
        if cluster.stand_in is None:
            raise KeyError(cluster.core_type)
        other = self.core_profiles[cluster.stand_in.core_type]
        return CoreProfile(
            cpi=other.cpi * cluster.stand_in.cpi_scale,
            stall_s=other.stall_s * cluster.stand_in.stall_scale,
        )

    def ips(self, cluster: Cluster, freq_hz: float) -> float:
        """Instructions/s of one thread alone on a core, phases and contention left out."""
        profile = self.on(cluster)
        return 1.0 / (profile.cpi / freq_hz + profile.stall_s)


class Job(Struct, frozen=True, kw_only=True):
    """One run of an application: when it comes, how much it has to do, how fast it has to be.

    `target_ips` is the QoS target in instructions/s over all its threads; `instructions` its whole
    work (infinite: it stays). `cores` asks for a start placement, None leaves it to the board.
    """

    id: int
    profile: ApplicationProfile
    target_ips: float
    arrival_s: float = 0.0
    instructions: float = float("inf")
    threads: int = 1
    cores: tuple[int, ...] | None = None
