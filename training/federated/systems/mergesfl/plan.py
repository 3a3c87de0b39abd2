"""The control module: who takes part in a round, with which batch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from training.federated.systems.mergesfl.methods import Method, Selection
from training.federated.systems.mergesfl.network import Floats
from training.federated.systems.mergesfl.options import Options
from training.federated.systems.mergesfl.priority import guest
from training.federated.systems.mergesfl.regulation import (
    Pace,
    choose_batches,
    equal_batches,
    step_s,
)
from training.federated.systems.mergesfl.selection.at_random import at_random
from training.federated.systems.mergesfl.selection.genetic import genetic
from training.federated.systems.mergesfl.selection.greedy import greedy
from training.federated.systems.mergesfl.selection.pool import Members, Pool, mixes_of


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the server knows of the workers that are present.

    Their paces, how often each was chosen, and, where selection looks at them, label counts.
    """

    paces: Mapping[str, Pace]
    chosen: Mapping[str, int]
    counts: Mapping[str, Floats]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Batches of the chosen; `divergence` of the merged labels in nats, where labels are known."""

    batches: dict[str, int]
    divergence: float | None = None


def needs_labels(selection: Selection) -> bool:
    """Whether a selection looks at labels."""
    return selection in ("genetic", "greedy")


def make_plan(
    known: Known, method: Method, options: Options, round_: int, rng: Generator, sample_bytes: float
) -> Plan:
    """The plan of a round; `sample_bytes` is what a sample sends to the server."""
    choose = choose_batches if method.regulated else equal_batches
    batches = choose(known.paces, options.batch)
    if method.selection == "everyone":
        return Plan(batches=batches)
    pool = pool_of(known, batches, options, round_, sample_bytes)
    members = _members(pool, method.selection, options, rng)
    kept = {
        worker: b for (worker, b), member in zip(batches.items(), members, strict=True) if member
    }
    divergence = float(pool.divergences(members[None])[0]) if known.counts else None
    return Plan(batches=kept, divergence=divergence)


def pool_of(
    known: Known,
    batches: Mapping[str, int],
    options: Options,
    round_: int,
    sample_bytes: float,
) -> Pool:
    """The workers as the selection sees them; one label for all where none are known."""
    workers = list(batches)
    counts = np.array([known.counts.get(worker, [1.0]) for worker in workers], np.float64)
    mixes, whole = mixes_of(counts)
    loads = loads_of(known.paces, batches, sample_bytes, options.line_bytes_per_s)
    return Pool(
        mixes=mixes,
        batches=np.array(list(batches.values()), np.float64),
        loads=np.array([loads[worker] for worker in workers]),
        wanted=whole,
        guest=workers.index(guest({w: known.chosen.get(w, 0) for w in workers}, round_)),
        tolerance=options.tolerance,
        price=options.price,
    )


def loads_of(
    paces: Mapping[str, Pace],
    batches: Mapping[str, int],
    sample_bytes: float,
    line_bytes_per_s: float,
) -> dict[str, float]:
    """The share of the server's line that each worker's batch fills in the time of a step.

    A line without bound (0) is one that just takes them all.

    >>> paces = {"a": Pace(0.5, 0.5), "b": Pace(1.0, 1.0)}
    >>> loads_of(paces, {"a": 4, "b": 2}, 10.0, 20.0)
    {'a': 0.5, 'b': 0.25}
    >>> loads_of(paces, {"a": 3, "b": 1}, 10.0, 0.0)
    {'a': 0.75, 'b': 0.25}
    """
    taken = line_bytes_per_s * step_s(paces, batches) or sample_bytes * sum(batches.values())
    return {worker: batch * sample_bytes / taken for worker, batch in batches.items()}


def _members(pool: Pool, selection: Selection, options: Options, rng: Generator) -> Members:
    if selection == "random":
        return at_random(pool, rng)
    if selection == "greedy":
        return greedy(pool)
    return genetic(pool, rng, population=options.population, generations=options.generations)
