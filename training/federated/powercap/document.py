"""The study as one document: what was counted, every cell, and what is read from them."""

import math
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from rm.evaluation.summary import Interval, geometric_interval
from training.federated.powercap.chosen import BATCH_FIRST, CAPPING, PLANNER
from training.federated.powercap.counting import Counted
from training.federated.powercap.grid import Cell

SCHEMA = 1
MEDIAN_LIMIT = 0.05
TAIL_LIMIT = 0.10
"""The planner is near enough where its regret's median and 95th percentile stay below these."""
PAPER_GAIN = (2.3, 2.4)
"""Up to: TMLR 2025 and the first version of arXiv 2502.18323, on Jetson boards (abstracts)."""


class Group(Struct, frozen=True, kw_only=True):
    """The cells of a board, a rule and a network; None: of all of them."""

    board: str | None
    rule: str | None
    training: str | None = None


class Regret(Struct, frozen=True, kw_only=True):
    """How much longer than the optimum the planner's choice takes, as shares, over `n` cells.

    Percentiles are values that occur, the upper one where there is a choice.
    """

    group: Group
    n: int
    median: float
    tail: float
    most: float
    within_1: float
    holds: bool


class Gain(Struct, frozen=True, kw_only=True):
    """How many times as long as the planner's choice a method's takes.

    `mean` is the geometric mean over cells with its interval over the target's seeds (those of a
    seed are taken together: they are what is independent); `least` and `most` are of cells, by
    means over seeds. `alone` counts cells in which only the planner has a mode that gets there.
    """

    group: Group
    method: str
    mean: Interval
    least: float
    most: float
    n: int
    alone: int


class FewSeeds(Struct, frozen=True, kw_only=True):
    """The regret over all cells where the proxy's curve is from so many seeds only."""

    proxy_seeds: int
    regret: Regret


class Kept(Struct, frozen=True, kw_only=True):
    """How the cap was held by what the planner took: simulated mean power above idle.

    `over` counts the cells above the cap, `nearest_w` is the least distance (negative: above).
    """

    board: str
    n: int
    over: int
    nearest_w: float
    throttled: int


class Document(Struct, frozen=True, kw_only=True):
    """All of it."""

    schema: int = SCHEMA
    seeds: int
    cooling: str
    cap_shares: tuple[float, ...]
    counted: tuple[Counted, ...]
    cells: tuple[Cell, ...]
    regrets: tuple[Regret, ...]
    gains: tuple[Gain, ...]
    gains_by_network: tuple[Gain, ...]
    kept: tuple[Kept, ...]
    few_seeds: tuple[FewSeeds, ...]
    holds: bool


def document_of(
    every: Sequence[Cell],
    counted: Sequence[Counted],
    *,
    seeds: int,
    cooling: str,
    cap_shares: Sequence[float],
) -> Document:
    """Read the cells. `holds` is over all of them; each group has a word of its own.

    Those whose proxy has fewer than `seeds` are there for `few_seeds` alone.
    """
    cells = [cell for cell in every if cell.proxy_seeds == seeds]
    groups = list(groups_of(cells))
    regrets = [one for group in groups if (one := _regret(group, cells))]
    return Document(
        seeds=seeds,
        cooling=cooling,
        cap_shares=tuple(cap_shares),
        counted=tuple(counted),
        cells=tuple(cells),
        regrets=tuple(regrets),
        gains=tuple(
            gain
            for method in (CAPPING, BATCH_FIRST)
            for group in groups
            if (gain := _gain(group, method, cells))
        ),
        gains_by_network=tuple(
            gain for group in _networks(cells) if (gain := _gain(group, CAPPING, cells))
        ),
        kept=tuple(_kept(board, cells) for board in dict.fromkeys(cell.board for cell in cells)),
        few_seeds=tuple(_few_seeds(every)),
        holds=bool(regrets) and regrets[-1].holds,
    )


