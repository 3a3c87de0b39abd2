"""What comes of many decisions at once, exactly but for the seats within clusters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oracle.training.facts import Facts
from platforms.simulated.performance import HIGHEST_LOAD

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

SAME = 1e-6
"""A target that is missed by so small a part is met."""


@dataclass(frozen=True)
class Candidates:
    """N decisions: `cluster` and `group` (N, k) of the applications, `opps` (N, x).

    Training is on `cores` (N,) cores of the cluster `unit` (N,), or with 0 cores on an accelerator
    (`unit` counts on from the clusters) at `point` (N,), in `setting` (N,); -1 for both: it pauses.
    """

    cluster: Ints
    group: Ints
    opps: Ints
    unit: Ints
    cores: Ints
    point: Ints
    setting: Ints

    def __len__(self) -> int:
        """Number of decisions."""
        return len(self.unit)

    def some(self, rows: Ints | Flags) -> "Candidates":
        """Some of them."""
        return Candidates(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Outcomes:
    """What comes of N decisions.

    `met` and `progress` (N,). By slot (N, x, g) of a cluster's cores what it takes without leakage,
    and its leakage at the reference. `shared_w` (N,) of all clusters; what accelerators take is
    (N, a). Training takes `extra_w` (N,) more at its peak.
    """

    met: Flags
    progress: Floats
    fixed_w: Floats
    leakage_w: Floats
    shared_w: Floats
    accelerator_w: Floats
    extra_w: Floats


def outcomes(facts: Facts, of: Candidates) -> Outcomes:
    """The models' answer, memory contention solved as `platforms.simulated.performance` does."""
    rows = np.arange(len(of))[:, None]
    apps, clusters = np.arange(facts.count), len(facts.clusters)
    opp = of.opps[rows, of.cluster]
    compute_s = facts.compute_s[apps, of.cluster, opp]
    stall_s = facts.stall_s[apps, of.cluster]
    slot = of.cluster * 1000 + of.group
    together = slot[:, :, None] == slot[:, None, :]
    share = 1.0 / together.sum(axis=2)
    pull_s = share * facts.pull_s
    own = (together * (pull_s / (compute_s + stall_s))[:, None, :]).sum(axis=2)
    trains = (of.setting >= 0) & (of.unit < clusters)
    setting, unit = np.maximum(of.setting, 0), np.where(trains, of.unit, 0)
    threads = np.where(trains, of.cores, 0)
    train_pull_s = facts.train_pull_s[setting]
    train_opp = of.opps[rows[:, 0], unit]
    train_s = np.where(trains, facts.train_s[setting, unit, threads, train_opp], 1.0)
    train_own = np.where(trains, train_pull_s / (train_s + train_pull_s), 0.0)
    left, train_left = (1.0 - np.minimum(load, HIGHEST_LOAD) for load in (own, train_own))
    queue = _queue(
        np.column_stack([pull_s, threads * train_pull_s]),
        np.column_stack([compute_s, train_s]),
        np.column_stack([stall_s * left, train_pull_s * train_left]),
        heaviest=np.maximum(own.max(axis=1, initial=0.0), train_own),
        total=(pull_s / (compute_s + stall_s)).sum(axis=1) + threads * train_own,
    )
    slower = np.maximum(1.0, left * queue[:, None])
    whole_s = compute_s + stall_s * slower
    met = (share / whole_s >= facts.target_ips * (1.0 - SAME)).all(axis=1)
    train_whole_s = train_s + train_pull_s * np.maximum(1.0, train_left * queue)
    worth = np.array([*facts.asked.worth])[setting]
    progress = np.where(trains, threads / train_whole_s * worth, 0.0)
    floor = facts.board.activity_floor
    active = floor[of.cluster] + (1.0 - floor[of.cluster]) * compute_s / whole_s
    train_active = floor[unit] + (1.0 - floor[unit]) * train_s / train_whole_s
    switched_w = share * facts.activity * active * facts.board.dynamic_w[of.cluster, opp]
    thread_w = train_active * facts.board.dynamic_w[unit, train_opp]
    fixed_w, leakage_w, shared_w = _powers(facts, of, switched_w, threads, thread_w)
    extra_w = threads * (facts.board.dynamic_w[unit, train_opp] - thread_w)
    accelerator_w = np.zeros((len(of), len(facts.models.board.compute_accelerators)))
    for row in np.flatnonzero((of.setting >= 0) & ~trains):
        at = int(of.unit[row]) - clusters
        point = facts.point(at, int(of.point[row]), int(of.setting[row]))
        accelerator_w[row, at] = point.mean_w
        extra_w[row] = point.peak_w - point.mean_w
        progress[row] = worth[row] / point.sample_s
    return Outcomes(met, progress, fixed_w, leakage_w, shared_w, accelerator_w, extra_w)


def _queue(
    pull_s: Floats, compute_s: Floats, stall_s: Floats, *, heaviest: Floats, total: Floats
) -> Floats:
    """How many times as long as on an idle memory an access takes, (N,)."""
    low = 1.0 / (1.0 - np.minimum(heaviest, HIGHEST_LOAD))
    queue, longest = low.copy(), 1.0 / (1.0 - HIGHEST_LOAD)
    for _ in range(60):
        whole_s = compute_s + stall_s * queue[:, None]
        asked = pull_s / whole_s
        load = asked.sum(axis=1)
        relief = (asked * stall_s / whole_s).sum(axis=1)
        missing = 1.0 - queue * (1.0 - load)
        slope = np.where(load < 1.0, 1.0 - load + queue * relief, 1e-300)
        step = np.minimum(queue + missing / slope, longest) - queue
        queue = queue + step
        if (np.abs(step) <= 1e-9 * queue).all():
            break
    found: Floats = np.where(heaviest < total * (1.0 - 1e-12), queue, low)
    return found


def _powers(
    facts: Facts, of: Candidates, switched_w: Floats, threads: Ints, thread_w: Floats
) -> tuple[Floats, Floats, Floats]:
    """By slot what cores take and leak, and the clusters' shared parts."""
    board, sizes = facts.board, facts.board.sizes
    shape = (len(of), len(sizes), int(sizes.max()))
    fixed_w, leakage_w, shared_w = np.zeros(shape), np.zeros(shape), np.zeros(len(of))
    for x, size in enumerate(sizes):
        used = np.zeros(len(of), dtype=np.int64)
        point = of.opps[:, x]
        for g in range(size):
            inside = (of.cluster == x) & (of.group == g)
            busy = inside.any(axis=1)
            fixed_w[:, x, g] = (inside * switched_w).sum(axis=1)
            used += busy
        slots, training = np.arange(size), np.where(of.unit == x, threads, 0)
        trains = (slots >= used[:, None]) & (slots < (used + training)[:, None])
        awake = slots < (used + training)[:, None]
        fixed_w[:, x, :size] += trains * thread_w[:, None] + ~awake * board.idle_w[x]
        leakage_w[:, x, :size] = awake * board.leakage_w[x, point][:, None]
        shared_w += np.where(awake.any(axis=1), board.shared_w[x, point], board.idle_shared_w[x])
    return fixed_w, leakage_w, shared_w
