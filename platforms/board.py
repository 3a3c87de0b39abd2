"""The typed description of a board: everything that ilgov knows about a SoC is data of these types.

A board is read from a TOML file (`board_file`), never assembled from constants in code. All units
are SI and stand in the names; temperatures are degrees Celsius (`_c`), differences kelvin (`_k`).

Every section carries `sources`: for each of its values where the value comes from, as
``"<kind>: <where>"`` with a kind out of `SOURCE_KINDS`. `board_file.check` insists on it.
"""

from collections.abc import Sequence
from functools import cached_property

from msgspec import Struct, field

SCHEMA_VERSION = 1
SOURCE_KINDS = ("device tree", "data sheet", "measured", "fitted", "derived", "assumed")

RUNAWAY_C = 150.0
"""No temperature above this counts: silicon is destroyed there (assumed limit)."""


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Base of all parts of a board file: immutable, keyword-only, no unknown keys."""


class OperatingPoint(_Section, frozen=True, kw_only=True):
    """A frequency with its voltage, and the power at it with the core fully active.

    `core_busy_w` is one core running without a memory stall, leakage at `Leakage.ref_temp_c`
    included; `cluster_busy_w` is the cluster's shared part while any of its cores runs.
    """

    freq_hz: int
    volt_v: float
    core_busy_w: float
    cluster_busy_w: float
    capacity: int | None = None


class IdleState(_Section, frozen=True, kw_only=True):
    """A sleep state of a core or of a whole cluster, as the device tree describes it.

    The simulated board asks only whether a cluster has one; its latencies and its minimum residency
    are descriptive so far.
    """

    name: str
    entry_s: float
    exit_s: float
    min_residency_s: float


class StandIn(_Section, frozen=True, kw_only=True):
    """Use another core type's application profiles, scaled, where none are known."""

    core_type: str
    cpi_scale: float
    stall_scale: float


class Cluster(_Section, frozen=True, kw_only=True):
    """Cores that share one clock and one supply.

    Without `idle_states` an idle core costs `core_wfi_w`, and the cluster `cluster_idle_w` while
    none of its cores is busy; with any it sleeps and costs nothing. `l2_bytes` is what a thread has
    to refill when it leaves its L2 cache: with every move where `l2_shared` is false, else with
    moves to another cluster. `dvfs_latency_s` is descriptive so far: operating points change at
    once. `thermal_weight` is for the policy `eas-schedutil-ipa` alone: the simulated protection
    caps all clusters alike.
    """

    name: str
    core_type: str
    cores: tuple[int, ...]
    opps: tuple[OperatingPoint, ...]
    core_wfi_w: float
    cluster_idle_w: float
    leakage_w_per_v3: float
    activity_floor: float
    l2_bytes: int
    l2_shared: bool = True
    dvfs_latency_s: float
    thermal_weight: int
    idle_states: tuple[IdleState, ...] = ()
    stand_in: StandIn | None = None
    sources: dict[str, str]

    @cached_property
    def freqs_hz(self) -> tuple[int, ...]:
        """The frequencies of the operating points, lowest first."""
        return tuple(opp.freq_hz for opp in self.opps)

    @cached_property
    def strength(self) -> float:
        """What a core is worth at the top among the board's: its EAS capacity, or else busy mW."""
        top = self.opps[-1]
        return top.capacity or 1e3 * top.core_busy_w


class Leakage(_Section, frozen=True, kw_only=True):
    """How leakage follows temperature: ``clamp(c0 + c1 T + c2 T^2 + c3 T^3)``, T in Celsius.

    The value is divided by its value at `ref_temp_c`, so that a cluster's `leakage_w_per_v3` holds
    there. It must not fall from the coldest ambient to `RUNAWAY_C`.
    """

    ref_temp_c: float
    coefficients: tuple[float, float, float, float]
    lowest: float
    highest: float
    sources: dict[str, str]


