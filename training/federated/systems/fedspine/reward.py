"""What a device's choice was worth: FedSpine's four ingredients, each in 0..1.

Reported are the ingredients: improvement of the local loss, progress of pruning, importance of the
LoRA update, and completion time relative to the other devices. Their forms and weights are not
known; those here are a reconstruction.
"""

from msgspec import Struct


class Weights(Struct, frozen=True, kw_only=True):
    """What each ingredient counts for (assumed); they sum to 1."""

    gain: float = 0.2
    progress: float = 0.2
    update: float = 0.1
    balance: float = 0.5


def gain(before: float | None, after: float) -> float:
    """The share of a loss that is gone, 0..1; 0 where none is known from before.

    >>> gain(2.0, 1.5), gain(2.0, 3.0), gain(None, 1.0)
    (0.25, 0.0, 0.0)
    """
    if before is None or before <= 0.0:
        return 0.0
    return min(max((before - after) / before, 0.0), 1.0)


def progress(ratio: float, target: float) -> float:
    """How far towards the final sparsity, 0..1.

    >>> progress(0.25, 0.5), progress(0.6, 0.5)
    (0.5, 1.0)
    """
    return min(ratio / target, 1.0) if target > 0.0 else 1.0


def balance(time_s: float, pace_s: float, *, late_only: bool = False) -> float:
    """How close a time is to the others' mean: the shorter's share of the longer, 0..1.

    With `late_only` who is faster than the mean loses nothing.

    >>> balance(2.0, 2.0), balance(1.0, 2.0), balance(4.0, 2.0)
    (1.0, 0.5, 0.5)
    >>> balance(1.0, 2.0, late_only=True)
    1.0
    """
    longer = max(time_s, pace_s)
    if longer <= 0.0 or (late_only and time_s <= pace_s):
        return 1.0
    return min(time_s, pace_s) / longer


def reward(
    weights: Weights, *, gain: float, progress: float, update: float, balance: float
) -> float:
    """The weighted sum of the four.

    >>> round(reward(Weights(), gain=1.0, progress=1.0, update=1.0, balance=1.0), 9)
    1.0
    """
    return (
        weights.gain * gain
        + weights.progress * progress
        + weights.update * update
        + weights.balance * balance
    )
