"""Tune every method on the same grid: by the validation accuracy at the end, with its own seed."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from training.federated.study import Outcome
from training.federated.system import Setup

SEED = 1_000_003
"""The seed of tuning runs; no final run has it."""


class Trial(Struct, frozen=True, kw_only=True):
    """One point of the grid, and the validation accuracy that it came to."""

    options: dict[str, Any]
    validation: float


class Tuned(Struct, frozen=True, kw_only=True):
    """What was tried for a contestant, what is taken, and which of it lies at the grid's end.

    `at_end` names the options whose smallest or largest value beat all others that were tried: a
    wider grid might have a better one.
    """

    scene: str
    contestant: str
    trials: tuple[Trial, ...]
    chosen: dict[str, Any]
    at_end: tuple[str, ...]


def grid_of(
    setup: Setup, grid: Mapping[str, Sequence[Any]], values_each: int
) -> tuple[dict[str, Any], ...]:
    """The points of the grid for a setup; an option that it names itself is not tuned.

    >>> setup = Setup(system="s", method="m", task="t", options={"rank": 4})
    >>> grid_of(setup, {"rate": (0.1, 0.3, 1.0), "rank": (2, 4)}, 1)
    ({'rate': 0.3},)
    """
    tuned = {
        name: middle(values, values_each)
        for name, values in grid.items()
        if name not in setup.options
    }
    return tuple(dict(zip(tuned, point, strict=True)) for point in product(*tuned.values()))


def middle(values: Sequence[Any], count: int) -> Sequence[Any]:
    """So many values from the middle; all where there are fewer.

    >>> middle((1, 2, 3, 4, 5), 3), middle((1, 2), 3), middle((1, 2, 3, 4), 1)
    ((2, 3, 4), (1, 2), (2,))
    """
    first = max(len(values) - count, 0) // 2
    return values[first : first + count]


def with_options(setup: Setup, options: Mapping[str, Any]) -> Setup:
    """The setup with more options."""
    return replace(setup, options={**setup.options, **options})


def choose(outcomes: Sequence[Outcome]) -> int:
    """The number of the best run: validation accuracy at the end, then its mean over the rounds."""
    merits = [
        (outcome.points[-1].validation, float(np.mean([p.validation for p in outcome.points])))
        for outcome in outcomes
    ]
    return merits.index(max(merits))


def ends(trials: Sequence[Trial], chosen: Mapping[str, Any]) -> tuple[str, ...]:
    """The options whose chosen value is the first or last that was tried and beats all others.

    >>> low = Trial(options={"rate": 0.1}, validation=0.7)
    >>> tried = [low, Trial(options={"rate": 1.0}, validation=0.8)]
    >>> ends(tried, {"rate": 1.0})
    ('rate',)
    >>> ends(tried[:1], {"rate": 0.1})
    ()
    """
    return tuple(name for name in chosen if _is_best_end(trials, name, chosen[name]))


def _is_best_end(trials: Sequence[Trial], name: str, value: Any) -> bool:
    values = list(dict.fromkeys(trial.options[name] for trial in trials))
    if len(values) < 2 or value not in (values[0], values[-1]):
        return False
    best = {
        is_it: max(t.validation for t in trials if (t.options[name] == value) is is_it)
        for is_it in (True, False)
    }
    return best[True] > best[False]