class Memory(_Section, frozen=True, kw_only=True):
    """The memory that all cores share.

    `latency_s` and `freqs_hz` are descriptive so far: stalls come from the applications' profiles.
    """

    bandwidth_bytes_per_s: float
    latency_s: float
    freqs_hz: tuple[int, ...] = ()
    sources: dict[str, str]


class ThermalNode(_Section, frozen=True, kw_only=True):
    """A lump of heat capacity. `core` says which core heats it, if any."""

    name: str
    capacity_j_per_k: float
    core: int | None = None


class ThermalLink(_Section, frozen=True, kw_only=True):
    """Heat conduction between two nodes."""

    between: tuple[str, str]
    conductance_w_per_k: float


class AmbientShare(_Section, frozen=True, kw_only=True):
    """The share of the cooling setup's conductance that begins at a node."""

    node: str
    share: float


class Thermal(_Section, frozen=True, kw_only=True, omit_defaults=True):
    """The thermal network.

    `ambient_node` is the node that gives heat to the air (how well, says the cooling setup),
    `cluster_node` the node that the clusters' shared power heats. Where the air cools several
    nodes, such as the parts of a heat sink, `ambient_shares` lists them, `ambient_node` among them.
    """

    nodes: tuple[ThermalNode, ...]
    links: tuple[ThermalLink, ...]
    ambient_node: str
    ambient_shares: tuple[AmbientShare, ...] = ()
    cluster_node: str
    sources: dict[str, str]

    @cached_property
    def shares_of_air(self) -> dict[str, float]:
        """The nodes that the air cools, with their shares of the cooling setup's conductance."""
        shares = {part.node: part.share for part in self.ambient_shares}
        return shares or {self.ambient_node: 1.0}


class CoolingChange(_Section, frozen=True, kw_only=True):
    """What a cooling setup turns into during a run: `cooling` at `at_share` of the run's time."""

    cooling: str
    at_share: float


class CoolingSetup(_Section, frozen=True, kw_only=True):
    """How the board gives its heat to the air, and the air's temperature.

    With `then` it holds for a part of a run only: a fan that fails. Nobody tells the policies.
    """

    name: str
    conductance_w_per_k: float
    ambient_c: float
    then: CoolingChange | None = None
    sources: dict[str, str]


class Sensor(_Section, frozen=True, kw_only=True):
    """A temperature sensor: a weighted mean of nodes, noisy, quantised, refreshed periodically."""

    name: str
    weights: dict[str, float]
    step_k: float
    offset_c: float
    period_s: float
    noise_k: float
    sources: dict[str, str]


class ThermalProtection(_Section, frozen=True, kw_only=True):
    """The kernel's own reaction to heat, which acts below every policy.

    Above `target_c` of `sensor` the kernel lowers the clusters' highest allowed operating point.
    From `switch_on_c` on it looks every `polling_s`, below as often as the sensor refreshes.
    `sustainable_w` is for the policy `eas-schedutil-ipa`: the simulated kernel itself steps, it
    shares no power budget.
    """

    sensor: str
    switch_on_c: float
    target_c: float
    hysteresis_k: float
    polling_s: float
    sustainable_w: float
    sources: dict[str, str]


class AcceleratorPoint(_Section, frozen=True, kw_only=True):
    """A frequency of an accelerator with its voltage."""

    freq_hz: int
    volt_v: float


class AcceleratorCompute(_Section, frozen=True, kw_only=True):
    """How fast an accelerator trains (`accelerator_model`).

    `peak_flops_per_s` is at the highest operating point and full occupancy, `half_flops` are the
    FLOPs per kernel that fill half of it, `launch_s` is what the host's cores take for a kernel.
    """

    peak_flops_per_s: float
    bandwidth_bytes_per_s: float
    launch_s: float
    half_flops: float


