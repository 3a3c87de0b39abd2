"""How many samples training takes to a goal, by batch and by depth: counted on proxies.

By batch: the joint choice's own proxy, a perceptron on digits 0 to 4, with learning rates by the
square-root rule. By depth: tiny-4 on the task topics, batch 16, at the best of a few rates.
"""

import statistics
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from platforms.training_work import Efficiency
from training.federated.batches import batches
from training.federated.dice import seed_for
from training.federated.profile.networks import BATCHES, REFERENCE_BATCH, suffix_of
from training.federated.systems.joint_batch_frequency.experiment import count_rule
from training.federated.tasks.task import Examples, Pool

RULE = "sqrt"
"""How the learning rate follows the batch in the curve: with its square root."""

DEPTHS = (1, 2, 3, 4)
_RATES = (0.1, 0.2)
_GOAL = 0.5
"""Share of right answers; six kinds of text, a sixth by guessing."""
_LOOK_STEPS = 20
_MOST_STEPS = 800


def curve(seeds: int) -> Efficiency:
    """Samples to 95 % of digits 0 to 4 by batch, medians over seeds; takes a minute."""
    found = count_rule(RULE, seeds).medians("proxy")
    return Efficiency(batches=BATCHES, samples=tuple(found[batch] for batch in BATCHES))


def depth_factors(seeds: int) -> Mapping[int, float]:
    """Times as many samples as the whole of tiny-4, by depth; takes minutes."""
    counted = {depth: samples_at(depth, seeds) for depth in DEPTHS}
    whole = counted[DEPTHS[-1]]
    return {depth: round(samples / whole, 3) for depth, samples in counted.items()}


def samples_at(depth: int, seeds: int) -> float:
    """The median samples to the goal, at the rate where it is least."""
    return min(
        statistics.median(_count(depth, rate, seed) for seed in range(seeds)) for rate in _RATES
    )


def by_share(factors: Mapping[int, float], depth: int, layers: int) -> float:
    """The factor of a network of other `layers`, by its share that is trained.

    >>> by_share({1: 1.6, 2: 1.2, 3: 1.0, 4: 1.0}, 3, 8)
    1.4
    """
    most = max(factors)
    shares = [known / most for known in sorted(factors)]
    values = [factors[known] for known in sorted(factors)]
    return round(float(np.interp(depth / layers, shares, values)), 3)


def _count(depth: int, rate: float, seed: int) -> float:
    import torch
    from torch.nn.functional import cross_entropy

    from training.federated.local import accuracy, logits
    from training.federated.models.load import load_model
    from training.federated.models.shape import shape_of
    from training.federated.suffix import prepare

    pool, seen = _pool()
    model = load_model(pool.model, "", pool.classes, seed)
    prepare(model, suffix_of(shape_of(model), depth))
    stepper = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=rate)
    drawn = batches(
        len(pool.train), batch=REFERENCE_BATCH, steps=_MOST_STEPS, seed=seed_for(seed, "depth")
    )
    for number, rows in enumerate(drawn, start=1):
        x, y = torch.from_numpy(pool.train.x[rows]), torch.from_numpy(pool.train.y[rows])
        model.train()
        stepper.zero_grad()
        cross_entropy(logits(model, x), y).backward()  # type: ignore[no-untyped-call]
        stepper.step()
        if number % _LOOK_STEPS == 0 and accuracy(model, seen) >= _GOAL:
            return float(number * REFERENCE_BATCH)
    return float("inf")


@lru_cache(maxsize=1)
def _pool() -> tuple[Pool, Examples]:
    """The task, and all of it that is not trained on."""
    from training.federated.models.store import store, tokenizer_of
    from training.federated.tasks.topics import MODEL, topics

    pool = topics(tokenizer_of(MODEL, ""), store(""))
    held = (pool.validation, pool.test)
    return pool, Examples(
        x=np.concatenate([part.x for part in held]), y=np.concatenate([part.y for part in held])
    )
