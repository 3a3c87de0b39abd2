"""The moves that a mapping takes, of applications of one thread and of teams."""

from collections.abc import Iterator, Sequence

from platforms.board import Board
from platforms.platform import ApplicationReading, Migration
from rm.mapping.homes import cores_of_team
from rm.mapping.search import Rated
from rm.mapping.seats import seats


def moves_to(
    board: Board,
    rated: Rated,
    singles: Sequence[ApplicationReading],
    teams: Sequence[ApplicationReading] = (),
) -> tuple[Migration, ...]:
    """Everybody to where a mapping has him, who is not there.

    The first of the mapping are the `singles`; the threads of the `teams` follow.
    """
    count = len(singles)
    cluster, group = rated.cluster[:count], rated.group[:count]
    present = [app.cores[0] for app in singles]
    chosen = seats(board, cluster=cluster, group=group, present=present)
    wanted: list[tuple[int, ...]] = [(core,) for core in chosen]
    if teams:
        wanted = [*wanted, *_cores_of_teams(board, rated, chosen, teams)]
    return tuple(
        Migration(app.id, cores)
        for app, cores in zip([*singles, *teams], wanted, strict=True)
        if app.cores != cores
    )


def _cores_of_teams(
    board: Board, rated: Rated, chosen: Sequence[int], teams: Sequence[ApplicationReading]
) -> Iterator[tuple[int, ...]]:
    """Of each team, the cores without a single one, and those that its threads are to share."""
    places = list(zip(rated.cluster, rated.group, strict=True))
    seat = dict(zip(places, chosen, strict=False))
    first = len(chosen)
    for team in teams:
        own = places[first : first + team.threads]
        shared = {seat[place] for place in own if place in seat}
        yield cores_of_team(board, own[0][0], chosen, shared)
        first += team.threads


def count_of(board: Board, moves: Sequence[Migration], teams: Sequence[ApplicationReading]) -> int:
    """As how many moves these count: of a team that leaves its cluster every thread is one."""
    owner, cores = board.cluster_of_core, {move.application_id: move.cores for move in moves}
    leaving = [
        team.threads - 1
        for team in teams
        if team.id in cores and owner[cores[team.id][0]] != owner[team.cores[0]]
    ]
    return len(moves) + sum(leaving)
