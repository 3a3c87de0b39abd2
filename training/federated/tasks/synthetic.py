"""Two shifts of the synthetic source: one that is mended near the input, one near the output."""

import numpy as np

from training.federated.dice import dice
from training.federated.tasks.source import (
    CLASSES,
    FIRST_TOKEN,
    TOKENS,
    VOCABULARY,
    texts,
)
from training.federated.tasks.task import Examples, Pool

PERMUTED = 0.5
"""Share of the vocabulary that `tokens` permutes."""

_TRAIN = 4000
_VALIDATION = 256
_TEST = 512
_MODEL = "source-4"


def tokens() -> Pool:
    """The source with part of its vocabulary permuted: what a token means has changed."""
    rng = dice(0, "tokens")
    moved = FIRST_TOKEN + rng.permutation(VOCABULARY - FIRST_TOKEN)
    moved = moved[: int(PERMUTED * len(moved))]
    meaning = np.arange(VOCABULARY)
    meaning[moved] = np.roll(moved, 1)
    return _pool(rng, classes=CLASSES, words=meaning, labels=np.arange(CLASSES))


def labels() -> Pool:
    """The source with classes joined in pairs: what an answer means has changed."""
    rng = dice(0, "labels")
    pairs = rng.permutation(CLASSES) // 2
    return _pool(rng, classes=CLASSES // 2, words=np.arange(VOCABULARY), labels=pairs)


def _pool(rng: np.random.Generator, *, classes: int, words: np.ndarray, labels: np.ndarray) -> Pool:
    drawn = texts(_TRAIN + _VALIDATION + _TEST, rng)
    x, y = words[drawn.x], labels[drawn.y]
    parts = [
        Examples(x=part, y=classes_)
        for part, classes_ in zip(
            np.split(x, [_TRAIN, _TRAIN + _VALIDATION]),
            np.split(y, [_TRAIN, _TRAIN + _VALIDATION]),
            strict=True,
        )
    ]
    return Pool(
        classes=classes,
        tokens=TOKENS,
        train=parts[0],
        validation=parts[1],
        test=parts[2],
        model=_MODEL,
    )
