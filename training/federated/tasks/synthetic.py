"""Shifts of the synthetic source: one is mended near the input, two near the output."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import dice
from training.federated.tasks.source import (
    CLASSES,
    FIRST_WORD,
    TOKENS,
    VOCABULARY,
    other_sums,
    sums,
    texts,
)
from training.federated.tasks.task import Examples, Pool

PERMUTED = 0.67
"""Share of the vocabulary that `tokens` permutes."""

_TRAIN = 4000
_VALIDATION = 256
_TEST = 512
_MODEL = "source-4"


def tokens() -> Pool:
    """The source with part of its vocabulary permuted: what a word means has changed."""
    rng = dice(0, "tokens")
    moved = FIRST_WORD + rng.permutation(VOCABULARY - FIRST_WORD)
    moved = moved[: int(PERMUTED * len(moved))]
    written = np.arange(VOCABULARY)
    written[moved] = np.roll(moved, 1)
    x, subjects = texts(_TRAIN + _VALIDATION + _TEST, rng)
    return _pool(written[x], sums(subjects))


def labels() -> Pool:
    """The source with other classes for its pairs of subjects: what an answer means has changed."""
    x, subjects = texts(_TRAIN + _VALIDATION + _TEST, dice(0, "labels"))
    return _pool(x, other_sums(subjects))


def renamed() -> Pool:
    """The source with its classes renamed: only what the head makes of a class has changed."""
    x, subjects = texts(_TRAIN + _VALIDATION + _TEST, dice(0, "renamed"))
    return _pool(x, (sums(subjects) + 1) % CLASSES)


def _pool(x: NDArray[Any], y: NDArray[Any]) -> Pool:
    cuts = [_TRAIN, _TRAIN + _VALIDATION]
    train, validation, test = (
        Examples(x=rows, y=classes)
        for rows, classes in zip(np.split(x, cuts), np.split(y, cuts), strict=True)
    )
    return Pool(
        classes=CLASSES,
        tokens=TOKENS,
        train=train,
        validation=validation,
        test=test,
        model=_MODEL,
    )
