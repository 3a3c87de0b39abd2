"""How the learning rate follows the batch size. The paper's rule is not known; it decides."""

import math
from typing import Literal

Rule = Literal["constant", "sqrt", "linear"]
RULES: tuple[Rule, ...] = ("constant", "sqrt", "linear")

BASE_BATCH = 16
"""The batch at which a rule gives the base rate."""

_POWER = {"constant": 0.0, "sqrt": 0.5, "linear": 1.0}


def learning_rate(rule: Rule, base: float, batch: int) -> float:
    """The learning rate for a batch.

    >>> [learning_rate(rule, 0.1, 64) for rule in RULES]
    [0.1, 0.2, 0.4]
    """
    return base * math.pow(batch / BASE_BATCH, _POWER[rule])
