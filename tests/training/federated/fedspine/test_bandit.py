"""Tests of the choice of a pruning ratio and a rank."""

import numpy as np
import pytest

from training.federated.systems.fedspine.arms import Box, Grid
from training.federated.systems.fedspine.bandit import (
    POLICIES,
    Plays,
    Rule,
    choose_prune_rank,
    remember,
)
from training.federated.systems.fedspine.regret import GRID, WORLDS, Course, play_world

STATIONARY, DRIFT, SHIFT = WORLDS
SEEDS = range(4)
ROUNDS = 120


def courses(policy: str, *, rounds: int = ROUNDS) -> list[Course]:
    """A policy's ways through the world in which nothing changes and nothing need be forgotten."""
    rule = Rule(policy=policy, discount=1.0)
    return [play_world(STATIONARY, rule, rounds=rounds, seed=seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def regrets() -> dict[str, np.ndarray]:
    """Regret per seed and round in the stationary world, by policy."""
    return {policy: np.array([course.regret for course in courses(policy)]) for policy in POLICIES}


def test_the_oracle_regrets_nothing(regrets: dict[str, np.ndarray]) -> None:
    """It is what regret is measured from."""
    assert 0.0 == regrets["oracle"].max()
    assert regrets["random"].min() >= 0.0


@pytest.mark.parametrize("policy", ["ucb1", "discounted-ucb", "tree-ucb", "s-ucb"])
def test_a_bandit_falls_below_random_choice_on_every_seed(
    policy: str, regrets: dict[str, np.ndarray]
) -> None:
    """Over the whole course, far below: less than half."""
    assert (regrets[policy].sum(1) < 0.5 * regrets["random"].sum(1)).all()


@pytest.mark.parametrize("policy", ["ucb1", "tree-ucb", "s-ucb"])
def test_regret_grows_ever_more_slowly_where_nothing_changes(
    policy: str, regrets: dict[str, np.ndarray]
) -> None:
    """Sublinear: the last quarter costs less than the first; random's costs as much."""
    quarter = ROUNDS // 4
    first, last = regrets[policy][:, :quarter].sum(1), regrets[policy][:, -quarter:].sum(1)
    assert (last < first).all()
    assert last.mean() < 0.7 * first.mean()
    same = regrets["random"][:, -quarter:].sum() / regrets["random"][:, :quarter].sum()
    assert 0.9 < same < 1.1


def test_smoothing_learns_sooner_than_ucb1(regrets: dict[str, np.ndarray]) -> None:
    """Before UCB1 has tried each of the 18 arms once, neighbours have told the rest."""
    early = slice(0, len(GRID) + 2)
    assert regrets["s-ucb"][:, early].sum(1).mean() < 0.7 * regrets["ucb1"][:, early].sum(1).mean()


def test_discounting_forgets_what_no_longer_holds() -> None:
    """Soon after all speeds are dealt out anew, choices fit the new ones."""

    def late(policy: str) -> float:
        rule = Rule(policy=policy)
        played = [play_world(SHIFT, rule, rounds=150, seed=seed) for seed in SEEDS]
        return float(np.mean([sum(course.regret[125:]) for course in played]))

    assert late("s-ucb") < 0.4 * late("random")


def test_devices_wait_less_with_a_bandit_than_at_random() -> None:
    """Times that are close to the pace are close to each other."""
    waits = {
        policy: [sum(course.waiting) for course in courses(policy, rounds=80)]
        for policy in ("s-ucb", "random", "oracle")
    }
    assert (np.array(waits["s-ucb"]) < np.array(waits["random"])).all()
    assert (np.array(waits["oracle"]) < np.array(waits["s-ucb"])).all()


def test_the_same_seed_gives_the_same_course() -> None:
    """Worlds and choices come from dice alone."""
    assert play_world(DRIFT, Rule(), rounds=30, seed=3) == play_world(
        DRIFT, Rule(), rounds=30, seed=3
    )


def test_ucb1_tries_every_arm_once_first() -> None:
    """What was never played comes before anything else."""
    plays, rng = Plays(), np.random.default_rng(0)
    for _ in range(len(GRID)):
        arm = choose_prune_rank(Rule(policy="ucb1"), GRID, plays, rng)
        plays = remember(GRID, plays, arm, 0.5)
    assert list(range(len(GRID))) == sorted(plays.arms)


def test_the_index_is_the_formula() -> None:
    """Mean plus bonus, by hand: the arm played more often has the smaller bonus."""
    grid = Grid((0.0, 0.5), (4,))
    plays = Plays(arms=(0, 0, 0, 1), rewards=(0.5, 0.5, 0.5, 0.45))
    indices = {
        explore: [
            mean + explore * np.sqrt(2 * np.log(4) / count) for mean, count in ((0.5, 3), (0.45, 1))
        ]
        for explore in (0.01, 1.0)
    }
    rng = np.random.default_rng(0)
    for explore, values in indices.items():
        rule = Rule(policy="ucb1", explore=explore)
        assert int(np.argmax(values)) == choose_prune_rank(rule, grid, plays, rng)
    assert 0 == np.argmax(indices[0.01])
    assert 1 == np.argmax(indices[1.0])


def test_leaves_part_the_grid_and_only_the_played_one_is_split() -> None:
    """Every arm is in one leaf, however often was played."""
    plays, rng = Plays(), np.random.default_rng(0)
    for count in range(1, 40):
        plays = remember(GRID, plays, int(rng.integers(len(GRID))), 0.5)
        inside = sorted(arm for leaf in plays.leaves for arm in GRID.inside(leaf))
        assert list(range(len(GRID))) == inside
        assert len(plays.leaves) <= count + 1
    assert Box(0, 0, 0, 0) in plays.leaves or len(plays.leaves) > 1


def test_policies_that_do_not_learn() -> None:
    """The fixed arm is always the same; random ones are all played; an oracle must be told."""
    rng = np.random.default_rng(0)
    assert 5 == choose_prune_rank(Rule(policy="fixed", fixed=5), GRID, Plays(), rng)
    drawn = {choose_prune_rank(Rule(policy="random"), GRID, Plays(), rng) for _ in range(300)}
    assert set(range(len(GRID))) == drawn
    told = [0.0] * len(GRID)
    told[7] = 1.0
    assert 7 == choose_prune_rank(Rule(policy="oracle"), GRID, Plays(), rng, values=told)
    with pytest.raises(ValueError, match=r"policy must be one of .* \(got oracle\)"):
        choose_prune_rank(Rule(policy="oracle"), GRID, Plays(), rng)
