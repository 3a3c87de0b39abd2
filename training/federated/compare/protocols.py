"""The three protocols: quality under budget, cost to target, robustness.

Every figure is a mean over seeds with Student's 95 % interval; differences and ratios to the
system's own method are taken seed by seed.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from rm.evaluation.summary import Interval, geometric_interval, interval
from training.federated.compare.contestants import Contestant
from training.federated.compare.play import UNSOUND
from training.federated.study import Outcome, Point

TARGET_SHARE = 0.9
"""The target lies so far on the way from the accuracy before training to the best one at the end"""

RESOURCES: Mapping[str, Callable[[Point], float]] = {
    "time": lambda point: point.time_s,
    "bytes": lambda point: float(point.up_bytes + point.down_bytes),
    "energy": lambda point: point.energy_j,
    "flops": lambda point: point.flops,
}
"""What is spent: virtual seconds, bytes up and down, joules of all devices, operations."""


class Summary(Struct, frozen=True, kw_only=True):
    """A contestant at the end of its runs; `difference` is its accuracy less the reference's.

    `unsound` counts replies over all seeds that were left out because they were not sound.
    """

    contestant: str
    accuracy: Interval
    difference: Interval | None
    validation: float
    time_s: float
    waiting_s: float
    energy_j: float
    up_bytes: float
    down_bytes: float
    flops: float
    peak_bytes: float
    unsound: int


class Quality(Struct, frozen=True, kw_only=True):
    """Accuracy of the last round that ended within a budget."""

    contestant: str
    resource: str
    budget: float
    accuracy: Interval
    difference: Interval | None


class Cost(Struct, frozen=True, kw_only=True):
    """What was spent when the target was first reached.

    `reached` counts the seeds that did; `cost` is None unless all of them did. `ratio` is the cost
    divided by the reference's: a geometric mean over the seeds, None unless both always reached it.
    """

    contestant: str
    resource: str
    reached: int
    seeds: int
    cost: Interval | None
    ratio: Interval | None


class Robustness(Struct, frozen=True, kw_only=True):
    """Accuracy at the end where replies are lost, and its difference to the same seeds without."""

    contestant: str
    accuracy: Interval
    change: Interval
    difference: Interval | None


class Scene(Struct, frozen=True, kw_only=True):
    """Contestants on one task and fleet, compared. `reference` is the system's own method."""

    name: str
    reference: str
    start: float
    target: float
    summary: tuple[Summary, ...]
    quality: tuple[Quality, ...]
    cost: tuple[Cost, ...]
    robustness: tuple[Robustness, ...]


class Runs(Struct, frozen=True, kw_only=True):
    """A contestant's outcomes, by seed."""

    contestant: Contestant
    final: tuple[Outcome, ...]
    robust: tuple[Outcome, ...]


def scenes(runs: Sequence[Runs], *, own: str) -> tuple[Scene, ...]:
    """All scenes; the first contestant of the method `own` is the reference, else the first."""
    names = dict.fromkeys(one.contestant.scene for one in runs)
    return tuple(_scene([r for r in runs if r.contestant.scene == name], own) for name in names)


def _scene(runs: Sequence[Runs], own: str) -> Scene:
    reference = next((one for one in runs if one.contestant.method == own), runs[0])
    start = _mean(outcome.points[0].test for one in runs for outcome in one.final)
    best = max(_mean(outcome.points[-1].test for outcome in one.final) for one in runs)
    target = start + TARGET_SHARE * (best - start)
    return Scene(
        name=reference.contestant.scene,
        reference=reference.contestant.name,
        start=start,
        target=target,
        summary=tuple(_summary(one, reference) for one in runs),
        quality=tuple(
            _quality(one, reference, resource, budget(runs, resource))
            for resource in RESOURCES
            for one in runs
        ),
        cost=tuple(
            _cost(one, reference, resource, target) for resource in RESOURCES for one in runs
        ),
        robustness=tuple(_robustness(one, reference) for one in runs),
    )


