"""Plain enumeration, which the exact joint search is compared with, and the scenarios of both."""

import itertools
import time
from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from oracle.scenarios import as_evaluated
from oracle.whatif import Wanted, WhatIf
from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.simulated.power import busy_activity
from rm.evaluation.workload import WorkloadParameters
from traces.workers import run_jobs


class Draw(Struct, frozen=True):
    """Which scenario: `count` applications with targets up to the share `highest`, by its seed."""

    seed: int
    count: int
    highest: float


class _Job(Struct, frozen=True):
    board: Board
    cooling: str
    profiles: tuple[ApplicationProfile, ...]
    draw: Draw


def drawn(board: Board, profiles: Sequence[ApplicationProfile], draw: Draw) -> tuple[Wanted, ...]:
    """Applications as an evaluation draws them, in any phase."""
    workload = WorkloadParameters(arrivals=draw.count, highest_target=draw.highest)
    return as_evaluated(board, profiles, workload, np.random.default_rng(draw.seed))


def enumerated(models: WhatIf, apps: Sequence[Wanted]) -> float:
    """The coolest peak over all mappings with one application a core, all operating points."""
    board, power = models.board, models.power
    owner = np.array(board.cluster_of_core)
    cores = models.network.resistance[np.ix_(power.core_nodes, power.core_nodes)]
    order = np.array(list(itertools.permutations(range(board.core_count))))
    best = np.inf
    for opps in itertools.product(*(range(len(c.opps)) for c in board.clusters)):
        watts = np.empty((len(apps), len(board.clusters)))
        met = np.empty_like(watts, dtype=bool)
        for x, (cluster, opp) in enumerate(zip(board.clusters, opps, strict=True)):
            for k, app in enumerate(apps):
                phase, core = app.profile.cycle[app.phase], app.profile.on(cluster)
                compute_s = phase.cpi_scale * core.cpi / cluster.freqs_hz[opp]
                whole_s = compute_s + phase.stall_scale * core.stall_s
                met[k, x] = 1.0 / whole_s >= app.target_ips
                active = busy_activity(cluster, app.profile.activity, compute_s / whole_s)
                watts[k, x] = active * power.core_dynamic_w(x, opp) + power.core_leakage_w(x, opp)
        per_core = np.where(met, watts, np.inf)[order, owner]
        best = min(best, float((per_core @ cores).max(axis=1).min()))
    return best


def enumeration_ms(
    board: Board, cooling: str, profiles: tuple[ApplicationProfile, ...], draws: Sequence[Draw]
) -> float:
    """The median of the processor times that the enumerations of some scenarios take.

    In processes whose numerical libraries use one thread: a second one, which waits for the first
    most of the time, would be counted as if it worked.
    """
    jobs = [_Job(board, cooling, profiles, draw) for draw in draws]
    return float(np.median(run_jobs(_timed, jobs, workers=2)))


def _timed(job: _Job) -> float:
    models = WhatIf(job.board, job.board.cooling_named(job.cooling))
    apps = drawn(job.board, job.profiles, job.draw)
    begun_s = time.process_time()
    enumerated(models, apps)
    return 1e3 * (time.process_time() - begun_s)
