"""A heuristic that needs no training: the weakest cluster that can serve an application, then DVFS.

Where an application has not run yet its speed is guessed from the clusters' capacities, a figure
that every big.LITTLE kernel has; where it has, from what was seen there. It is the baseline that a
learned mapping has to beat: its DVFS loop is TOP-IL's.

An application of several threads goes to the cores of a cluster on which nobody else is, all of
them, if these serve it: as many threads as there are cores run at a time. Where another has come
onto one of its cores, it keeps to those that are left, if they serve it.
"""

from collections.abc import Sequence

from platforms.board import Board
from platforms.platform import ApplicationReading, Migration, Observation
from rm.dvfs import QosScaling
from rm.mapping.homes import cores_of_threads, free_cores_of, move_threads, threads_on_cores
from rm.policies.registry import PolicyContext

SLACK = 0.98
"""An application that reaches this share of its target is left where it is."""


class LittleFirst:
    """Moves applications to idle cores of the weakest cluster that serves them."""

    name = "little-first"

    def __init__(self, board: Board) -> None:
        """For any board with capacities, or failing these busy powers, that rank its clusters."""
        self._board = board
        self._scaling = QosScaling(board)
        self._weakest_first = board.clusters_by_capacity
        self._seen_ips_per_hz: dict[tuple[int, int], float] = {}

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """Serve the least demanding first, so that the weak cores go to those they suffice for."""
        apps = observation.applications
        placed = cores_of_threads(self._board, apps)
        users = threads_on_cores(placed, self._board.core_count)
        self._remember(observation, placed, users)
        moves = []
        pairs = zip(apps, placed, strict=True)
        for app, on in sorted(pairs, key=lambda pair: pair[0].target_ips / pair[0].threads):
            cores = self._better_cores(app, on, users)
            if cores:
                move_threads(users, on, cores)
                moves.append(Migration(app.id, cores))
        return tuple(moves)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """DVFS by QoS."""
        return self._scaling.scale(observation)

    def _remember(
        self,
        observation: Observation,
        placed: Sequence[tuple[int, ...]],
        users: Sequence[float],
    ) -> None:
        """What each application made of a core's cycle where it has its cores to itself."""
        board = self._board
        for app, on in zip(observation.applications, placed, strict=True):
            cluster = board.cluster_of_core[app.cores[0]]
            if app.rate_ips > 0 and all(users[core] == on.count(core) for core in on):
                freq_hz = board.clusters[cluster].freqs_hz[observation.opp_index[cluster]]
                self._seen_ips_per_hz[app.id, cluster] = app.rate_ips / freq_hz / len(set(on))

    def _better_cores(
        self, app: ApplicationReading, on: Sequence[int], users: Sequence[float]
    ) -> tuple[int, ...]:
        """Where it should go; nowhere where it is well off, or no better place is left."""
        if app.threads == 1:
            return self._better_core(app, users)
        present = self._board.cluster_of_core[app.cores[0]]
        others = {core for core, count in enumerate(users) if count > on.count(core)}
        for cluster in self._weakest_first:
            free = free_cores_of(self._board, cluster, others)
            if free and self._serves(app, cluster, min(app.threads, len(free))):
                return () if cluster == present and _keeps_to(app, free) else free
        return ()

    def _better_core(self, app: ApplicationReading, users: Sequence[float]) -> tuple[int, ...]:
        present = self._board.cluster_of_core[app.cores[0]]
        for cluster in self._weakest_first:
            if cluster == present:
                if self._serves(app, present):
                    return ()
                continue
            idle = [core for core in self._board.clusters[cluster].cores if users[core] == 0]
            if idle and self._serves(app, cluster):
                return (idle[0],)
        return ()

    def _serves(self, app: ApplicationReading, cluster: int, cores: int = 1) -> bool:
        """Whether so many cores at the highest frequency reach the target, as far as known."""
        top_hz = self._board.clusters[cluster].freqs_hz[-1]
        return self._ips_per_hz(app, cluster) * top_hz * cores >= SLACK * app.target_ips

    def _ips_per_hz(self, app: ApplicationReading, cluster: int) -> float:
        seen = self._seen_ips_per_hz
        if (app.id, cluster) in seen:
            return seen[app.id, cluster]
        present = self._board.cluster_of_core[app.cores[0]]
        known = seen.get((app.id, present), 0.0)
        return known * self._strength_per_hz(cluster) / self._strength_per_hz(present)

    def _strength_per_hz(self, cluster: int) -> float:
        described = self._board.clusters[cluster]
        return described.strength / described.freqs_hz[-1]


def _keeps_to(app: ApplicationReading, free: Sequence[int]) -> bool:
    """Whether it needs none but free cores, and has enough of them."""
    return set(app.cores) <= set(free) and len(app.cores) >= min(app.threads, len(free))


def make(context: PolicyContext) -> LittleFirst:
    """The heuristic for the context's board."""
    return LittleFirst(context.board)
