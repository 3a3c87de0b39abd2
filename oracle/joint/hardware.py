"""A board under one cooling setup, as the arrays that the search works on.

Axes: x clusters, o operating points (padded to the longest table), c cores. Temperatures are degC,
heat is K/W.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oracle.whatif import WhatIf

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Hardware(NamedTuple):
    """What a decision costs, whatever the applications.

    `sizes` (x) and `points` (x): cores and operating points of a cluster; `freqs_hz` (x, o).
    `cores` (x, largest size): the cores of a cluster, the best cooled first, padded with -1.
    Powers are watts: `dynamic_w`, `leakage_w` (at the reference temperature) and `shared_w` by
    (x, o), `idle_w` of an idle core and `idle_shared_w` of a cluster without a busy core by (x).
    `heat` (c, c) is the steady rise of one core per watt in another, `heat_shared` (c) that per
    watt of the clusters' shared power, `reach` (c, x) the least rise of a core per watt anywhere in
    a cluster. `leakage` holds the four coefficients of the curve and its two clamps.
    """

    sizes: Ints
    points: Ints
    freqs_hz: Floats
    cores: Ints
    dynamic_w: Floats
    leakage_w: Floats
    shared_w: Floats
    idle_w: Floats
    idle_shared_w: Floats
    activity_floor: Floats
    heat: Floats
    heat_shared: Floats
    reach: Floats
    ambient_c: float
    leakage: Floats


def hardware(models: WhatIf) -> Hardware:
    """The arrays of one board under one cooling setup."""
    board, power = models.board, models.power
    nodes = power.core_nodes
    heat = np.ascontiguousarray(models.network.resistance[np.ix_(nodes, nodes)])
    members = [sorted(c.cores, key=lambda core: (heat[core, core], core)) for c in board.clusters]
    shape = power.shape
    curve = (shape.c0, shape.c1, shape.c2, shape.c3, shape.lowest, shape.highest)
    return Hardware(
        sizes=np.array([len(c.cores) for c in board.clusters]),
        points=np.array([len(c.opps) for c in board.clusters]),
        freqs_hz=_padded([c.freqs_hz for c in board.clusters], 1.0),
        cores=_padded(members, -1).astype(np.int64),
        dynamic_w=_by_point(models, power.core_dynamic_w),
        leakage_w=_by_point(models, power.core_leakage_w),
        shared_w=_by_point(models, power.cluster_shared_w),
        idle_w=np.array([power.idle_core_w(x) for x in range(len(board.clusters))]),
        idle_shared_w=np.array([power.idle_shared_w(x) for x in range(len(board.clusters))]),
        activity_floor=np.array([c.activity_floor for c in board.clusters]),
        heat=heat,
        heat_shared=np.ascontiguousarray(models.network.resistance[nodes, power.cluster_node]),
        reach=np.column_stack([heat[:, list(c.cores)].min(axis=1) for c in board.clusters]),
        ambient_c=float(models.network.ambient_c),
        leakage=np.array(curve),
    )


def _by_point(models: WhatIf, watts: Callable[[int, int], float]) -> Floats:
    """(x, o): what `watts` says of every operating point of every cluster."""
    rows = [[watts(x, o) for o in range(len(c.opps))] for x, c in enumerate(models.board.clusters)]
    return _padded(rows, 0.0)


def _padded(rows: Sequence[Sequence[float]], filler: float) -> Floats:
    """Rows of different lengths as one array."""
    padded = np.full((len(rows), max(map(len, rows))), filler, dtype=np.float64)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded
