"""Which batch size and place: the paper's joint choice, and the choices it is compared with.

All are pure functions of tables; `samples` maps a batch size to the samples that training takes to
its target with it. Each returns a pair that holds the power cap, or raises NoPlace.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from platforms.errors import InvalidInput
from training.federated.systems.joint_batch_frequency.tables import Place, Tables


class NoPlace(InvalidInput):
    """The power cap lies below all that could be chosen."""


def choose_bf(
    tables: Tables[Place], samples: Mapping[int, float], cap_w: float
) -> tuple[int, Place]:
    """The pair of batch and place under the cap with the least time to the target.

    This is the argmin of time per sample x samples to the target, with samples estimated on a
    proxy; with the target's own samples it is the exhaustive optimum.

    >>> pairs = {(8, "slow"): 2.0, (8, "fast"): 1.0, (64, "slow"): 1.2, (64, "fast"): 0.6}
    >>> watts = {(8, "slow"): 3.0, (8, "fast"): 5.0, (64, "slow"): 4.0, (64, "fast"): 7.0}
    >>> device = Tables(pairs, watts, watts, "modelled")
    >>> choose_bf(device, {8: 1000, 64: 1500}, cap_w=7.0)
    (64, 'fast')
    >>> choose_bf(device, {8: 1000, 64: 1500}, cap_w=6.0)
    (8, 'fast')
    """
    return _least(tables, feasible(tables, cap_w, samples), _time_to_target(tables, samples))


def time_per_sample(tables: Tables[Place], cap_w: float) -> tuple[int, Place]:
    """The pair with the least time per sample, whatever the batch makes of the samples."""
    return _least(tables, feasible(tables, cap_w), tables.sample_s.__getitem__)


def samples_first(
    tables: Tables[Place], samples: Mapping[int, float], cap_w: float
) -> tuple[int, Place]:
    """The batch with the fewest samples to the target, then its fastest place."""
    pairs = feasible(tables, cap_w, samples)
    batch = min((batch for batch, _ in pairs), key=lambda b: (samples[b], b))
    return fixed_batch(tables, batch, cap_w)


def batch_then_cap(
    tables: Tables[Place], samples: Mapping[int, float], cap_w: float
) -> tuple[int, Place]:
    """The batch of the joint choice without a cap, then its fastest place: what jointness adds."""
    batch, _ = choose_bf(tables, samples, float("inf"))
    return fixed_batch(tables, batch, cap_w)


def fixed_batch(tables: Tables[Place], batch: int, cap_w: float) -> tuple[int, Place]:
    """Frequency capping: the fastest place for a given batch (on a GPU the highest frequency)."""
    pairs = [pair for pair in feasible(tables, cap_w) if pair[0] == batch]
    if not pairs:
        raise NoPlace(f"batch {batch} must have a place under {cap_w:g} W (it has none)")
    return _least(tables, pairs, tables.sample_s.__getitem__)


def feasible(
    tables: Tables[Place], cap_w: float, among: Iterable[int] | None = None
) -> list[tuple[int, Place]]:
    """The pairs whose peak power holds the cap, for the batches `among` (None: all)."""
    batches = set(tables.batches if among is None else among)
    known = [pair for pair in tables.sample_s if pair[0] in batches]
    pairs = [pair for pair in known if tables.peak_w[pair] <= cap_w]
    if not pairs:
        least_w = min((tables.peak_w[pair] for pair in known), default=float("nan"))
        raise NoPlace(f"power cap must be at least {least_w:.3g} W, the least peak (got {cap_w:g})")
    return pairs


def time_to_target(
    tables: Tables[Place], pair: tuple[int, Place], samples: Mapping[int, float]
) -> float:
    """Seconds that training takes to its target."""
    return tables.sample_s[pair] * samples[pair[0]]


def energy_to_target(
    tables: Tables[Place], pair: tuple[int, Place], samples: Mapping[int, float]
) -> float:
    """Joules that training takes to its target."""
    return tables.mean_w[pair] * time_to_target(tables, pair, samples)


def _time_to_target(
    tables: Tables[Place], samples: Mapping[int, float]
) -> Callable[[tuple[int, Place]], float]:
    return lambda pair: time_to_target(tables, pair, samples)


def _least(
    tables: Tables[Place],
    pairs: Iterable[tuple[int, Place]],
    cost: Callable[[tuple[int, Place]], float],
) -> tuple[int, Place]:
    """The cheapest pair; of equal ones that with the lower peak, then the smaller batch."""

    def order(pair: tuple[int, Place]) -> tuple[Any, ...]:
        return cost(pair), tables.peak_w[pair], pair[0]

    return min(pairs, key=order)
