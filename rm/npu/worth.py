"""What migrations are worth under a network's scores, in kelvin: how dear another choice is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from npu_runtime.backend import Rows
from platforms.board import Board
from platforms.platform import Migration, Observation
from rm.features import rows
from rm.mapping.packing import groups_of_cores
from rm.mapping.search import SHORTFALL_STEP, best_of
from rm.policies.ilgov import Ilgov
from rm.policies.topil import TopIl
from rm.policy import Policy

Scores = Callable[[Rows], Rows]


@dataclass(frozen=True)
class Worth:
    """Where migrations lead to: `heat_k` over a level that all migrations of a round share.

    `shortfall` is what targets are missed by then, in steps of a hundredth (0: not known).
    """

    heat_k: float
    shortfall: int = 0


WorthOf = Callable[[Policy, Board, Scores, float, Observation, Sequence[Migration]], Worth | None]


def topil_worth(
    policy: Policy,
    board: Board,
    scores: Scores,
    alpha_per_k: float,
    observation: Observation,
    moves: Sequence[Migration],
) -> Worth | None:
    """The predicted improvement of TOP-IL's one move; staying has none.

    A score is ``exp(-alpha dT)``: near the best core, 1 / alpha kelvin make a score of 1. Further
    away they make less, so this is the least that a lost score may mean.
    """
    if not moves:
        return Worth(0.0)
    apps = {app.id: app for app in observation.applications}
    app = apps[moves[0].application_id]
    found = scores(rows(board, observation, [app]))[0]
    gain = float(found[moves[0].cores[0]]) - float(found[app.cores[0]])
    return Worth(-gain / alpha_per_k)


def ilgov_worth(
    policy: Policy,
    board: Board,
    scores: Scores,
    alpha_per_k: float,
    observation: Observation,
    moves: Sequence[Migration],
) -> Worth | None:
    """How hot the mapping settles after the moves, by ilgov's network; None with threads."""
    running = [app for app in observation.applications if app.rate_ips > 0.0]
    if not isinstance(policy, Ilgov) or any(app.threads > 1 for app in running):
        return None
    moved = {move.application_id: move.cores[0] for move in moves}
    cores = [moved.get(app.id, app.cores[0]) for app in running]
    wanted = policy.demand(observation, running)
    rated = best_of(board, wanted, groups_of_cores(board, cores), lambda r: scores(r)[:, 0])
    return Worth(rated.heat_k, round(rated.shortfall / SHORTFALL_STEP))


WORTH: Mapping[str, WorthOf] = {TopIl.name: topil_worth, Ilgov.name: ilgov_worth}
"""By policy; of others it is not known."""
