"""A mapping as the network sees it: what runs on the clusters once DVFS has settled.

The features are sums over cores, so that any number of applications and cores gives a row of one
width: cores and applications share the network's weights.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npu_runtime.policy_file import Feature
from platforms.board import Board
from rm.mapping.demand import Demand
from rm.mapping.packing import Mappings

OUTPUTS = ("heat_k",)
"""The network's one output: how hot the mapping settles, in kelvin above an unknown level."""


def table(board: Board) -> tuple[Feature, ...]:
    """Index, name, unit and range of every feature for a board."""
    rows: list[tuple[str, str, float]] = []
    for cluster in board.clusters:
        cores = float(len(cluster.cores))
        points = [f"{cluster.name}_at_{freq_hz // 1_000_000}_mhz" for freq_hz in cluster.freqs_hz]
        rows += [(f"cores_of_{point}", "cores", cores) for point in points]
        rows += [(f"computing_on_{point}", "cores", cores) for point in points]
        rows += [(f"l2d_per_s_of_{cluster.name}", "accesses/s", cores * cluster.freqs_hz[-1])]
    return tuple(Feature(i, name, unit, 0.0, high) for i, (name, unit, high) in enumerate(rows))


@dataclass(frozen=True)
class Described:
    """R mappings at the lowest operating points that meet all targets that they can meet.

    `features` (R, F) is the network's input, `opp_index` (R, clusters), `shortfall` (R,) the sum of
    the shares by which targets are missed.
    """

    features: NDArray[np.float32]
    opp_index: NDArray[np.int64]
    shortfall: NDArray[np.float64]


def describe(board: Board, demand: Demand, mappings: Mappings) -> Described:
    """What R mappings lead to, as far as the demand tells."""
    sharers = _sharers(mappings)
    columns: list[NDArray[np.float64]] = []
    opps = []
    shortfall = np.zeros(len(mappings))
    apps = np.arange(demand.count)
    for x, cluster in enumerate(board.clusters):
        member = mappings.cluster == x
        count = len(cluster.freqs_hz)
        needs = np.where(member, demand.least_opp[x][apps, sharers], 0)
        opp = np.minimum(needs.max(axis=1, initial=0), count - 1)
        missing = np.maximum(0.0, 1.0 - demand.served[x][:, -1] / sharers)
        shortfall += np.where(needs == count, missing, 0.0).sum(axis=1)
        share = member / sharers
        at = np.arange(count) == opp[:, None]
        columns.append(at * share.sum(axis=1)[:, None])
        columns.append(at * (share * demand.busy[x][apps, opp[:, None]]).sum(axis=1)[:, None])
        l2d_per_s = share * demand.l2d_per_s[x][apps, opp[:, None]]
        columns.append(l2d_per_s.sum(axis=1)[:, None])
        opps.append(opp)
    features = np.concatenate(columns, axis=1).astype(np.float32)
    return Described(features, np.stack(opps, axis=1), shortfall)


def _sharers(mappings: Mappings) -> NDArray[np.int64]:
    """(R, K): how many applications are on the core of each, itself included."""
    key = mappings.cluster * (1 + mappings.group.max(initial=0)) + mappings.group
    sharers: NDArray[np.int64] = (key[:, :, None] == key[:, None, :]).sum(axis=2)
    return sharers
