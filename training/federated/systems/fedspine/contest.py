"""A contest of bandits in a virtual world: each tuned on the same grid, then held to the oracle."""

from itertools import product
from typing import Any

import numpy as np
from msgspec.structs import replace

from training.federated.systems.fedspine.bandit import Rule
from training.federated.systems.fedspine.regret import GRID, WORLDS, Course, play_world

EXPLORE = (0.02, 0.05, 0.1, 0.2)
DISCOUNT = (0.98, 1.0)
LEARNING = ("ucb1", "discounted-ucb", "tree-ucb", "s-ucb")
FORGETTING = ("discounted-ucb", "tree-ucb", "s-ucb")

_TUNING_SEEDS = (1_000_003, 1_000_033)


def contest(world: str, policy: str, rounds: int, seeds: list[int], early: int) -> dict[str, Any]:
    """Regret and waiting of a policy, a value per seed; for a study's job.

    `early` is after how many rounds regret is also told. Tuning is by all rounds, on seeds of its
    own.
    """
    rule = tuned(world, policy, rounds)
    courses = [_course(world, rule, rounds, seed) for seed in seeds]
    quarter = rounds // 4
    return {
        "explore": rule.explore,
        "discount": rule.discount,
        "early": [sum(course.regret[:early]) for course in courses],
        "total": [sum(course.regret) for course in courses],
        "first": [sum(course.regret[:quarter]) for course in courses],
        "last": [sum(course.regret[-quarter:]) for course in courses],
        "waiting": [sum(course.waiting) for course in courses],
    }


def tuned(world: str, policy: str, rounds: int) -> Rule:
    """The rule with the least regret on the tuning seeds; "fixed" is the largest ratio and rank."""
    plain = Rule(policy=policy, fixed=len(GRID) - 1)
    if policy not in LEARNING:
        return plain
    discounts = DISCOUNT if policy in FORGETTING else (1.0,)
    rules = [replace(plain, explore=e, discount=d) for e, d in product(EXPLORE, discounts)]
    losses = [
        np.mean([sum(_course(world, rule, rounds, seed).regret) for seed in _TUNING_SEEDS])
        for rule in rules
    ]
    return rules[int(np.argmin(losses))]


def _course(world: str, rule: Rule, rounds: int, seed: int) -> Course:
    found = next(one for one in WORLDS if one.name == world)
    return play_world(found, rule, rounds=rounds, seed=seed)
