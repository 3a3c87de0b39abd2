"""Count samples to the goal by batch, of a learning-rate rule: on the proxy, and on the target.

The rates of a rule are those that the proxy likes best. Seeds of the target are others than the
proxy's, so that no luck is shared.
"""

import statistics
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import inf
from typing import Any

import msgspec
from msgspec import Struct

from training.federated.systems.joint_batch_frequency.digits import Half, halves
from training.federated.systems.joint_batch_frequency.efficiency import count_samples
from training.federated.systems.joint_batch_frequency.experiment import (
    BASES,
    BATCHES,
    TUNED,
    TUNED_RATES,
)
from training.federated.systems.joint_batch_frequency.rates import RULES, learning_rate

RULE_NAMES: tuple[str, ...] = (*RULES, TUNED)
RATE_SEEDS = 7
"""Seeds by which the proxy chooses a rule's rates (chosen); all of them count for the curve."""
FIRST_TARGET_SEED = 1000

Counts = dict[int, list[float]]
"""By batch, a number for every seed."""


class Counted(Struct, frozen=True, kw_only=True):
    """A rule's rate for each batch, and the samples that were counted with it."""

    rule: str
    rates: dict[int, float]
    proxy: Counts
    target: Counts


def count_rule(rule: str, seeds: int, batches: Sequence[int] = BATCHES) -> Counted:
    """Count a rule's samples with so many seeds on either half."""
    rates = _rates(rule, min(seeds, RATE_SEEDS), batches)
    return Counted(
        rule=rule,
        rates=rates,
        proxy={batch: _count("proxy", batch, rate, range(seeds)) for batch, rate in rates.items()},
        target={
            batch: _count("target", batch, rate, _target_seeds(seeds))
            for batch, rate in rates.items()
        },
    )


def counted_rule(rule: str, seeds: int, batches: Sequence[int]) -> Any:
    """`count_rule` as JSON holds it: a piece of work that is kept."""
    return msgspec.to_builtins(count_rule(rule, seeds, batches), str_keys=True)


def _target_seeds(seeds: int) -> range:
    return range(FIRST_TARGET_SEED, FIRST_TARGET_SEED + seeds)


def _count(half: Half, batch: int, rate: float, seeds: Sequence[int]) -> list[float]:
    train, seen = halves(half)
    return [count_samples(train, seen, batch=batch, rate=rate, seed=seed) for seed in seeds]


def _rates(rule: str, seeds: int, batches: Sequence[int]) -> dict[int, float]:
    """As `experiment` has them: the base, or for "tuned" each batch's rate, of fewest samples."""
    if rule == TUNED:
        return {batch: _best_rate(batch, seeds) for batch in batches}
    known = next(one for one in RULES if one == rule)
    options = [{batch: learning_rate(known, base, batch) for batch in batches} for base in BASES]
    return min(options, key=lambda rates: _product(rates, seeds))


def _best_rate(batch: int, seeds: int) -> float:
    return min(TUNED_RATES, key=lambda rate: _median(batch, rate, seeds))


def _product(rates: Mapping[int, float], seeds: int) -> float:
    """Infinite where some batch never gets there."""
    product = 1.0
    for batch, rate in rates.items():
        product *= _median(batch, rate, seeds)
        if product == inf:
            break
    return product


@lru_cache(maxsize=1024)
def _median(batch: int, rate: float, seeds: int) -> float:
    return statistics.median(_count("proxy", batch, rate, range(seeds)))
