"""The oracle for one application of interest, from traces, the others fixed (TOP-IL's labels).

For a QoS target and the frequencies that the background demands, every free core has one best
choice: the lowest operating point of its cluster that reaches the target, the other clusters at
what the background demands. The temperature measured there is the core's figure; the soft label
falls exponentially with the distance to the coolest core.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEASIBLE, UNREACHABLE, OCCUPIED = 0, 1, 2
"""Status of a core for the application of interest."""


@dataclass(frozen=True)
class Sweep:
    """One scenario's measurements, over core (first axis) and operating point per cluster.

    `rate_ips` and `temp_c` have shape ``(cores, opps of cluster 0, opps of cluster 1, ...)`` and
    are NaN where nothing was measured (an occupied core, a throttled run, a point outside the
    grid).
    """

    rate_ips: NDArray[np.float64]
    temp_c: NDArray[np.float64]
    occupied: NDArray[np.bool_]


@dataclass(frozen=True)
class Choices:
    """The best choice per demand (first axis) and core.

    `opp_index` has shape (demands, cores, clusters); where the target is out of reach it holds what
    the DVFS loop would end at: the cluster's highest measured point, or what the background demands
    if nothing was measured there or above.
    """

    opp_index: NDArray[np.int64]
    temp_c: NDArray[np.float64]
    status: NDArray[np.int8]


def choose(
    sweep: Sweep,
    cluster_of_core: tuple[int, ...],
    *,
    target_ips: NDArray[np.float64],
    background_opp: NDArray[np.int64],
) -> Choices:
    """The least operating points per demand and core that meet the target.

    `target_ips` has shape (demands,), `background_opp` (demands, clusters): the lowest points that
    the background can live with.
    """
    demands, cores = len(target_ips), len(cluster_of_core)
    opp_index = np.repeat(background_opp[:, None, :], cores, axis=1)
    temp_c = np.full((demands, cores), np.nan)
    status = np.full((demands, cores), OCCUPIED, dtype=np.int8)
    for core in np.flatnonzero(~sweep.occupied):
        own = cluster_of_core[core]
        rates = _along_own_cluster(sweep.rate_ips[core], own, background_opp)
        temps = _along_own_cluster(sweep.temp_c[core], own, background_opp)
        points, floor = np.arange(rates.shape[1]), background_opp[:, own, None]
        allowed = (points >= floor) & np.isfinite(temps)
        good = allowed & (rates >= target_ips[:, None])
        reachable = good.any(axis=1)
        highest = np.where(allowed, points, floor).max(axis=1)
        best = np.where(reachable, good.argmax(axis=1), highest)
        opp_index[:, core, own] = best
        temp_c[:, core] = np.where(reachable, temps[np.arange(demands), best], np.nan)
        status[:, core] = np.where(reachable, FEASIBLE, UNREACHABLE)
    return Choices(opp_index, temp_c, status)


def _along_own_cluster(
    grid: NDArray[np.float64], own: int, background_opp: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(demands, points of the own cluster): the other clusters stand at the background's demand."""
    first = np.moveaxis(grid, own, 0)
    others = tuple(np.delete(background_opp, own, axis=1).T)
    return first[(slice(None), *others)].T if others else np.tile(first, (len(background_opp), 1))


def soft_labels(
    temp_c: NDArray[np.float64],
    status: NDArray[np.int8],
    *,
    alpha_per_k: float,
    unreachable: float,
    occupied: float,
) -> NDArray[np.float64]:
    """``exp(-alpha (T - min T))`` on feasible cores, the given constants elsewhere.

    >>> soft_labels(np.array([[40.0, 41.0, np.nan]]), np.array([[0, 0, 1]], dtype=np.int8),
    ...             alpha_per_k=1.0, unreachable=-1.0, occupied=0.0).round(2).tolist()
    [[1.0, 0.37, -1.0]]
    """
    feasible = status == FEASIBLE
    lowest = np.min(np.where(feasible, temp_c, np.inf), axis=1, keepdims=True)
    excess_k = np.where(feasible, temp_c - lowest, 0.0)
    constants = np.where(status == UNREACHABLE, unreachable, occupied)
    labels: NDArray[np.float64] = np.where(feasible, np.exp(-alpha_per_k * excess_k), constants)
    return labels
