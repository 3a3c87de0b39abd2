"""Where the threads of applications of several (teams) end up, beside a mapping of the others.

`with_threads` says it of teams that may use all cores of their cluster; `with_teams` of teams that
are given cores of it (`rm.mapping.homes.cores_of_team`), and then nothing hangs on which of several
equal cores the kernel takes; `mapping_now` of teams that have the cores that are observed. `Homes`
are the clusters that a search may put teams on.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from platforms.platform import ApplicationReading
from rm.mapping.demand import Demand
from rm.mapping.homes import cores_of_threads, least_cores
from rm.mapping.packing import Mappings, groups_of_cores
from rm.mapping.placed import NEVER

SHUT = 1e6
"""So many threads a core seems to have that a team is not given."""

UNSURE_K = 1.0
"""So much must be gained by a mapping that comes about only if the kernel takes one of several
equal cores: more than any but a great difference (chosen). Where it took another one, what each
program has of its cores would be mistaken, and with it its speed."""

MOST_HOMES = 15
"""So many ways to put teams on other clusters are rated: all of four teams and two clusters."""


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


class Team(NamedTuple):
    """An application of several threads: how many, and the cluster that they are put on."""

    cluster: int
    threads: int


def mapping_now(
    board: Board, singles: Sequence[ApplicationReading], teams: Sequence[ApplicationReading]
) -> Mappings:
    """The present mapping (1, K + T) of K applications of one thread and T threads of teams."""
    if not teams:
        return groups_of_cores(board, [single.cores[0] for single in singles])
    placed = cores_of_threads(board, [*singles, *teams])
    now = groups_of_cores(board, [core for on in placed for core in on])
    return Mappings(now.cluster, now.group, tuple(team.threads for team in teams))


def with_teams(board: Board, demand: Demand, mappings: Mappings, teams: Sequence[Team]) -> Mappings:
    """The mappings (R, K) with the threads of teams more, T in all, each in two ways: (2 R, K + T).

    First apart from the K: on the cores that have none of them, or where these are too few for a
    team on the emptiest. Then among them, on any core. Every thread in turn goes to the core with
    the fewest; of equal ones to that with the least demanding of the K, and to an empty one last.
    """
    apart, among = (_placed(board, demand, mappings, teams, apart) for apart in (True, False))
    return apart.and_then(among)


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
    there = np.tile(every, (len(mappings), 1))
    return Mappings(
        np.concatenate([mappings.cluster, there], axis=1),
        np.column_stack([mappings.group, *columns]),
        tuple(threads for _, threads in teams),
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


def _hangs_on_the_kernel(board: Board, placed: Mappings) -> NDArray[np.bool_]:
    """Which mappings (R,) come about only if the kernel takes one of several equal cores.

    That is so where a thread could as well be on another core that its team is given, and somebody
    of one thread is on one of both.
    """
    count = placed.cluster.shape[1] - sum(placed.teams)
    found = np.zeros(len(placed), dtype=bool)
    for x in range(len(board.clusters)):
        cores = np.arange(len(board.clusters[x].cores))
        on = (placed.cluster == x)[:, :, None] & (placed.group[:, :, None] == cores)
        singles, threads = on[:, :count].sum(axis=1), on[:, count:].sum(axis=1)
        users = singles + threads
        equal = users[:, :, None] == users[:, None, :] + 1
        given = (singles == 0) | (threads > 0)
        taken = (singles[:, :, None] > 0) | (singles[:, None, :] > 0)
        could = (threads > 0)[:, :, None] & given[:, None, :]
        found |= (equal & taken & could).any(axis=(1, 2))
    return found


def other_homes(
    board: Board, teams: Sequence[Team], *, at_once: int | None = None
) -> Iterator[list[Team]]:
    """The teams with one, two, ... of them on other clusters, in `MOST_HOMES` ways at most.

    No more than `at_once` move, and to clusters that have room for a team.
    """
    most = len(teams) if at_once is None else min(at_once, len(teams))
    roomy = [x for x, one in enumerate(board.clusters) if len(one.cores) >= least_cores(board)]
    ways = (
        _with_homes(teams, dict(zip(movers, homes, strict=True)))
        for count in range(1, most + 1)
        for movers in combinations(range(len(teams)), count)
        for homes in product(*([x for x in roomy if x != teams[n].cluster] for n in movers))
    )
    return islice(ways, MOST_HOMES)


def _with_homes(teams: Sequence[Team], homes: Mapping[int, int]) -> list[Team]:
    return [Team(homes.get(n, team.cluster), team.threads) for n, team in enumerate(teams)]


def threads_away(teams: Sequence[Team], others: Sequence[Team]) -> int:
    """How many threads are on another cluster there."""
    pairs = zip(teams, others, strict=True)
    return sum(here.threads for here, there in pairs if here.cluster != there.cluster)


@dataclass(frozen=True)
class Homes:
    """Ways to give teams clusters, to be rated beside mappings of K others.

    `present` (1, K + T) is the mapping of all of them now, `ways` say on which clusters the teams
    are. A way counts as so much hotter as `handicap_k` says: for the threads that leave their
    cluster it must gain that much. A mapping that hangs on the kernel must gain `UNSURE_K` more.
    """

    present: Mappings
    ways: tuple[Sequence[Team], ...]
    handicap_k: tuple[float, ...]

    def beside(
        self, board: Board, demand: Demand, mappings: Mappings
    ) -> tuple[Mappings, NDArray[np.float64]]:
        """The present mapping, then all (R, K) with the threads in every way; their handicaps."""
        every, handicaps_k = self.present, [0.0]
        for teams, handicap_k in zip(self.ways, self.handicap_k, strict=True):
            placed = with_teams(board, demand, mappings, teams)
            every = every.and_then(placed)
            unsure = UNSURE_K * _hangs_on_the_kernel(board, placed)
            handicaps_k += (handicap_k + unsure).tolist()
        return every, np.array(handicaps_k)


def homes(
    board: Board,
    singles: Sequence[ApplicationReading],
    teams: Sequence[ApplicationReading],
    *,
    gain_per_thread_k: float,
    at_once: int | None = None,
) -> Homes:
    """The clusters where teams are, and all others where they may be.

    Every thread that leaves its cluster is to gain so much; `at_once` as in `other_homes`.
    """
    owner = board.cluster_of_core
    here = [Team(owner[team.cores[0]], team.threads) for team in teams]
    ways = [here, *other_homes(board, here, at_once=at_once)]
    gains_k = tuple(gain_per_thread_k * threads_away(here, way) for way in ways)
    return Homes(mapping_now(board, singles, teams), tuple(ways), gains_k)
