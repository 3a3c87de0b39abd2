"""The true optimum by trying every mapping at every operating point, with the board's own models.

For the tests alone: it knows nothing of how the search works.
"""

import itertools
from collections.abc import Iterator, Sequence

from msgspec import Struct

from oracle.whatif import Outcome, Placement, Wanted, WhatIf


class Question(Struct, frozen=True, kw_only=True):
    """What is asked for, as `JointSearch` is asked."""

    models: WhatIf
    apps: Sequence[Wanted]
    objective: str = "peak"
    move_k: float = 0.0
    sharing: bool = True
    allowed_clusters: Sequence[frozenset[int]] | None = None


def placements(asked: Question) -> Iterator[Placement]:
    """All mappings that are allowed."""
    clusters = asked.models.board.clusters
    everywhere = frozenset(range(len(clusters)))
    roomy = any(len(cluster.cores) > 1 for cluster in clusters)
    choices: list[list[tuple[int, ...]]] = []
    for number, app in enumerate(asked.apps):
        allowed = asked.allowed_clusters[number] if asked.allowed_clusters else everywhere
        own = [clusters[x].cores for x in sorted(allowed)]
        several = [cores for cores in own if len(cores) > 1 or not roomy]
        one: list[tuple[int, ...]] = [(core,) for cores in own for core in cores]
        choices.append(one if app.threads == 1 else several)
    for placement in itertools.product(*choices):
        used = [core for cores in placement for core in cores]
        if asked.sharing or len(set(used)) == len(used):
            yield placement


def rank(asked: Question, outcome: Outcome) -> tuple[float, float]:
    """Missed targets first, then the objective with the cost of the moves."""
    pairs = zip(asked.apps, outcome.placement, strict=True)
    moves = sum(app.cores != cores for app, cores in pairs)
    return round(outcome.shortfall, 6), outcome.objective(asked.objective) + asked.move_k * moves


def best(asked: Question) -> tuple[float, float]:
    """The rank of the best decision."""
    points = [range(len(c.opps)) for c in asked.models.board.clusters]
    return min(
        rank(asked, asked.models.evaluate(asked.apps, placement, opps))
        for placement in placements(asked)
        for opps in itertools.product(*points)
    )
