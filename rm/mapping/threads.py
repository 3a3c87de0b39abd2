"""Where the threads of applications of several (teams) end up, beside a mapping of the others.

`with_threads` says it of teams that may use all cores of their cluster; `with_teams` of teams that
are given cores of it (`rm.mapping.homes.cores_of_team`), and then nothing hangs on which of several
equal cores the kernel takes; `mapping_now` of teams that have the cores that are observed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from platforms.platform import ApplicationReading
from rm.mapping.demand import Demand
from rm.mapping.homes import cores_of_threads, least_cores
from rm.mapping.packing import Mappings, groups_of_cores


def with_threads(board: Board, mappings: Mappings, clusters: Sequence[int]) -> Mappings:
    """The mappings (R, K) with T threads more, each free to run on all cores of a cluster.

    `clusters` (T,) says of which. As the kernel does, every thread in turn goes to the core with
    the fewest, the first of several.
    """
    cluster, group = mappings.cluster, mappings.group
    for x in clusters:
        cores = np.arange(len(board.clusters[x].cores))
        load = ((cluster == x)[:, :, None] & (group[:, :, None] == cores)).sum(axis=1)
        group = np.column_stack([group, load.argmin(axis=1)])
        cluster = np.column_stack([cluster, np.full(len(cluster), x)])
    return Mappings(cluster, group)


NEVER = 1e-9
"""Whom a core serves less than this of its target counts as one that needs all of it, and more."""

SHUT = 1e6
"""So many threads a core seems to have that a team is not given."""


class Team(NamedTuple):
    """An application of several threads: how many, and the cluster that they are put on."""

    cluster: int
    threads: int


def mapping_now(
    board: Board, singles: Sequence[ApplicationReading], teams: Sequence[ApplicationReading]
) -> Mappings:
    """The present mapping (1, K + T) of K applications of one thread and T threads of teams."""
    placed = cores_of_threads(board, [*singles, *teams])
    now = groups_of_cores(board, [core for on in placed for core in on])
    return Mappings(now.cluster, now.group, tuple(team.threads for team in teams))


def with_teams(board: Board, demand: Demand, mappings: Mappings, teams: Sequence[Team]) -> Mappings:
    """The mappings (R, K) with the threads of teams more, T in all, each in two ways: (2 R, K + T).

    First apart from the K: on the cores that have none of them, or where these are too few for a
    team on the emptiest. Then among them, on any core. Every thread in turn goes to the core with
    the fewest; of equal ones to that with the least demanding of the K, and to an empty one last.
    """
    ways = [_placed(board, demand, mappings, teams, apart) for apart in (True, False)]
    cluster, group = (
        np.concatenate([getattr(way, axis) for way in ways]) for axis in ("cluster", "group")
    )
    return Mappings(cluster, group, tuple(team.threads for team in teams))


def _placed(
    board: Board, demand: Demand, mappings: Mappings, teams: Sequence[Team], apart: bool
) -> Mappings:
    load = {x: _load(board, demand, mappings, x, apart) for x, _ in teams}
    columns = []
    for x, threads in teams:
        for _ in range(threads):
            core = load[x].argmin(axis=1)
            load[x][np.arange(len(core)), core] += 1.0
            columns.append(core)
    every = np.repeat([x for x, _ in teams], [threads for _, threads in teams])
    homes = np.tile(every, (len(mappings), 1))
    return Mappings(
        np.concatenate([mappings.cluster, homes], axis=1),
        np.column_stack([mappings.group, *columns]),
    )


def _load(
    board: Board, demand: Demand, mappings: Mappings, x: int, apart: bool
) -> NDArray[np.float64]:
    """How many each core (R, N) of a cluster has, and less than one for whose turn it is."""
    number = len(board.clusters[x].cores)
    on = (mappings.cluster == x)[:, :, None] & (mappings.group[:, :, None] == np.arange(number))
    taken = 1.0 / np.maximum(demand.served[x][: on.shape[1], -1], NEVER)
    emptiest = (on * taken[:, None]).sum(axis=1).argsort(axis=1, kind="stable").argsort(axis=1)
    sharers = on.sum(axis=1)
    turn = np.where(sharers > 0, emptiest, number) / (number + 1.0)
    shut = apart & (sharers > 0) & (emptiest >= least_cores(board))
    load: NDArray[np.float64] = sharers + turn + SHUT * shut
    return load
