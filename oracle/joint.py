"""All applications at once: the mapping and operating points that meet every target, coolest.

The search enumerates which application goes to which cluster, ranks all of these assignments by a
fast estimate of the peak temperature (vectorised, memory contention left out), and evaluates the
best few with the board's full model. It is not a proof: the estimate decides which few are looked
at.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from oracle.whatif import Outcome, Placement, Wanted, WhatIf
from platforms.simulated.power import busy_activity

ESTIMATE_TEMP_C = 50.0
"""Temperature at which the estimate takes leakage."""

LARGEST_ENUMERATION = 4096
"""Above this many assignments the applications with the highest targets are enumerated, and the
others stay on their present cluster."""


class JointSearch(Struct, frozen=True):
    """The search over one board's models.

    `looked_at` assignments of the best estimate are evaluated in full; a mapping that moves fewer
    applications is kept while it is at most `stay_k` warmer per application.
    """

    models: WhatIf
    looked_at: int = 6
    stay_k: float = 0.1

    def solve(self, apps: Sequence[Wanted]) -> Outcome:
        """The best decision found: least shortfall first, then least peak temperature."""
        if not apps:
            return Outcome((), self.models.board.lowest_opps, 0.0, self.models.network.ambient_c)
        tables = _Tables(self.models, apps)
        assignments = _assignments(self.models, apps)
        shortfall, peak_k = tables.estimate(assignments)
        order = np.lexsort((peak_k, shortfall.round(6)))[: self.looked_at]
        outcomes = [
            self._evaluate(apps, placement)
            for chosen in assignments[order]
            for placement in _placements(self.models, apps, chosen, tables)
        ]
        return min(outcomes, key=lambda o: self._rank(apps, o))

    def _evaluate(self, apps: Sequence[Wanted], placement: Placement) -> Outcome:
        opps = self.models.least_opps(apps, placement)
        return self.models.evaluate(apps, placement, opps)

    def _rank(self, apps: Sequence[Wanted], outcome: Outcome) -> tuple[float, float]:
        pairs = zip(apps, outcome.placement, strict=True)
        moves = sum(app.cores != cores for app, cores in pairs)
        return round(outcome.shortfall, 6), outcome.peak_c + self.stay_k * moves


def _assignments(models: WhatIf, apps: Sequence[Wanted]) -> NDArray[np.int64]:
    """(assignments, apps): the cluster of every application."""
    clusters = len(models.board.clusters)
    free = len(apps)
    while clusters**free > LARGEST_ENUMERATION:
        free -= 1
    demanding = sorted(range(len(apps)), key=lambda i: -apps[i].target_ips)[:free]
    present = [models.board.cluster_of_core[app.cores[0]] for app in apps]
    choices = [range(clusters) if i in demanding else (present[i],) for i in range(len(apps))]
    return np.array(list(itertools.product(*choices)))


class _Tables:
    """Per application, cluster and degree of sharing: the least operating point, power there."""

    def __init__(self, models: WhatIf, apps: Sequence[Wanted]) -> None:
        board = models.board
        self._models = models
        self._core_counts = np.array([len(c.cores) for c in board.clusters])
        self._threads = np.array([app.threads for app in apps])
        most = int(-(-self._threads.sum() // self._core_counts.min()))
        shape = (len(apps), len(board.clusters), most + 1)
        self.opp = np.zeros(shape, dtype=np.int64)
        self.shortfall = np.zeros(shape)
        levels = max(len(c.opps) for c in board.clusters)
        self.power_w = np.zeros((len(apps), len(board.clusters), levels))
        self._shared_w = np.zeros((len(board.clusters), levels))
        leak = float(models.power.shape.value(np.array([ESTIMATE_TEMP_C]))[0])
        for x, cluster in enumerate(board.clusters):
            freqs = np.array(cluster.freqs_hz)
            count = len(freqs)
            self._shared_w[x, :count] = [opp.cluster_busy_w for opp in cluster.opps]
            for k, app in enumerate(apps):
                phase = app.profile.cycle[app.phase]
                core = app.profile.on(cluster)
                compute_s = phase.cpi_scale * core.cpi / freqs
                per_instruction_s = compute_s + phase.stall_scale * core.stall_s
                for share in range(1, most + 1):
                    met = app.threads / share / per_instruction_s / app.target_ips
                    good = met >= 1.0
                    self.opp[k, x, share] = int(good.argmax()) if good.any() else count - 1
                    self.shortfall[k, x, share] = max(0.0, 1.0 - met[-1])
                for opp in range(count):
                    busy_share = float(compute_s[opp] / per_instruction_s[opp])
                    active = busy_activity(cluster, app.profile.activity, busy_share)
                    self.power_w[k, x, opp] = active * models.power.core_dynamic_w(x, opp)
                    self.power_w[k, x, opp] += leak * models.power.core_leakage_w(x, opp)
        resistance = models.network.resistance[
            np.ix_(models.power.core_nodes, models.power.core_nodes)
        ]
        self.self_k_per_w = np.diag(resistance)
        off = resistance[~np.eye(len(resistance), dtype=bool)]
        self._common_k_per_w = float(off.mean()) if off.size else 0.0
        self._local_k_per_w = float(self.self_k_per_w.mean()) - self._common_k_per_w

    def opps_of(
        self, assignments: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(assignments, clusters): operating point, and threads per core (0: cluster empty)."""
        clusters = self.opp.shape[1]
        on = assignments[:, :, None] == np.arange(clusters)
        threads = (on * self._threads[:, None]).sum(axis=1)
        sharing = -(-threads // self._core_counts)
        apps = np.arange(assignments.shape[1])
        need = self.opp[apps, assignments, np.take_along_axis(sharing, assignments, axis=1)]
        opps = np.where(on, need[:, :, None], 0).max(axis=1)
        return opps, sharing

    def estimate(
        self, assignments: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Per assignment the summed shortfall, and the estimated peak rise over ambient in K."""
        opps, sharing = self.opps_of(assignments)
        apps = np.arange(assignments.shape[1])
        share = np.take_along_axis(sharing, assignments, axis=1)
        shortfall = self.shortfall[apps, assignments, share].sum(axis=1)
        app_opp = np.take_along_axis(opps, assignments, axis=1)
        core_w = self.power_w[apps, assignments, app_opp]
        busy_cores_w = core_w * np.minimum(self._threads, self._core_counts[assignments]) / share
        shared_w = np.where(sharing > 0, self._shared_w[np.arange(opps.shape[1]), opps], 0.0)
        total_w = busy_cores_w.sum(axis=1) + shared_w.sum(axis=1)
        peak_k = self._common_k_per_w * total_w + self._local_k_per_w * core_w.max(axis=1)
        return shortfall, peak_k


def _placements(
    models: WhatIf, apps: Sequence[Wanted], assigned: NDArray[np.int64], tables: _Tables
) -> list[Placement]:
    """Two ways to fill the clusters: keep who is there, or put the hottest on the coolest core."""
    opps, _ = tables.opps_of(assigned[None, :])
    heat_w = [float(tables.power_w[k, x, opps[0, x]]) for k, x in enumerate(assigned)]
    stay = _fill(models, apps, assigned, tables, heat_w, keep=True)
    fresh = _fill(models, apps, assigned, tables, heat_w, keep=False)
    return [stay] if stay == fresh else [stay, fresh]


def _fill(
    models: WhatIf,
    apps: Sequence[Wanted],
    assigned: NDArray[np.int64],
    tables: _Tables,
    heat_w: Sequence[float],
    *,
    keep: bool,
) -> Placement:
    board = models.board
    load = [0] * board.core_count
    cores: dict[int, tuple[int, ...]] = {}
    hottest_first = sorted(range(len(apps)), key=lambda k: -heat_w[k])
    single = [k for k in hottest_first if apps[k].threads == 1]
    for k in hottest_first:
        if apps[k].threads > 1:
            cores[k] = board.clusters[assigned[k]].cores
            for core in cores[k]:
                load[core] += 1
    for k in single if keep else ():
        core = apps[k].cores[0]
        if board.cluster_of_core[core] == assigned[k] and load[core] == 0:
            cores[k] = (core,)
            load[core] += 1
    for k in single:
        if k not in cores:
            allowed = board.clusters[assigned[k]].cores
            core = min(allowed, key=lambda c: (load[c], tables.self_k_per_w[c], c))
            cores[k] = (core,)
            load[core] += 1
    return tuple(cores[k] for k in range(len(apps)))
