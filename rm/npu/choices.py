"""What other scores change: which of several rows, or which output of one, is the best."""

import numpy as np
from msgspec import Struct

from npu_runtime.backend import Rows
from rm.mapping.rows import OUTPUTS as HEAT

OF_SO_MANY = 16
"""Mappings that are rated at a time, where the network's one score is a mapping's heat (chosen)."""


class Choices(Struct, frozen=True, kw_only=True):
    """`made` choices, the share of them that changed, and what the worst change costs.

    The regret is judged by the right scores and in their unit: kelvins for the heat of mappings.
    """

    made: int
    changed: float
    worst_regret: float


def choices(right: Rows, found: Rows, outputs: tuple[str, ...]) -> Choices:
    """Scores (B, N) against the right ones.

    One output is the heat of a mapping: the coolest of sixteen rows is chosen. Several are an
    application's gain on each core: the best of a row is.

    >>> right = np.array([[0.0, 1.0], [3.0, 2.0]], np.float32)
    >>> choices(right, right[:, ::-1], ("core0", "core1"))
    Choices(made=2, changed=1.0, worst_regret=1.0)
    """
    if outputs == HEAT:
        right, found = (-_groups(scores[:, 0]) for scores in (right, found))
    best, chosen = right.argmax(axis=1), found.argmax(axis=1)
    each = np.arange(len(right))
    regret = right[each, best] - right[each, chosen]
    return Choices(
        made=len(right),
        changed=float((best != chosen).mean()),
        worst_regret=float(regret.max()),
    )


def _groups(heat: Rows) -> Rows:
    """Heats (R,) in groups of sixteen; what is left over is left out, unless there is no more."""
    size = min(OF_SO_MANY, len(heat))
    return heat[: len(heat) // size * size].reshape(-1, size)
