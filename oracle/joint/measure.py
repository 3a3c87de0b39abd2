"""What "coolest" means: the objectives by name, and what each says a watt costs where.

Every objective is linear in the power of the nodes, except `peak`, the largest of such linear
functions. From below it is held by what a watt costs anywhere on the board at least, plus what the
hottest group of applications adds on its own core beyond that.
"""

from typing import NamedTuple

import numpy as np

from oracle.joint.hardware import Floats, Hardware
from oracle.joint.solution import OBJECTIVES
from oracle.whatif import WhatIf
from platforms.errors import InvalidInput


class Measure(NamedTuple):
    """An objective as coefficients. Axes: x clusters, c cores, r ranks within a cluster.

    `hottest`: the objective is the hottest core's temperature; else it is `offset` plus `weight`
    (c) and `weight_shared` times the power of the cores and of the clusters' shared parts. From
    below: a watt on any core of cluster x costs at least `least` (x), a shared one `least_shared`.
    `ranked` (x, r) holds the weights of a cluster's cores, lowest first, and `local` (x, r) what a
    watt adds to the temperature of its own core beyond `least`, lowest first (0 unless `hottest`).
    `warmth` (x) and `warmth_shared` are the kelvin that a watt adds to any core at least.
    `move_cost` is what a migrated application costs.
    """

    hottest: bool
    offset: float
    weight: Floats
    weight_shared: float
    least: Floats
    least_shared: float
    ranked: Floats
    local: Floats
    warmth: Floats
    warmth_shared: float
    move_cost: float


def measure(models: WhatIf, board: Hardware, objective: str, move_cost: float) -> Measure:
    """The coefficients of the objective of this name."""
    warmth = board.reach.min(axis=0)
    warmth_shared = float(board.heat_shared.min())
    if objective == "peak":
        offset, weight_shared = board.ambient_c, warmth_shared
        weight = warmth[np.array(models.board.cluster_of_core)]
        local = _sorted_by_cluster(models, np.diag(board.heat) - weight)
    else:
        offset, weight, weight_shared = _linear(models, objective)
        local = np.zeros(board.cores.shape)
    ranked = _sorted_by_cluster(models, weight)
    return Measure(
        hottest=objective == "peak",
        offset=offset,
        weight=weight,
        weight_shared=weight_shared,
        least=ranked[:, 0].copy(),
        least_shared=weight_shared,
        ranked=ranked,
        local=local,
        warmth=warmth,
        warmth_shared=warmth_shared,
        move_cost=move_cost,
    )


def free(rated: Measure) -> Measure:
    """A measure by which nothing costs anything: for the least sum of missed targets."""
    nothing = {name: np.zeros_like(getattr(rated, name)) for name in _COEFFICIENTS}
    return rated._replace(
        **nothing, hottest=False, offset=0.0, weight_shared=0.0, least_shared=0.0, move_cost=0.0
    )


_COEFFICIENTS = ("weight", "least", "ranked", "local")


def _linear(models: WhatIf, objective: str) -> tuple[float, Floats, float]:
    """The offset, and what a watt costs on every core and in the clusters' shared parts."""
    nodes = models.power.core_nodes
    if objective == "power":
        return 0.0, np.ones(len(nodes)), 1.0
    at = node_weights(models, objective)
    per_node = at @ models.network.resistance
    offset = models.network.ambient_c * float(at.sum())
    return offset, per_node[nodes], float(per_node[models.power.cluster_node])


def node_weights(models: WhatIf, objective: str) -> Floats:
    """The weight of every node's temperature in a mean temperature; they sum up to 1."""
    if objective == "mean":
        weights = np.zeros(len(models.network.names))
        weights[models.power.core_nodes] = 1.0 / len(models.power.core_nodes)
        return weights
    if objective == "sensor":
        if not models.board.sensors:
            raise InvalidInput(f"objective sensor needs a sensor (got board {models.board.name})")
        return models.sensor_weights
    raise InvalidInput(f"objective must be one of {', '.join(OBJECTIVES)} (got {objective!r})")


def _sorted_by_cluster(models: WhatIf, values: Floats) -> Floats:
    """(x, r): the values of a cluster's cores, lowest first, padded with the highest."""
    rows = [np.sort(values[list(c.cores)]) for c in models.board.clusters]
    longest = max(map(len, rows))
    return np.stack([np.pad(row, (0, longest - len(row)), mode="edge") for row in rows])
