"""A synthetic language whose best classifier is known: only the order of tokens tells the class.

Tokens belong to groups. In class c, after a token of group g comes, with probability `STRENGTH`,
one of group `_ORDERS[c][g]`, else one of any group. All tokens are as frequent in all classes, so
that no bag of words tells them apart; the likelihood of a text in each class is known exactly, and
with it the best possible accuracy.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import dice
from training.federated.tasks.task import Examples

CLASSES = 8
GROUPS = 8
PER_GROUP = 8
FIRST_TOKEN = 2
"""Id of the first token of the language; 0 pads, 1 begins every text."""
VOCABULARY = FIRST_TOKEN + GROUPS * PER_GROUP
TOKENS = 24
STRENGTH = 0.5

_ORDERS = np.stack([dice(0, "source", "order", c).permutation(GROUPS) for c in range(CLASSES)])


def texts(count: int, rng: np.random.Generator) -> Examples:
    """So many texts of `TOKENS` tokens, the first of them 1, and their classes."""
    y = rng.integers(CLASSES, size=count)
    groups = np.empty((count, TOKENS - 1), np.int64)
    groups[:, 0] = rng.integers(GROUPS, size=count)
    for place in range(1, TOKENS - 1):
        follows = rng.random(count) < STRENGTH
        anything = rng.integers(GROUPS, size=count)
        groups[:, place] = np.where(follows, _ORDERS[y, groups[:, place - 1]], anything)
    words = groups * PER_GROUP + rng.integers(PER_GROUP, size=groups.shape)
    x = np.concatenate([np.ones((count, 1), np.int64), words + FIRST_TOKEN], axis=1)
    return Examples(x=x, y=y)


def likeliest(x: NDArray[Any]) -> NDArray[Any]:
    """The class of each text by its exact likelihood: no classifier is right more often."""
    groups = (x[:, 1:] - FIRST_TOKEN) // PER_GROUP
    before, after = groups[:, :-1], groups[:, 1:]
    follows = np.stack([(_ORDERS[c][before] == after).sum(1) for c in range(CLASSES)], axis=1)
    best: NDArray[Any] = follows.argmax(1)
    return best