def groups_of(cells: Sequence[Cell]) -> Iterator[Group]:
    """Every board with every rule, each board, each rule, and all."""
    boards = list(dict.fromkeys(cell.board for cell in cells))
    rules = list(dict.fromkeys(cell.rule for cell in cells))
    for board in (*boards, None):
        yield from (Group(board=board, rule=rule) for rule in (*rules, None))


def _networks(cells: Sequence[Cell]) -> Iterator[Group]:
    """Every board with every network."""
    for board, training in dict.fromkeys((cell.board, cell.training) for cell in cells):
        yield Group(board=board, rule=None, training=training)


def members(group: Group, cells: Sequence[Cell]) -> list[Cell]:
    """The cells of a group."""
    return [
        cell
        for cell in cells
        if group.board in (None, cell.board)
        and group.rule in (None, cell.rule)
        and group.training in (None, cell.training)
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below or at which so many of at least one lie; one that occurs, the upper one.

    >>> percentile([3.0, 1.0, 2.0, 9.0], 0.5), percentile([1.0, 2.0, 3.0], 0.95)
    (3.0, 3.0)
    """
    return sorted(values)[math.ceil(share * (len(values) - 1))]


def _regret(group: Group, cells: Sequence[Cell]) -> Regret | None:
    values = [
        found for cell in members(group, cells) if (found := cell.regret(PLANNER)) is not None
    ]
    if not values:
        return None
    median, tail = percentile(values, 0.5), percentile(values, 0.95)
    return Regret(
        group=group,
        n=len(values),
        median=median,
        tail=tail,
        most=max(values),
        within_1=sum(value < 0.01 for value in values) / len(values),
        holds=median <= MEDIAN_LIMIT and tail <= TAIL_LIMIT,
    )


def _few_seeds(every: Sequence[Cell]) -> Iterator[FewSeeds]:
    for few in sorted({cell.proxy_seeds for cell in every}):
        cells = [cell for cell in every if cell.proxy_seeds == few]
        if found := _regret(Group(board=None, rule=None), cells):
            yield FewSeeds(proxy_seeds=few, regret=found)


def _gain(group: Group, method: str, cells: Sequence[Cell]) -> Gain | None:
    by_seed, by_cell, alone = [], [], 0
    for cell in members(group, cells):
        ours, theirs = cell.taken[PLANNER], cell.taken[method]
        if ours is None or ours.mean_s == math.inf:
            continue
        if theirs is None or theirs.mean_s == math.inf:
            alone += 1
            continue
        pairs = zip(theirs.times_s, ours.times_s, strict=True)
        by_seed.append([math.log(their_s / our_s) for their_s, our_s in pairs])
        by_cell.append(theirs.mean_s / ours.mean_s)
    if not by_cell:
        return None
    per_seed = [math.exp(math.fsum(one) / len(one)) for one in zip(*by_seed, strict=True)]
    return Gain(
        group=group,
        method=method,
        mean=geometric_interval(per_seed),
        least=min(by_cell),
        most=max(by_cell),
        n=len(by_cell),
        alone=alone,
    )


def _kept(board: str, cells: Sequence[Cell]) -> Kept:
    found = [
        (cell.cap_w - taken.mean_w, taken.throttled)
        for cell in cells
        if cell.board == board and (taken := cell.taken[PLANNER])
    ]
    return Kept(
        board=board,
        n=len(found),
        over=sum(left_w < 0.0 for left_w, _ in found),
        nearest_w=min((left_w for left_w, _ in found), default=math.inf),
        throttled=sum(throttled for _, throttled in found),
    )


def document_json(document: Document, *, whole: bool) -> str:
    """The document as JSON, infinities as null; without the `whole` cells and counts are out."""
    made = msgspec.to_builtins(document, str_keys=True)
    if not whole:
        del made["cells"], made["counted"]
    return msgspec.json.format(msgspec.json.encode(made), indent=0 if whole else 2).decode()