def budget(runs: Sequence[Runs], resource: str) -> float:
    """The least that any run of the scene spent in all: every run went as far."""
    spent = RESOURCES[resource]
    return min(spent(outcome.points[-1]) for one in runs for outcome in one.final)


def within(outcome: Outcome, resource: str, limit: float) -> Point:
    """The last point of a run that is within a budget."""
    spent = RESOURCES[resource]
    return [point for point in outcome.points if spent(point) <= limit][-1]


def reaching(outcome: Outcome, target: float) -> Point | None:
    """The first point of a run with the target accuracy; None where there is none."""
    return next((point for point in outcome.points if point.test >= target), None)


def _summary(runs: Runs, reference: Runs) -> Summary:
    ends = [outcome.points[-1] for outcome in runs.final]
    return Summary(
        contestant=runs.contestant.name,
        accuracy=interval([point.test for point in ends]),
        difference=_difference(runs, reference, lambda outcome: outcome.points[-1].test),
        validation=_mean(point.validation for point in ends),
        time_s=_mean(point.time_s for point in ends),
        waiting_s=_mean(point.waiting_s for point in ends),
        energy_j=_mean(point.energy_j for point in ends),
        up_bytes=_mean(point.up_bytes for point in ends),
        down_bytes=_mean(point.down_bytes for point in ends),
        flops=_mean(point.flops for point in ends),
        peak_bytes=_mean(outcome.peak_bytes for outcome in runs.final),
        unsound=round(sum(outcome.notes.get(UNSOUND, 0.0) for outcome in runs.final)),
    )


def _quality(runs: Runs, reference: Runs, resource: str, limit: float) -> Quality:
    def accuracy(outcome: Outcome) -> float:
        return within(outcome, resource, limit).test

    return Quality(
        contestant=runs.contestant.name,
        resource=resource,
        budget=limit,
        accuracy=interval(list(map(accuracy, runs.final))),
        difference=_difference(runs, reference, accuracy),
    )


def _cost(runs: Runs, reference: Runs, resource: str, target: float) -> Cost:
    def costs(one: Runs) -> list[float]:
        points = [reaching(outcome, target) for outcome in one.final]
        return [RESOURCES[resource](point) for point in points if point is not None]

    own, others = costs(runs), costs(reference)
    every, both = len(own) == len(runs.final), len(others) == len(reference.final)
    return Cost(
        contestant=runs.contestant.name,
        resource=resource,
        reached=len(own),
        seeds=len(runs.final),
        cost=interval(own) if every else None,
        ratio=_ratio(own, others) if every and both and runs is not reference else None,
    )


def _robustness(runs: Runs, reference: Runs) -> Robustness:
    ends = [outcome.points[-1].test for outcome in runs.robust]
    others = [outcome.points[-1].test for outcome in reference.robust]
    plain = {outcome.cell.setup.seed: outcome.points[-1].test for outcome in runs.final}
    seeds = [outcome.cell.setup.seed for outcome in runs.robust]
    return Robustness(
        contestant=runs.contestant.name,
        accuracy=interval(ends),
        change=interval([end - plain[seed] for end, seed in zip(ends, seeds, strict=True)]),
        difference=None if runs is reference else interval(_less(ends, others)),
    )


def _difference(runs: Runs, reference: Runs, value: Callable[[Outcome], float]) -> Interval | None:
    if runs is reference:
        return None
    return interval(_less(list(map(value, runs.final)), list(map(value, reference.final))))


def _less(values: Sequence[float], others: Sequence[float]) -> list[float]:
    return [value - other for value, other in zip(values, others, strict=True)]


def _ratio(values: Sequence[float], others: Sequence[float]) -> Interval | None:
    """Geometric mean of ratios seed by seed, with the interval of the logarithms' mean.

    >>> _ratio([2.0, 8.0], [1.0, 4.0])
    Interval(mean=2.0, low=2.0, high=2.0, n=2)
    """
    if min(*values, *others) <= 0:
        return None
    return geometric_interval([v / o for v, o in zip(values, others, strict=True)])


def _mean(values: Iterable[float]) -> float:
    all_ = list(values)
    return math.fsum(all_) / len(all_)
