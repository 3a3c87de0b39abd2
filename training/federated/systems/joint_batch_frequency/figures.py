"""What the cells of the grid come to: gains, energies, regrets."""

import math
import statistics
from collections.abc import Iterable, Sequence

from rm.evaluation.summary import interval
from training.federated.systems.joint_batch_frequency.experiment import Cell, Result
from training.federated.systems.joint_batch_frequency.methods import JOINT, ORACLE


def regret(cell: Cell, method: str) -> float | None:
    """How much longer than the optimum a method takes in a cell; None where it never ends."""
    result, best = cell.results[method], cell.results[ORACLE]
    if result is None or best is None or math.isinf(result.median_s):
        return None
    return result.median_s / best.median_s - 1


def pairs_of(
    cells: Sequence[Cell], method: str, reference: str = JOINT
) -> list[tuple[Result, Result]]:
    """The results of both in cells in which both always get there."""
    pairs = [(cell.results[method], cell.results[reference]) for cell in cells]
    return [(other, own) for other, own in pairs if other and own and _ends(other) and _ends(own)]


def _ends(result: Result) -> bool:
    return not any(map(math.isinf, (*result.times_s, result.median_s)))


def gain_of(cells: Sequence[Cell], method: str) -> tuple[str | float | None, ...]:
    """Geometric mean over cells and seeds, its interval over seeds, extremes, counts."""
    pairs = pairs_of(cells, method)
    if not pairs:
        return None, None, None, None, 0, len(cells)
    seeds = range(len(pairs[0][0].times_s))
    by_seed = [
        statistics.mean(math.log(other.times_s[s] / own.times_s[s]) for other, own in pairs)
        for s in seeds
    ]
    found = interval(by_seed)
    between = (
        None
        if found.low is None or found.high is None
        else f"{math.exp(found.low):.2f} to {math.exp(found.high):.2f}"
    )
    medians = [other.median_s / own.median_s for other, own in pairs]
    return (
        f"{math.exp(found.mean):.2f}",
        between,
        f"{min(medians):.2f}",
        f"{max(medians):.2f}",
        len(pairs),
        len(cells) - len(pairs),
    )


def energy_of(cells: Sequence[Cell], method: str) -> str | None:
    """Geometric mean of the energy relative to the joint choice's."""
    logs = [
        math.log(sum(other.energies_j) / sum(own.energies_j))
        for other, own in pairs_of(cells, method)
    ]
    return f"{math.exp(statistics.mean(logs)):.2f}" if logs else None


def share_of(found: Iterable[bool]) -> float:
    """The share of what is true, of at least one."""
    values = list(found)
    return sum(values) / len(values)