class AcceleratorPower(_Section, frozen=True, kw_only=True):
    """What an accelerator takes while it has work (`accelerator_model`), and the node it heats.

    `static_w` whatever it does, `dynamic_w` more at the highest operating point and full occupancy,
    of which `activity_floor` is left when it only waits; `memory_w` at its full bandwidth. Without
    work it sleeps and takes nothing.
    """

    static_w: float
    dynamic_w: float
    memory_w: float
    activity_floor: float
    node: str


class Accelerator(_Section, frozen=True, kw_only=True, omit_defaults=True):
    """A GPU or an NPU. Without `compute` and `power` it is descriptive, and nothing runs there."""

    name: str
    kind: str
    # By a factory, so that no operating points are written out as well: digests hold them.
    opps: tuple[AcceleratorPoint, ...] = field(default_factory=lambda: ())
    compute: AcceleratorCompute | None = None
    power: AcceleratorPower | None = None
    sources: dict[str, str]

    @cached_property
    def freqs_hz(self) -> tuple[int, ...]:
        """The frequencies of the operating points, lowest first."""
        return tuple(opp.freq_hz for opp in self.opps)


class RestOfBoard(_Section, frozen=True, kw_only=True):
    """Power of what is not the SoC; descriptive, its heat is folded into the cooling setups."""

    power_w: float
    sources: dict[str, str]


class Board(_Section, frozen=True, kw_only=True):
    """A SoC with its clusters, operating points, sensors, thermal network and cooling setups."""

    schema: int
    name: str
    title: str
    soc: str
    clusters: tuple[Cluster, ...]
    leakage: Leakage
    memory: Memory
    thermal: Thermal
    cooling: tuple[CoolingSetup, ...]
    sensors: tuple[Sensor, ...]
    rest_of_board: RestOfBoard
    protection: ThermalProtection | None = None
    accelerators: tuple[Accelerator, ...] = ()

    @cached_property
    def core_count(self) -> int:
        """Number of cores; cores are numbered from 0 without a gap."""
        return sum(len(cluster.cores) for cluster in self.clusters)

    @cached_property
    def cluster_of_core(self) -> tuple[int, ...]:
        """For each core the index of its cluster."""
        owner = {core: i for i, cluster in enumerate(self.clusters) for core in cluster.cores}
        return tuple(owner[core] for core in range(self.core_count))

    @cached_property
    def compute_accelerators(self) -> tuple[Accelerator, ...]:
        """The accelerators that work can be given to: with operating points, `compute`, `power`."""
        return tuple(a for a in self.accelerators if a.opps and a.compute and a.power)

    @cached_property
    def core_names(self) -> tuple[str, ...]:
        """The cores as the reports name them, ``core0`` onwards."""
        return tuple(f"core{core}" for core in range(self.core_count))

    @cached_property
    def clusters_by_capacity(self) -> tuple[int, ...]:
        """Indices of the clusters, the weakest first, by EAS capacity or else by busy power."""
        return tuple(
            sorted(range(len(self.clusters)), key=lambda i: (self.clusters[i].strength, i))
        )

    def freqs_hz_at(self, opp_index: Sequence[int]) -> tuple[int, ...]:
        """The frequency of every cluster at its operating point."""
        pairs = zip(self.clusters, opp_index, strict=True)
        return tuple([cluster.freqs_hz[opp] for cluster, opp in pairs])

    @cached_property
    def lowest_opps(self) -> tuple[int, ...]:
        """The lowest operating point of every cluster."""
        return (0,) * len(self.clusters)

    @cached_property
    def highest_opps(self) -> tuple[int, ...]:
        """The highest operating point of every cluster."""
        return tuple(len(cluster.opps) - 1 for cluster in self.clusters)

    def cooling_named(self, name: str) -> CoolingSetup:
        """The cooling setup `name`; KeyError where there is none."""
        for setup in self.cooling:
            if setup.name == name:
                return setup
        raise KeyError(name)
