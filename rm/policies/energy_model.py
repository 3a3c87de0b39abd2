"""The kernel's energy model of a board: per performance domain, capacity and power of its states.

Source: em_cpu_energy in include/linux/energy_model.h @0410c6121529 (Linux 6). The kernel's model
knows the power of one busy CPU per state and nothing else: no idle states, no leakage's
temperature, no application's activity.

The board file has a busy core's power and, apart from it, the cluster's shared power; the model's
CPU takes its part of the latter, ``core_busy_w + cluster_busy_w / cores`` (derived: with all CPUs
busy the sum is the cluster's power). Capacities are the board file's; a cluster without them is
worth `Cluster.strength` at the top and in proportion to frequency below (as the kernel does with
capacity-dmips-mhz). All are scaled to 1024 for the strongest core. States that the kernel calls
inefficient (5.16 and later) are not skipped, as in the HiKey 970's 4.9.
"""

from collections.abc import Sequence
from functools import cached_property

from msgspec import Struct

from platforms.board import Board, Cluster
from rm.policies.pelt import CAPACITY_SCALE

HEADROOM = 1.25
"""schedutil asks for a quarter more than is used (map_util_perf, sugov_apply_dvfs_headroom); the
same factor is the margin of fits_capacity: 80 % of a capacity are full."""


def fits(util: float, capacity: float) -> bool:
    """Whether a utilisation leaves the margin free (fits_capacity, a fifth of the capacity).

    >>> fits(400, 512), fits(410, 512)
    (True, False)
    """
    return util * HEADROOM < capacity


class PerformanceState(Struct, frozen=True):
    """An operating point: what a CPU is worth there (1024: the strongest), and its power busy."""

    capacity: float
    power_w: float


class PerformanceDomain(Struct, frozen=True, dict=True):
    """CPUs that share a clock: a cluster. States are in order, the slowest first."""

    cores: tuple[int, ...]
    states: tuple[PerformanceState, ...]

    @cached_property
    def capacity(self) -> float:
        """A CPU's capacity at the highest state."""
        return self.states[-1].capacity

    @cached_property
    def powers_w(self) -> tuple[float, ...]:
        """One busy CPU's power per state."""
        return tuple(state.power_w for state in self.states)

    def state_for(self, capacity: float) -> PerformanceState:
        """The lowest state of at least this capacity, the highest where there is none."""
        return next((s for s in self.states if s.capacity >= capacity), self.states[-1])

    def energy(
        self,
        busiest: float,
        total: float,
        *,
        allowed: float | None = None,
        headroom: float = HEADROOM,
    ) -> float:
        """Energy per time of CPUs that are used `total` together and `busiest` at most (W).

        All run at the state that schedutil would pick for the busiest one, capped at `allowed`
        capacity; each takes the state's power for the share of time that it is busy.
        """
        ceiling = self.capacity if allowed is None else allowed
        state = self.state_for(min(headroom * busiest, ceiling))
        return state.power_w / state.capacity * total


class EnergyModel(Struct, frozen=True, dict=True):
    """The performance domains of a board, in the order of its clusters."""

    domains: tuple[PerformanceDomain, ...]

    @classmethod
    def of(cls, board: Board) -> "EnergyModel":
        """The model that the kernel would be given for this board."""
        strongest = max(cluster.strength for cluster in board.clusters)
        scale = CAPACITY_SCALE / strongest
        return cls(tuple([_domain(cluster, scale) for cluster in board.clusters]))

    @cached_property
    def domain_of_core(self) -> tuple[int, ...]:
        """For each core the index of its domain."""
        owner = {core: i for i, domain in enumerate(self.domains) for core in domain.cores}
        return tuple(owner[core] for core in range(len(owner)))

    @cached_property
    def core_capacity(self) -> tuple[float, ...]:
        """For each core its capacity at the top (arch_scale_cpu_capacity)."""
        return tuple(self.domains[domain].capacity for domain in self.domain_of_core)

    @cached_property
    def asymmetric(self) -> bool:
        """Whether cores differ in capacity; the kernel's EAS starts on no other board."""
        return len(set(self.core_capacity)) > 1

    def capped_capacity(self, opp_cap: Sequence[int]) -> tuple[float, ...]:
        """For each core its capacity at the highest operating point that is allowed.

        The kernel's capacity_of, of which thermal pressure is subtracted.
        """
        pairs = zip(self.domains, opp_cap, strict=True)
        capped = [domain.states[cap].capacity for domain, cap in pairs]
        return tuple([capped[domain] for domain in self.domain_of_core])


def _domain(cluster: Cluster, scale: float) -> PerformanceDomain:
    powers_w = [opp.core_busy_w + opp.cluster_busy_w / len(cluster.cores) for opp in cluster.opps]
    states = map(PerformanceState, _capacities(cluster, scale), powers_w)
    return PerformanceDomain(cluster.cores, tuple(states))


def _capacities(cluster: Cluster, scale: float) -> list[float]:
    known = [opp.capacity for opp in cluster.opps if opp.capacity is not None]
    if len(known) == len(cluster.opps):
        return [scale * capacity for capacity in known]
    top_hz = cluster.freqs_hz[-1]
    return [scale * cluster.strength * freq_hz / top_hz for freq_hz in cluster.freqs_hz]
