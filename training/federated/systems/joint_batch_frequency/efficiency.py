"""How many samples training takes to its target with a batch: counted, not timed."""

import statistics
from collections.abc import Mapping, Sequence
from functools import lru_cache

from training.federated.batches import batches
from training.federated.dice import seed_for
from training.federated.systems.joint_batch_frequency.digits import CLASSES, Half, halves
from training.federated.systems.joint_batch_frequency.perceptron import (
    accuracy,
    first_weights,
    step,
)
from training.federated.systems.joint_batch_frequency.rates import Rule, learning_rate
from training.federated.tasks.task import Examples

TARGET = 0.95
LOOK_SAMPLES = 16
"""Accuracy is looked at after so many samples, or after every step of a larger batch."""
MOST_SAMPLES = 60_000
"""Who is not there by then is said never to be."""


def count_samples(
    train: Examples, seen: Examples, *, batch: int, rate: float, seed: int, target: float = TARGET
) -> float:
    """Samples until `seen` is classified so well; infinite where that takes too many."""
    weights = first_weights(train.x.shape[1], CLASSES, seed=seed)
    steps = MOST_SAMPLES // batch
    drawn = batches(len(train), batch=batch, steps=steps, seed=seed_for(seed, "efficiency"))
    every = max(1, LOOK_SAMPLES // batch)
    samples = 0
    for number, rows in enumerate(drawn, start=1):
        weights, _ = step(weights, train.x[rows], train.y[rows], rate)
        samples += len(rows)
        if number % every == 0 and accuracy(weights, seen.x, seen.y) >= target:
            return float(samples)
    return float("inf")


@lru_cache(maxsize=256)
def samples_of(half: Half, rule: Rule, base: float, batch: int, seeds: int) -> float:
    """The median over seeds of the samples to the target, on a half of the digits."""
    train, seen = halves(half)
    rate = learning_rate(rule, base, batch)
    counted = [
        count_samples(train, seen, batch=batch, rate=rate, seed=seed) for seed in range(seeds)
    ]
    return statistics.median(counted)


def samples_table(
    half: Half, rule: Rule, base: float, sizes: Sequence[int], seeds: int
) -> Mapping[int, float]:
    """Samples to the target by batch; a batch that does not get there is left out."""
    counted = {batch: samples_of(half, rule, base, batch, seeds) for batch in sizes}
    return {batch: samples for batch, samples in counted.items() if samples < float("inf")}
