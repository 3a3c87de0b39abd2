"""Digits in two halves: 0 to 4 are the server's proxy, 5 to 9 what the devices learn."""

from functools import lru_cache
from typing import Literal

import numpy as np

from training.federated.tasks.digits import digits
from training.federated.tasks.task import Examples

Half = Literal["proxy", "target"]

CLASSES = 5


def half_of(examples: Examples, half: Half) -> Examples:
    """The examples of one half, with labels from 0 to 4."""
    first = 0 if half == "proxy" else CLASSES
    rows = (examples.y >= first) & (examples.y < first + CLASSES)
    return Examples(x=examples.x[rows], y=examples.y[rows] - first)


@lru_cache(maxsize=2)
def halves(half: Half) -> tuple[Examples, Examples]:
    """What of a half is trained on, and all the rest of it, by which samples are counted."""
    pool = digits()
    rest = Examples(
        x=np.concatenate([pool.validation.x, pool.test.x]),
        y=np.concatenate([pool.validation.y, pool.test.y]),
    )
    return half_of(pool.train, half), half_of(rest, half)
