"""A heuristic that needs no training: the weakest cluster that can serve an application, then DVFS.

Where an application has not run yet its speed is guessed from the clusters' capacities, a figure
that every big.LITTLE kernel has; where it has, from what was seen there. It is the baseline that a
learned mapping has to beat: its DVFS loop is TOP-IL's.
"""

from platforms.board import Board
from platforms.platform import ApplicationReading, Migration, Observation
from rm.dvfs import QosScaling
from rm.policies.registry import PolicyContext

SLACK = 0.98
"""An application that reaches this share of its target is left where it is."""


class LittleFirst:
    """Moves applications of one thread to idle cores of the weakest cluster that serves them."""

    name = "little-first"

    def __init__(self, board: Board) -> None:
        """For any board with capacities, or failing these busy powers, that rank its clusters."""
        self._board = board
        self._scaling = QosScaling(board)
        self._weakest_first = board.clusters_by_capacity
        self._seen_ips_per_hz: dict[tuple[int, int], float] = {}

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """Serve the least demanding first, so that the weak cores go to those they suffice for."""
        self._remember(observation)
        users = [0] * self._board.core_count
        for app in observation.applications:
            for used in app.cores:
                users[used] += 1
        moves = []
        single = (app for app in observation.applications if app.threads == 1)
        for app in sorted(single, key=lambda app: app.target_ips):
            core = self._better_core(app, users)
            if core is not None:
                users[app.cores[0]] -= 1
                users[core] += 1
                moves.append(Migration(app.id, (core,)))
        return tuple(moves)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """DVFS by QoS."""
        return self._scaling.scale(observation)

    def _remember(self, observation: Observation) -> None:
        """What each application made of a cycle where it runs alone on its core."""
        board = self._board
        users = [app.cores[0] for app in observation.applications]
        for app in observation.applications:
            cluster = board.cluster_of_core[app.cores[0]]
            if users.count(app.cores[0]) == 1 and app.rate_ips > 0:
                freq_hz = board.clusters[cluster].freqs_hz[observation.opp_index[cluster]]
                self._seen_ips_per_hz[app.id, cluster] = app.rate_ips / freq_hz

    def _better_core(self, app: ApplicationReading, users: list[int]) -> int | None:
        present = self._board.cluster_of_core[app.cores[0]]
        for cluster in self._weakest_first:
            if cluster == present:
                if self._serves(app, present):
                    return None
                continue
            idle = [core for core in self._board.clusters[cluster].cores if users[core] == 0]
            if idle and self._serves(app, cluster):
                return idle[0]
        return None

    def _serves(self, app: ApplicationReading, cluster: int) -> bool:
        """Whether the cluster's highest frequency is enough for the target, as far as known."""
        top_hz = self._board.clusters[cluster].freqs_hz[-1]
        return self._ips_per_hz(app, cluster) * top_hz >= SLACK * app.target_ips

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


def make(context: PolicyContext) -> LittleFirst:
    """The heuristic for the context's board."""
    return LittleFirst(context.board)
