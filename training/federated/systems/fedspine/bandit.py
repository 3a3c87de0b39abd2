"""The choice of a pruning ratio and a rank for one device, from what earlier choices brought.

Rewards lie in 0..1. Every index is mean + `explore` * sqrt(2 ln n / N), with N the (discounted,
smoothed) number of plays and n its sum; what was never played comes first.

The indices of UCB1 and discounted UCB are the textbook's. `tree-ucb` follows what is recalled of
FedMP's E-UCB: discounted statistics per leaf of a tree over the arms, and the leaf that is played
is split. `s-ucb` is a RECONSTRUCTION of FedSpine's: its partition, refinement and "reward plus
uncertainty" are reported, its smoothing is not; here a play counts in every leaf by a Gaussian of
the distance between them, so that neighbours share what they learn and no leaf is unknown.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from training.federated.systems.fedspine.arms import Box, Grid

POLICIES = ("fixed", "random", "ucb1", "discounted-ucb", "tree-ucb", "s-ucb", "oracle")

Floats = NDArray[np.float64]


class Rule(Struct, frozen=True, kw_only=True):
    """How choices are made: `explore` scales the bonus, `discount` ages plays, `width` smooths.

    `width` is a share of the grid's side; `fixed` is the arm that the policy "fixed" plays.
    """

    policy: str = "s-ucb"
    explore: float = 0.05
    discount: float = 0.98
    width: float = 0.3
    fixed: int = 0


class Plays(Struct, frozen=True):
    """What one device's bandit has seen: arms by number, their rewards, the leaves of its tree."""

    arms: tuple[int, ...] = ()
    rewards: tuple[float, ...] = ()
    leaves: tuple[Box, ...] = ()


def choose_prune_rank(
    rule: Rule,
    grid: Grid,
    plays: Plays,
    rng: np.random.Generator,
    *,
    values: Sequence[float] | None = None,
) -> int:
    """The number of the arm to play next.

    `values` are the true values of all arms, for the oracle alone. ValueError for an unknown policy
    or an oracle that is told nothing.
    """
    match rule.policy:
        case "fixed":
            return rule.fixed
        case "random":
            return int(rng.integers(len(grid)))
        case "ucb1":
            return _best(_arm_indices(rule, grid, plays, discount=1.0), rng)
        case "discounted-ucb":
            return _best(_arm_indices(rule, grid, plays, discount=rule.discount), rng)
        case "tree-ucb" | "s-ucb":
            leaves = plays.leaves or (grid.whole(),)
            inside = grid.inside(leaves[_best(_leaf_indices(rule, grid, plays, leaves), rng)])
            return int(inside[int(rng.integers(len(inside)))])
        case "oracle" if values is not None:
            return int(np.argmax(values))
    raise ValueError(f"policy must be one of {', '.join(POLICIES)} (got {rule.policy})")


def remember(grid: Grid, plays: Plays, arm: int, reward: float) -> Plays:
    """The plays with one more; the leaf that it fell into is split."""
    leaves: list[Box] = []
    for leaf in plays.leaves or (grid.whole(),):
        leaves += leaf.halves() if arm in grid.inside(leaf) else (leaf,)
    return Plays((*plays.arms, arm), (*plays.rewards, float(reward)), tuple(leaves))


def _ages(plays: Plays, discount: float) -> Floats:
    """The weight of each play, the last one's being 1."""
    return discount ** np.arange(len(plays.arms) - 1, -1, -1, dtype=np.float64)


def _arm_indices(rule: Rule, grid: Grid, plays: Plays, *, discount: float) -> Floats:
    weights = _ages(plays, discount)
    arms = np.asarray(plays.arms, np.int64)
    counts = np.zeros(len(grid))
    sums = np.zeros(len(grid))
    np.add.at(counts, arms, weights)
    np.add.at(sums, arms, weights * np.asarray(plays.rewards, np.float64))
    return _index(rule, counts, sums, float(counts.sum()))


def _leaf_indices(rule: Rule, grid: Grid, plays: Plays, leaves: Sequence[Box]) -> Floats:
    share = _membership(rule, grid, plays, leaves) * _ages(plays, rule.discount)
    counts = share.sum(1)
    total = float(_ages(plays, rule.discount).sum())
    return _index(rule, counts, share @ np.asarray(plays.rewards, np.float64), total)


def _membership(rule: Rule, grid: Grid, plays: Plays, leaves: Sequence[Box]) -> Floats:
    """How far each play counts in each leaf: (leaves, plays)."""
    place, level = np.divmod(np.asarray(plays.arms, np.int64), len(grid.ranks))
    boxes = np.array([_ends(leaf) for leaf in leaves], np.float64)
    if rule.policy == "tree-ucb":
        within = (boxes[:, [0]] <= place) & (place <= boxes[:, [1]])
        within &= (boxes[:, [2]] <= level) & (level <= boxes[:, [3]])
        return within.astype(np.float64)
    along = (boxes[:, [0]] + boxes[:, [1]]) / 2 - place
    across = (boxes[:, [2]] + boxes[:, [3]]) / 2 - level
    sides = max(len(grid.ratios) - 1, 1), max(len(grid.ranks) - 1, 1)
    squared = (along / sides[0]) ** 2 + (across / sides[1]) ** 2
    return np.asarray(np.exp(-squared / (2 * rule.width**2)))


def _ends(box: Box) -> tuple[int, int, int, int]:
    return box.ratio_first, box.ratio_last, box.rank_first, box.rank_last


def _index(rule: Rule, counts: Floats, sums: Floats, total: float) -> Floats:
    indices = np.full(len(counts), np.inf)
    known = counts > 1e-12
    bonus = np.sqrt(2 * np.log(max(total, 1.0)) / counts[known])
    indices[known] = sums[known] / counts[known] + rule.explore * bonus
    return indices


def _best(indices: Floats, rng: np.random.Generator) -> int:
    """The largest, ties by dice."""
    tied = np.flatnonzero(indices == indices.max())
    return int(tied[int(rng.integers(len(tied)))])
