"""How good a network's choices of cores are, in kelvin above the coolest feasible core."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from training.imitation.dataset import FEASIBLE, OCCUPIED

HIT_WITHIN_K = 1.0
_ROUNDING_K = 1e-9


class Figures(Struct, frozen=True, kw_only=True):
    """Figures over `rows`; None where there is no row (or no feasible choice) to take them from.

    `hit_rate` is the share of rows whose choice is feasible and at most `HIT_WITHIN_K` above the
    coolest feasible core, `mean_excess_k` the mean over feasible choices, `infeasible_share` the
    share of rows whose choice misses the target. `random_hit_rate` is the hit rate to expect of a
    free core picked at random: what the figure would be without learning.
    """

    rows: int
    hit_rate: float | None
    mean_excess_k: float | None
    infeasible_share: float | None
    random_hit_rate: float | None


class Quality(Struct, frozen=True, kw_only=True):
    """Choices by the number of feasible cores: two or more (`choice`), or one alone (`single`).

    They are kept apart, as the easy rows of the second kind would inflate the first.
    `rows_without_feasible` were left out: no choice was right.
    """

    choice: Figures
    single: Figures
    rows_without_feasible: int


def judge(
    scores: NDArray[np.floating],
    *,
    temp_c: NDArray[np.float64],
    status: NDArray[np.int8],
) -> Quality:
    """Judge choosing the core with the highest score among those not occupied.

    All arrays have one row per scenario and one column per core; `temp_c` is looked at only where
    `status` is feasible. Of equal scores the lowest core wins.
    """
    feasible = status == FEASIBLE
    count = feasible.sum(axis=1)
    free = status != OCCUPIED
    return Quality(
        choice=_figures(scores, temp_c, feasible, free, count >= 2),
        single=_figures(scores, temp_c, feasible, free, count == 1),
        rows_without_feasible=int((count == 0).sum()),
    )


def _figures(
    scores: NDArray[np.floating],
    temp_c: NDArray[np.float64],
    feasible: NDArray[np.bool_],
    free: NDArray[np.bool_],
    rows: NDArray[np.bool_],
) -> Figures:
    """The figures over the rows where the mask `rows` is true."""
    total = int(rows.sum())
    if not total:
        return Figures(
            rows=0, hit_rate=None, mean_excess_k=None, infeasible_share=None, random_hit_rate=None
        )
    excess_k = _excess_k(temp_c[rows], feasible[rows])
    hits = excess_k <= HIT_WITHIN_K + _ROUNDING_K
    chosen = np.where(free[rows], scores[rows], -np.inf).argmax(axis=1)[:, None]
    chosen_excess_k = np.take_along_axis(excess_k, chosen, axis=1)
    reached = np.isfinite(chosen_excess_k)
    return Figures(
        rows=total,
        hit_rate=float(np.take_along_axis(hits, chosen, axis=1).mean()),
        mean_excess_k=float(chosen_excess_k[reached].mean()) if reached.any() else None,
        infeasible_share=float(1.0 - reached.mean()),
        random_hit_rate=float((hits.sum(axis=1) / free[rows].sum(axis=1)).mean()),
    )


def _excess_k(temp_c: NDArray[np.float64], feasible: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Kelvin above each row's coolest feasible core, infinite for cores that are not feasible."""
    known = np.where(feasible, temp_c, np.inf)
    excess: NDArray[np.float64] = known - known.min(axis=1, keepdims=True)
    return excess
