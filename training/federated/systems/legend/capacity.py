"""What a device can do, estimated from what its rounds took."""

from msgspec import Struct

from training.federated.systems.suffix_tuning.load import Load


class Capacity(Struct, frozen=True, kw_only=True):
    """Seconds per FLOP, per byte sent, and per byte received."""

    compute: float
    up: float
    down: float


def observed(load: Load, *, compute_s: float, up_s: float, down_s: float) -> Capacity:
    """The capacity that a round showed."""
    return Capacity(
        compute=compute_s / load.flops,
        up=up_s / load.up_bytes,
        down=down_s / load.down_bytes,
    )


def smoothed(old: Capacity, new: Capacity, *, keep: float) -> Capacity:
    """The estimate after an observation: keep * old + (1 - keep) * new.

    >>> slow, fast = (Capacity(compute=c, up=1.0, down=1.0) for c in (2.0, 1.0))
    >>> smoothed(slow, fast, keep=0.8).compute
    1.8
    """
    return Capacity(
        compute=keep * old.compute + (1 - keep) * new.compute,
        up=keep * old.up + (1 - keep) * new.up,
        down=keep * old.down + (1 - keep) * new.down,
    )


def predicted_s(capacity: Capacity, load: Load) -> float:
    """How long a round's work takes.

    With a load per depth this is LEGEND's t(k) = tau * (t_fwd * L + t_bwd * k) * mu + beta * sum
    of ranks: FLOPs are linear in k, bytes in the ranks of the trained layers.
    """
    return (
        capacity.compute * load.flops
        + capacity.up * load.up_bytes
        + capacity.down * load.down_bytes
    )
