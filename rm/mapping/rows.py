"""A mapping as the network sees it: what runs on the clusters once DVFS has settled.

The features are sums over cores, so that any number of applications and cores gives a row of one
width: cores and applications share the network's weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from npu_runtime.policy_file import Feature
from platforms.board import Board
from rm.mapping.demand import MARGIN, Demand
from rm.mapping.memory import slowdowns
from rm.mapping.packing import Mappings

OUTPUTS = ("heat_k",)
"""The network's one output: how hot the mapping settles, in kelvin above an unknown level."""

CLIMBS = 3
"""Times that operating points and stalls are worked out in turn; a point more lengthens others'
stalls by a few hundredths, so that a second one seldom follows (chosen)."""

NEVER = 1e-9
"""Whom a core serves less than this of its target counts as never served."""


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
    the shares by which targets are missed. `share` (R, K) is of a core's time, `computing` (R, K)
    the part of it in which an application does not stall.

    Threads of one application make up for each other: of its target each meets what the mean of
    their shares gives.
    """

    features: NDArray[np.float32]
    opp_index: NDArray[np.int64]
    shortfall: NDArray[np.float64]
    share: NDArray[np.float64]
    computing: NDArray[np.float64]


def describe(board: Board, demand: Demand, mappings: Mappings) -> Described:
    """What R mappings lead to, as far as the demand tells.

    Clusters are as fast as an idle memory asks for, then climb with what they make of it.
    """
    share = 1.0 / _sharers(mappings)
    members = [mappings.cluster == x for x in range(len(board.clusters))]
    granted = _granted(share, mappings.teams)
    needs, slower = _settled(board, demand, mappings, members, share, granted)
    apps = np.arange(demand.count)
    columns: list[NDArray[np.float64]] = []
    opps, computing, shortfall = [], np.zeros_like(share), np.zeros(len(mappings))
    for x, (member, need) in enumerate(zip(members, needs, strict=True)):
        count = len(board.clusters[x].freqs_hz)
        opp = np.minimum(need, count - 1)
        times, busy, l2d_per_s = (
            values[x][apps, opp[:, None]]
            for values in (demand.served, demand.busy, demand.l2d_per_s)
        )
        longer = busy + (1.0 - busy) * slower
        late = member & (need == count)[:, None]
        shortfall += np.where(late, np.maximum(0.0, 1.0 - times * granted / longer), 0.0).sum(
            axis=1
        )
        at, on = np.arange(count) == opp[:, None], member * share
        columns.append(at * on.sum(axis=1)[:, None])
        columns.append(at * (on * busy / longer).sum(axis=1)[:, None])
        columns.append((on * l2d_per_s / longer).sum(axis=1)[:, None])
        opps.append(opp)
        computing += on * busy / longer
    features = np.concatenate(columns, axis=1).astype(np.float32)
    return Described(features, np.stack(opps, axis=1), shortfall, share, computing)


def _settled(
    board: Board,
    demand: Demand,
    mappings: Mappings,
    members: Sequence[NDArray[np.bool_]],
    share: NDArray[np.float64],
    granted: NDArray[np.float64],
) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """The operating point (R,) that every cluster needs, and how much longer stalls (R, K) are."""
    apps, sharers = np.arange(demand.count), _sharers(mappings)
    leasts = [least[apps, sharers] for least in demand.least_opp]
    if mappings.teams:
        _let_threads_help(demand, leasts, granted, sum(mappings.teams))
    needs = [
        np.where(member, least, 0).max(axis=1, initial=0)
        for member, least in zip(members, leasts, strict=True)
    ]
    slower = np.ones_like(share)
    at = np.arange(len(mappings))
    for _ in range(CLIMBS if demand.memory.any() else 0):
        some, shares, of = mappings.rows(at), share[at], [member[at] for member in members]
        slower[at] = found = _slowdowns(demand, some, of, shares, [need[at] for need in needs])
        climbed = np.zeros(len(at), dtype=bool)
        for x, need in enumerate(needs):
            higher = np.maximum(need[at], _needs(board, demand, x, of[x], granted[at], found))
            climbed |= higher > need[at]
            need[at] = higher
        at = at[climbed]  # the others would come out as they are
        if not at.size:
            break
    return needs, slower


def _granted(share: NDArray[np.float64], teams: Sequence[int]) -> NDArray[np.float64]:
    """The share (R, K) that counts towards the target: of threads the mean of their application."""
    if not teams:
        return share
    granted, last = share.copy(), share.shape[1]
    for threads in reversed(teams):
        own = slice(last - threads, last)
        granted[:, own] = share[:, own].mean(axis=1, keepdims=True)
        last -= threads
    return granted


def _let_threads_help(
    demand: Demand,
    leasts: Sequence[NDArray[np.int64]],
    granted: NDArray[np.float64],
    threads: int,
) -> None:
    """Work out anew the lowest operating points (R, K) of the last ones, by what is granted."""
    for x, found in enumerate(leasts):
        for k in range(demand.count - threads, demand.count):
            meets = demand.served[x][k] * granted[:, k, None] >= 1.0 + MARGIN
            opp = np.where(meets.any(axis=1), meets.argmax(axis=1), meets.shape[1])
            found[:, k] = np.maximum(opp, demand.least_opp[x][k, 0])


def _slowdowns(
    demand: Demand,
    mappings: Mappings,
    members: Sequence[NDArray[np.bool_]],
    share: NDArray[np.float64],
    needs: Sequence[NDArray[np.int64]],
) -> NDArray[np.float64]:
    """By how much stalls lengthen (R, K) at these operating points."""
    apps = np.arange(demand.count)
    times, busy = np.ones_like(share), np.ones_like(share)
    for x, member in enumerate(members):
        opp = np.minimum(needs[x], demand.served[x].shape[1] - 1)[:, None]
        times = np.where(member, demand.served[x][apps, opp], times)
        busy = np.where(member, demand.busy[x][apps, opp], busy)
    alone = 1.0 / np.maximum(times, NEVER)
    memory = np.broadcast_to(demand.memory, share.shape)
    return slowdowns(_cores(mappings), share, busy * alone, (1.0 - busy) * alone, memory)


def _needs(
    board: Board,
    demand: Demand,
    x: int,
    member: NDArray[np.bool_],
    share: NDArray[np.float64],
    slower: NDArray[np.float64],
) -> NDArray[np.int64]:
    """The lowest operating point (R,) of a cluster with such stalls, their number if none is."""
    alone = 1.0 / np.maximum(demand.served[x][:, 0], NEVER)
    busy = demand.busy[x][:, 0]
    freqs_hz = np.array(board.clusters[x].freqs_hz, dtype=np.float64)
    left = share / (1.0 + MARGIN) - (1.0 - busy) * alone * slower
    slowest = np.where(left > 0.0, busy * alone * freqs_hz[0] / np.maximum(left, NEVER), np.inf)
    need_hz = np.where(member, slowest, 0.0).max(axis=1, initial=0.0)
    found: NDArray[np.int64] = np.searchsorted(freqs_hz, need_hz * (1.0 - 1e-9))
    return found


def _cores(mappings: Mappings) -> NDArray[np.int64]:
    """(R, K): a number for the core of each, another one for every core."""
    core: NDArray[np.int64] = mappings.cluster * (1 + mappings.group.max(initial=0))
    return core + mappings.group


def _sharers(mappings: Mappings) -> NDArray[np.int64]:
    """(R, K): how many applications are on the core of each, itself included."""
    core = _cores(mappings)
    sharers: NDArray[np.int64] = (core[:, :, None] == core[:, None, :]).sum(axis=2)
    return sharers
