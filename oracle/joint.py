"""All applications at once: the mapping and operating points that meet every target, coolest.

The search enumerates which application goes to which cluster, ranks all of these assignments by a
fast estimate of the peak temperature (vectorised, memory contention left out), and evaluates the
best few with the board's full model. It is not a proof: the estimate decides which few are looked
at, and of the ways to share a cluster's cores only three are tried.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from oracle.whatif import Outcome, Placement, Wanted, WhatIf
from platforms.board import Board
from platforms.simulated.power import busy_activity

ESTIMATE_TEMP_C = 50.0
"""Temperature at which the estimate takes leakage."""

LARGEST_ENUMERATION = 4096
"""Above this many assignments the applications with the highest targets are enumerated, and the
others stay on their present cluster."""

LOOKED_AT_IF_SHORT = 32
"""So many assignments are evaluated in full as long as none was found that meets all targets."""


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
        sharing = tables.sharing(assignments)
        opps = tables.opps_of(assignments, sharing)
        shortfall, peak_k = tables.estimate(assignments, sharing, opps)
        order = np.lexsort((peak_k, shortfall.round(6)))[:LOOKED_AT_IF_SHORT]
        outcomes: list[Outcome] = []
        for number, at in enumerate(order):
            if number >= self.looked_at and any(_is_met(outcome) for outcome in outcomes):
                break
            seats = _Seats(self.models.board, apps, assignments[at].tolist(), tables)
            for placement in seats.placements(opps[at].tolist(), crowd=int(sharing[at].max())):
                outcomes.append(self._evaluate(apps, placement))
        return min(outcomes, key=lambda o: self._rank(apps, o))

    def _evaluate(self, apps: Sequence[Wanted], placement: Placement) -> Outcome:
        opps = self.models.least_opps(apps, placement)
        return self.models.evaluate(apps, placement, opps)

    def _rank(self, apps: Sequence[Wanted], outcome: Outcome) -> tuple[float, float]:
        pairs = zip(apps, outcome.placement, strict=True)
        moves = sum(app.cores != cores for app, cores in pairs)
        return round(outcome.shortfall, 6), outcome.peak_c + self.stay_k * moves


def _is_met(outcome: Outcome) -> bool:
    return round(outcome.shortfall, 6) == 0.0


def _assignments(models: WhatIf, apps: Sequence[Wanted]) -> NDArray[np.int64]:
    """(assignments, apps): the cluster of every application."""
    clusters = range(len(models.board.clusters))
    of_several = tuple(i for i in clusters if len(models.board.clusters[i].cores) > 1)
    free = len(apps)
    while len(clusters) ** free > LARGEST_ENUMERATION:
        free -= 1
    demanding = sorted(range(len(apps)), key=lambda i: -apps[i].target_ips)[:free]
    choices: list[Sequence[int]] = []
    for number, app in enumerate(apps):
        if number not in demanding:
            choices.append((models.board.cluster_of_core[app.cores[0]],))
        else:
            choices.append(of_several if app.threads > 1 and of_several else clusters)
    return np.array(list(itertools.product(*choices)))


class _Tables:
    """Per application, cluster and number of threads on a core: least operating point, power."""

    def __init__(self, models: WhatIf, apps: Sequence[Wanted]) -> None:
        board = models.board
        self._core_counts = np.array([len(c.cores) for c in board.clusters])
        self._threads = np.array([app.threads for app in apps])
        most = int(self._threads.sum() // self._core_counts.min()) + 1
        shape = (len(apps), len(board.clusters), most + 1)
        self._opp = np.zeros(shape, dtype=np.int64)
        self._shortfall = np.zeros(shape)
        self.need = np.zeros(shape[:2])
        levels = max(len(c.opps) for c in board.clusters)
        self.power_w = np.zeros((len(apps), len(board.clusters), levels))
        self._shared_w = np.zeros((len(board.clusters), levels))
        leak = float(models.power.shape.value(np.array([ESTIMATE_TEMP_C]))[0])
        for x, cluster in enumerate(board.clusters):
            freqs = np.array(cluster.freqs_hz)
            count = len(freqs)
            self._shared_w[x, :count] = [models.power.cluster_shared_w(x, i) for i in range(count)]
            for k, app in enumerate(apps):
                phase = app.profile.cycle[app.phase]
                core = app.profile.on(cluster)
                activity = app.profile.activity * phase.activity_scale
                compute_s = phase.cpi_scale * core.cpi / freqs
                per_instruction_s = compute_s + phase.stall_scale * core.stall_s
                # the share of a core that each thread needs at the highest operating point
                self.need[k, x] = app.target_ips / app.threads * per_instruction_s[-1]
                for sharing in range(1, most + 1):
                    met = app.threads / sharing / per_instruction_s / app.target_ips
                    good = met >= 1.0
                    self._opp[k, x, sharing] = int(good.argmax()) if good.any() else count - 1
                    self._shortfall[k, x, sharing] = max(0.0, 1.0 - met[-1])
                for opp in range(count):
                    busy_share = float(compute_s[opp] / per_instruction_s[opp])
                    active = busy_activity(cluster, activity, busy_share)
                    self.power_w[k, x, opp] = active * models.power.core_dynamic_w(x, opp)
                    self.power_w[k, x, opp] += leak * models.power.core_leakage_w(x, opp)
        resistance = models.network.resistance[
            np.ix_(models.power.core_nodes, models.power.core_nodes)
        ]
        self.self_k_per_w = np.diag(resistance)
        off = resistance[~np.eye(len(resistance), dtype=bool)]
        self._common_k_per_w = float(off.mean()) if off.size else 0.0
        self._local_k_per_w = float(self.self_k_per_w.mean()) - self._common_k_per_w

    def sharing(self, assignments: NDArray[np.int64]) -> NDArray[np.int64]:
        """(assignments, apps): threads on the cores of an application, its own included.

        A cluster's threads are spread evenly; where that leaves some cores with one thread less,
        they go to those that need most.
        """
        on = assignments[:, :, None] == np.arange(len(self._core_counts))
        threads = (on * self._threads[:, None]).sum(axis=1)
        fewest, over = np.divmod(threads, self._core_counts)
        quiet_seats = (self._core_counts - over) * fewest
        need = self.need[np.arange(assignments.shape[1]), assignments]
        together = assignments[:, :, None] == assignments[:, None, :]
        needier = need[:, :, None] <= need[:, None, :]
        seats = (together & needier) @ self._threads
        quiet = seats <= np.take_along_axis(quiet_seats, assignments, axis=1)
        least: NDArray[np.int64] = np.take_along_axis(fewest, assignments, axis=1)
        return np.where(quiet, least, least + 1)

    def opps_of(
        self, assignments: NDArray[np.int64], sharing: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """(assignments, clusters): the operating point that the most demanding one needs."""
        on = assignments[:, :, None] == np.arange(len(self._core_counts))
        need = self._opp[np.arange(assignments.shape[1]), assignments, sharing]
        opps: NDArray[np.int64] = np.where(on, need[:, :, None], 0).max(axis=1)
        return opps

    def estimate(
        self, assignments: NDArray[np.int64], sharing: NDArray[np.int64], opps: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Per assignment the summed shortfall, and the estimated peak rise over ambient in K."""
        apps, clusters = np.arange(assignments.shape[1]), np.arange(len(self._core_counts))
        shortfall = self._shortfall[apps, assignments, sharing].sum(axis=1)
        app_opp = np.take_along_axis(opps, assignments, axis=1)
        core_w = self.power_w[apps, assignments, app_opp]
        busy_cores_w = core_w * np.minimum(self._threads / sharing, self._core_counts[assignments])
        awake = (assignments[:, :, None] == clusters).any(axis=1)
        shared_w = np.where(awake, self._shared_w[clusters, opps], 0.0)
        total_w = busy_cores_w.sum(axis=1) + shared_w.sum(axis=1)
        peak_k = self._common_k_per_w * total_w + self._local_k_per_w * core_w.max(axis=1)
        return shortfall, peak_k


