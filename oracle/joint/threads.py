"""Decisions where applications may have several threads: which thread runs where.

A single thread is put onto a core, several are put onto a cluster and spread over its cores as
`platforms.simulated.scheduler` does. So a decision is one number per application, a core's or a
cluster's, and the clusters' operating points.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oracle.joint.compiled import compiled
from oracle.joint.hardware import Flags, Hardware, Ints
from oracle.whatif import Wanted, WhatIf


class Crowd(NamedTuple):
    """Applications with any number of threads. Axes: k applications, t threads, i choices.

    `threads` (k) counts the threads; `choices` (k, i) are the cores, or clusters for several
    threads, that an application may be put onto, padded with -1; `home` (k) is where it is now, or
    -1. `owner` (c) is the cluster of every core. `core` (t) and `app` (t) say which thread of which
    application runs where, `load` (c) how many threads a core has; they are filled by `spread`.
    `exclusive`: no two applications may share a core.
    """

    threads: Ints
    choices: Ints
    home: Ints
    owner: Ints
    core: Ints
    app: Ints
    load: Ints
    exclusive: bool


def crowd(models: WhatIf, apps: Sequence[Wanted], allowed: Flags, *, sharing: bool) -> Crowd:
    """The choices that these applications have; `allowed` (k, x) by cluster."""
    clusters = models.board.clusters
    roomy = any(len(cluster.cores) > 1 for cluster in clusters)
    rows, homes = [], []
    for app, row in zip(apps, allowed, strict=True):
        own = [x for x in range(len(clusters)) if row[x]]
        if app.threads == 1:
            rows.append([core for x in own for core in clusters[x].cores])
            homes.append(app.cores[0] if app.cores else -1)
        else:
            rows.append([x for x in own if len(clusters[x].cores) > 1 or not roomy])
            whole = [x for x in range(len(clusters)) if clusters[x].cores == app.cores]
            homes.append(whole[0] if whole else -1)
    choices = np.full((len(rows), max(1, *map(len, rows))), -1)
    for into, values in zip(choices, rows, strict=True):
        into[: len(values)] = values
    total = sum(app.threads for app in apps)
    return Crowd(
        threads=np.array([app.threads for app in apps]),
        choices=choices,
        home=np.array(homes),
        owner=np.array(models.board.cluster_of_core),
        core=np.zeros(total, dtype=np.int64),
        app=np.zeros(total, dtype=np.int64),
        load=np.zeros(models.board.core_count, dtype=np.int64),
        exclusive=not sharing,
    )


@compiled
def spread(board: Hardware, who: Crowd, decided: Ints) -> bool:
    """Fill `core`, `app` and `load`; False: cores would be shared that may not be.

    Who has fewest cores to choose from comes first, every thread goes to the least loaded.
    """
    for c in range(len(who.load)):
        who.load[c] = 0
    t = 0
    for width in range(1, board.cores.shape[1] + 1):
        for k in range(len(decided)):
            if _width(board, who, decided, k) == width:
                for _ in range(who.threads[k]):
                    who.core[t], who.app[t] = _least_loaded(board, who, decided, k), k
                    who.load[who.core[t]] += 1
                    t += 1
    return not who.exclusive or _apart(board, who, decided)


@compiled
def _apart(board: Hardware, who: Crowd, decided: Ints) -> bool:
    """Whether no two applications may run on the same core."""
    taken = np.zeros(len(board.heat), dtype=np.bool_)
    for k in range(len(decided)):
        x = who.owner[decided[k]] if who.threads[k] == 1 else decided[k]
        for i in range(board.sizes[x]):
            core = board.cores[x, i]
            if who.threads[k] > 1 or core == decided[k]:
                if taken[core]:
                    return False
                taken[core] = True
    return True


@compiled
def _width(board: Hardware, who: Crowd, decided: Ints, k: int) -> int:
    """How many cores an application may run on."""
    return 1 if who.threads[k] == 1 else int(board.sizes[decided[k]])


@compiled
def _least_loaded(board: Hardware, who: Crowd, decided: Ints, k: int) -> int:
    """The core for the next thread of an application."""
    if who.threads[k] == 1:
        return int(decided[k])
    x = decided[k]
    best = -1
    for i in range(board.sizes[x]):
        core = board.cores[x, i]
        lower = best < 0 or who.load[core] < who.load[best]
        if lower or (who.load[core] == who.load[best] and core < best):
            best = core
    return best


def decisions(board: Hardware, who: Crowd) -> float:
    """How many decisions there are."""
    mappings = math.prod(float((row >= 0).sum()) for row in who.choices)
    return mappings * math.prod(float(count) for count in board.points)
