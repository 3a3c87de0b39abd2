"""How good choices of cores are, in kelvin above the coolest feasible core.

A network is worth its place on the board only if it beats choices that need none: one order of
cores always (`constant`), or any free core (`at_random`). All are judged alike (`judge`).
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.special import stdtrit

from oracle.labels import FEASIBLE, OCCUPIED
from training.imitation.dataset import Demonstrations

HIT_WITHIN_K = 1.0
WIDE_ABOVE_K = 1.0
CONFIDENCE = 0.95
_ROUNDING_K = 1e-9
_NO_SCATTER = 1e-12

Mask = NDArray[np.bool_]


class Estimate(Struct, frozen=True, kw_only=True):
    """A figure over rows, and its 95 % interval from `low` to `high`.

    The interval is None where scenarios do not differ (or there is one): nothing shows its width.
    Rows of one scenario are near copies of each other, so the interval counts scenarios. It says
    what other scenarios of the same applications would give, not what other applications would.
    """

    value: float
    low: float | None
    high: float | None


class Figures(Struct, frozen=True, kw_only=True):
    """Figures over `rows`; None where there is no row (or no feasible choice) to take them from.

    `hit_rate` is the share of rows whose choice is feasible and at most `HIT_WITHIN_K` above the
    coolest feasible core, `mean_excess_k` the mean over feasible choices, `infeasible_share` the
    share of rows whose choice misses the target.
    """

    rows: int
    scenarios: int
    hit_rate: Estimate | None
    mean_excess_k: Estimate | None
    infeasible_share: float | None


class Quality(Struct, frozen=True, kw_only=True):
    """Choices by the number of feasible cores: two or more (`choice`), or one alone (`single`).

    They are kept apart, as the easy rows of the second kind would inflate the first. `wide` are
    the rows of `choice` that matter: their feasible cores lie more than `WIDE_ABOVE_K` apart, so
    not every choice is a hit. `rows_without_feasible` were left out: no choice was right.
    """

    choice: Figures
    wide: Figures
    single: Figures
    rows_without_feasible: int


def judge(chances: NDArray[np.floating], rows: Demonstrations) -> Quality:
    """Judge choices, given as each core's chance (0 to 1) to be chosen in each row."""
    excess_k = _excess_k(rows)
    count = np.isfinite(excess_k).sum(axis=1)

    def over(mask: Mask) -> Figures:
        return _figures(chances[mask], excess_k[mask], rows.scenario[mask])

    return Quality(
        choice=over(count >= 2),
        wide=over(_is_wide(excess_k)),
        single=over(count == 1),
        rows_without_feasible=int((count == 0).sum()),
    )


def highest(scores: NDArray[np.floating], rows: Demonstrations) -> NDArray[np.float64]:
    """The chances of a network: it chooses the highest score among the cores not occupied.

    Of equal scores the lowest core wins.
    """
    chosen = np.where(rows.status != OCCUPIED, scores, -np.inf).argmax(axis=1)
    chances: NDArray[np.float64] = np.eye(scores.shape[1])[chosen]
    return chances


def constant(order: NDArray[np.floating], rows: Demonstrations) -> NDArray[np.float64]:
    """The chances of always choosing the free core with the highest figure in `order`."""
    return highest(np.broadcast_to(order, rows.status.shape), rows)


def at_random(rows: Demonstrations) -> NDArray[np.float64]:
    """The chances of choosing any core not occupied: what the figures would be without learning."""
    free = rows.status != OCCUPIED
    chances: NDArray[np.float64] = free / np.maximum(free.sum(axis=1, keepdims=True), 1)
    return chances


def best_constant(training: Demonstrations) -> NDArray[np.float64]:
    """Per core its mean label over the training rows where it is free; -inf where it never is.

    As an order for `constant` this is the best that can be known of cores without looking at a row.
    """
    free = training.status != OCCUPIED
    count = free.sum(axis=0)
    total = np.where(free, training.labels, 0.0).sum(axis=0)
    mean: NDArray[np.float64] = np.where(count > 0, total / np.maximum(count, 1), -np.inf)
    return mean


def best_constant_of_wide(training: Demonstrations) -> NDArray[np.float64]:
    """`best_constant` of the rows that matter alone: it need not mind where targets are missed."""
    return best_constant(training.take(_is_wide(_excess_k(training))))


def _excess_k(rows: Demonstrations) -> NDArray[np.float64]:
    """Kelvin above each row's coolest feasible core, infinite for cores that are not feasible."""
    feasible = rows.status == FEASIBLE
    coolest = np.where(feasible, rows.temp_c, np.inf).min(axis=1, keepdims=True)
    excess = np.full(rows.temp_c.shape, np.inf)
    np.subtract(rows.temp_c, coolest, out=excess, where=feasible)
    return excess


def _is_wide(excess_k: NDArray[np.float64]) -> Mask:
    """Per row whether its feasible cores lie more than `WIDE_ABOVE_K` apart."""
    known = np.where(np.isfinite(excess_k), excess_k, 0.0)
    wide: Mask = known.max(axis=1) > WIDE_ABOVE_K + _ROUNDING_K
    return wide


def _figures(
    chances: NDArray[np.floating],
    excess_k: NDArray[np.float64],
    scenario: NDArray[np.int32],
) -> Figures:
    reached = np.isfinite(excess_k)
    hit = (chances * (excess_k <= HIT_WITHIN_K + _ROUNDING_K)).sum(axis=1)
    met = (chances * reached).sum(axis=1)
    excess = (chances * np.where(reached, excess_k, 0.0)).sum(axis=1)
    return Figures(
        rows=len(scenario),
        scenarios=len(np.unique(scenario)),
        hit_rate=estimate(hit, np.ones(len(hit)), scenario, highest=1.0),
        mean_excess_k=estimate(excess, met, scenario),
        infeasible_share=float(1.0 - met.mean()) if len(met) else None,
    )


def estimate(
    sums: NDArray[np.float64],
    weights: NDArray[np.float64],
    scenario: NDArray[np.integer],
    *,
    highest: float = np.inf,
) -> Estimate | None:
    """``sum(sums) / sum(weights)`` over rows, its interval from the scatter between scenarios.

    The ratio estimator of cluster sampling with Student's t (Cochran, *Sampling Techniques*, 3rd
    ed. 1977, section 2.11), cut at 0 and `highest`. None where the weights sum to nothing.

    >>> e = estimate(np.array([1.0, 1.0, 0.0]), np.ones(3), np.array([7, 7, 9]), highest=1.0)
    >>> round(e.value, 3), e.low, e.high
    (0.667, 0.0, 1.0)
    """
    _, cluster = np.unique(scenario, return_inverse=True)
    total = float(weights.sum())
    if not total > 0.0:
        return None
    value = float(sums.sum()) / total
    off = np.bincount(cluster, weights=sums - value * weights)
    if np.abs(off).max() <= _NO_SCATTER * total:
        return Estimate(value=value, low=None, high=None)
    count = len(off)
    error = float(np.sqrt(count / (count - 1) * (off**2).sum())) / total
    reach = float(stdtrit(count - 1, 0.5 + CONFIDENCE / 2)) * error
    return Estimate(value=value, low=max(0.0, value - reach), high=min(highest, value + reach))