class _Seats:
    """Ways to give the applications cores of the clusters that they are assigned to."""

    def __init__(
        self, board: Board, apps: Sequence[Wanted], assigned: Sequence[int], tables: _Tables
    ) -> None:
        self._board, self._apps, self._assigned = board, apps, assigned
        self._power_w, self._self_k_per_w = tables.power_w, tables.self_k_per_w.tolist()
        self._need = [float(tables.need[k, x]) for k, x in enumerate(assigned)]

    def placements(self, opps: Sequence[int], *, crowd: int) -> list[Placement]:
        """Keep who is there; the hottest on the coolest cores.

        And, where there is a `crowd` of several threads on a core, those together that need least.
        """
        heat_w = [float(self._power_w[k, x, opps[x]]) for k, x in enumerate(self._assigned)]
        hottest_first = sorted(range(len(heat_w)), key=lambda k: -heat_w[k])
        found = [self._fill(hottest_first, keep=True), self._fill(hottest_first, keep=False)]
        if crowd > 1:
            neediest_first = sorted(range(len(heat_w)), key=lambda k: -self._need[k])
            found.append(self._fill(neediest_first, keep=False))
        return list(dict.fromkeys(found))

    def _fill(self, order: Sequence[int], *, keep: bool) -> Placement:
        """Seat the applications one by one on the emptiest core of their cluster.

        Where none is empty, next to the least needy. The threads of applications with several keep
        out of the others' way by themselves.
        """
        board, apps, hot = self._board, self._apps, self._self_k_per_w
        load = [0] * board.core_count
        crowding = [0.0] * board.core_count
        cores: dict[int, tuple[int, ...]] = {}

        def seat(k: int, core: int) -> None:
            cores[k] = (core,)
            load[core] += 1
            crowding[core] += self._need[k]

        for k in order if keep else ():
            core = apps[k].cores[0]
            is_home = board.cluster_of_core[core] == self._assigned[k]
            if apps[k].threads == 1 and is_home and not load[core]:
                seat(k, core)
        for k in order:
            allowed = board.clusters[self._assigned[k]].cores
            if apps[k].threads > 1:
                cores[k] = allowed
            elif k not in cores:
                seat(k, min(allowed, key=lambda c: (load[c], crowding[c], hot[c], c)))
        return tuple(cores[k] for k in range(len(apps)))
