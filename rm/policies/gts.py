"""Global Task Scheduling (big cores first) with one of Linux's cpufreq governors, or DVFS by QoS.

GTS moves every busy task to the big cluster while it has an idle core, and leaves the others on
LITTLE. It never was in mainline, so no kernel documents it: the scheduler patches for big.LITTLE MP
move a task up above 700 and down below 512 of 1024 load (hmp_up_threshold, hmp_down_threshold, as a
vendor's tree has them). Taken here: every application computes all the time and so is above the
first; none is moved down. TOP-IL's paper names GTS as the scheduler of its baselines, as recalled.

The kernel moves threads one by one. Here an application's threads have one cluster (`Migration`):
they move up together once it has an idle core for each. Until then all of them stay where the
kernel would have moved some.

The cpufreq governors see the clusters' utilisation only; they know nothing of targets. Source:
Documentation/admin-guide/pm/cpufreq.rst and od_update in drivers/cpufreq/cpufreq_ondemand.c (Linux
4.9 to 6); performance and powersave are the two ends of the table. Tunables have the kernel's
defaults: no powersave_bias, a sampling_down_factor of 1, and nobody is nice. Samples are taken once
a round of the governor, every 50 ms, where the kernel's documentation has 2 to 10 ms. Programs that
compute all the time keep a core 100 % busy, so ondemand asks for the highest frequency.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from platforms.board import Board
from platforms.nearest_opp import nearest_opp
from platforms.platform import ApplicationReading, Migration, Observation
from rm.dvfs import QosScaling
from rm.mapping.homes import cores_of_threads, move_threads, threads_on_cores
from rm.policies.registry import PolicyContext

UP_THRESHOLD = 0.95
"""ondemand jumps to the highest frequency above this utilisation, and picks one in proportion below
it (up_threshold; Linux's default where idle time is accounted to the microsecond,
MICRO_FREQUENCY_UP_THRESHOLD)."""

Cpufreq = Callable[[Observation], tuple[int, ...]]


def ondemand(board: Board, observation: Observation) -> tuple[int, ...]:
    """Linux's ondemand: the highest frequency when busy, else in proportion to the busiest core.

    In proportion is ``min + load * (max - min)``, and the operating point closest to that.
    """
    chosen = []
    for cluster in board.clusters:
        busiest = max(observation.core_utilisation[core] for core in cluster.cores)
        low_hz, high_hz = cluster.freqs_hz[0], cluster.freqs_hz[-1]
        if busiest > UP_THRESHOLD:
            chosen.append(len(cluster.opps) - 1)
        else:
            chosen.append(nearest_opp(cluster.freqs_hz, low_hz + busiest * (high_hz - low_hz)))
    return tuple(chosen)


def powersave(board: Board, observation: Observation) -> tuple[int, ...]:
    """Linux's powersave: always the lowest frequency."""
    return board.lowest_opps


def performance(board: Board, observation: Observation) -> tuple[int, ...]:
    """Linux's performance: always the highest frequency."""
    return board.highest_opps


class Gts:
    """Big cores first, with the given cpufreq governor."""

    def __init__(self, name: str, board: Board, cpufreq: Cpufreq) -> None:
        """`name` is the policy's name in results."""
        self.name = name
        self._board = board
        self._cpufreq = cpufreq
        self._rank = _ranks(board)

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """Up-migrate to idle stronger cores; then spread what shares a core onto idle ones."""
        placed = cores_of_threads(self._board, observation.applications)
        load = threads_on_cores(placed, self._board.core_count)
        moves = []
        for app, on in zip(observation.applications, placed, strict=True):
            cores = self._better_cores(app, on, load)
            if cores:
                move_threads(load, on, cores)
                moves.append(Migration(app.id, cores))
        return tuple(moves)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """Ask the cpufreq governor."""
        return self._cpufreq(observation)

    def _better_cores(
        self, app: ApplicationReading, on: Sequence[int], load: Sequence[float]
    ) -> tuple[int, ...]:
        """An idle core, or a cluster with one for every thread; nothing where none is better."""
        owner = self._board.cluster_of_core
        home = owner[app.cores[0]]
        shares = any(load[core] > 1 for core in on)
        idle = [core for core, count in enumerate(load) if count == 0]
        better = [i for i in idle if self._rank[owner[i]] > self._rank[home] or shares]
        if app.threads > 1:
            room = Counter(owner[i] for i in better if owner[i] != home)
            better = [i for i in better if room[owner[i]] >= app.threads]
        if not better:
            return ()
        best = max(better, key=lambda i: (self._rank[owner[i]], -i))
        return (best,) if app.threads == 1 else self._board.clusters[owner[best]].cores


def _ranks(board: Board) -> dict[int, int]:
    """The clusters' ranks, the weakest 0; clusters of the same cores at the same top are equal."""
    ranks: dict[int, int] = {}
    alike: dict[tuple[str, int], int] = {}
    for index in board.clusters_by_capacity:
        cluster = board.clusters[index]
        ranks[index] = alike.setdefault((cluster.core_type, cluster.freqs_hz[-1]), len(alike))
    return ranks


def make_ondemand(context: PolicyContext) -> Gts:
    """GTS with ondemand."""
    return Gts("gts-ondemand", context.board, partial(ondemand, context.board))


def make_powersave(context: PolicyContext) -> Gts:
    """GTS with powersave."""
    return Gts("gts-powersave", context.board, partial(powersave, context.board))


def make_performance(context: PolicyContext) -> Gts:
    """GTS with performance."""
    return Gts("gts-performance", context.board, partial(performance, context.board))


def make_qos(context: PolicyContext) -> Gts:
    """GTS with TOP-IL's DVFS loop: what that loop brings without a learned mapping."""
    return Gts("gts-qos", context.board, QosScaling(context.board).scale)
