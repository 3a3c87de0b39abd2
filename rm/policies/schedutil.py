"""schedutil, the cpufreq governor that follows the scheduler's utilisation.

Source: get_next_freq in kernel/sched/cpufreq_schedutil.c (Linux 4.14 to 6) and
Documentation/scheduler/schedutil.rst @4f2c0a4acffb: ``next_freq = 1.25 * max_freq * util / max``,
of the domain's busiest CPU, and the lowest operating point that reaches it. Left out: boosts after
waiting for input and output, clamps, real-time tasks (nothing of which a governor is shown), and
the rate limit, which is shorter than our rounds.
"""

from collections.abc import Sequence

from platforms.board import Board
from rm.dvfs import opp_at_least
from rm.policies.energy_model import HEADROOM, EnergyModel


def next_freq_hz(top_hz: float, util: float, capacity: float) -> float:
    """The frequency for a CPU worth `capacity` at `top_hz` that is used so much; at most `top_hz`.

    >>> next_freq_hz(2000.0, 256, 1024)
    625.0
    """
    return min(top_hz, HEADROOM * top_hz * util / capacity)


def opps_for(board: Board, model: EnergyModel, core_util: Sequence[float]) -> tuple[int, ...]:
    """The operating point of every cluster for its busiest core."""
    chosen = []
    for cluster, domain in zip(board.clusters, model.domains, strict=True):
        busiest = max([core_util[core] for core in domain.cores])
        wanted_hz = next_freq_hz(cluster.freqs_hz[-1], busiest, domain.capacity)
        chosen.append(opp_at_least(cluster.freqs_hz, wanted_hz))
    return tuple(chosen)
