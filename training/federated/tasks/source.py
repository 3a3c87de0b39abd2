"""A synthetic language whose best classifier is known.

A text has two hidden subjects, each one of `SUBJECTS` of its own kind. A token is, with probability
`STRENGTH`, a word of the first subject, with the same probability one of the second, else any word
at all. The class is the sum of both subjects modulo `SUBJECTS`: neither subject alone says anything
about it, so that no classifier that only weighs words is better than chance. The likelihood of a
text under every pair of subjects is known, and with it the best possible accuracy.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SUBJECTS = 4
CLASSES = SUBJECTS
WORDS = 8
"""Words of each subject."""
FIRST_WORD = 2
"""Id of the first word; 0 pads, 1 begins every text."""
VOCABULARY = FIRST_WORD + 2 * SUBJECTS * WORDS
TOKENS = 24
STRENGTH = 0.3
OTHER = (0, 2, 3, 1)
"""What the second subject counts as in the other class."""


def sums(subjects: NDArray[Any]) -> NDArray[Any]:
    """The class of the source by both subjects (a row each)."""
    return _labels(subjects[:, 0] + subjects[:, 1])


def other_sums(subjects: NDArray[Any]) -> NDArray[Any]:
    """Another class by both subjects, which three in four of their pairs change."""
    return _labels(subjects[:, 0] + np.array(OTHER)[subjects[:, 1]])


def texts(count: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """So many texts of `TOKENS` tokens, the first of them 1, and their subjects (a row each)."""
    subjects = rng.integers(SUBJECTS, size=(count, 2))
    size = (count, TOKENS - 1)
    kind = rng.choice(3, size=size, p=[STRENGTH, STRENGTH, 1 - 2 * STRENGTH])
    own = np.where(kind == 0, subjects[:, :1], SUBJECTS + subjects[:, 1:])
    own = own * WORDS + rng.integers(WORDS, size=size)
    words = np.where(kind == 2, rng.integers(2 * SUBJECTS * WORDS, size=size), own)
    begin = np.ones((count, 1), np.int64)
    return np.concatenate([begin, words + FIRST_WORD], axis=1), subjects


def likeliest(
    x: NDArray[Any], *, counts_as: tuple[int, ...] = tuple(range(SUBJECTS))
) -> NDArray[Any]:
    """The likeliest class of texts: nothing is right more often, but for luck.

    `counts_as` is what the second subject counts as in the class.
    """
    owner = (x[:, 1:] - FIRST_WORD) // WORDS
    anyone = (1 - 2 * STRENGTH) / (2 * SUBJECTS)
    pairs = [(a, b) for a in range(SUBJECTS) for b in range(SUBJECTS)]
    chance = np.zeros((len(x), SUBJECTS))
    for a, b in pairs:
        own = (owner == a) | (owner == SUBJECTS + b)
        chance[:, (a + counts_as[b]) % SUBJECTS] += np.where(own, STRENGTH + anyone, anyone).prod(1)
    return _labels(chance.argmax(1))


def _labels(values: NDArray[Any]) -> NDArray[Any]:
    found: NDArray[Any] = (values % SUBJECTS).astype(np.int64)
    return found
