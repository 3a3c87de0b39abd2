"""What a training leaves beside the policy: every figure, so that nothing has to be rerun."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from training.imitation.dataset import Demonstrations, Split, Task
from training.imitation.export import Exported
from training.imitation.fit import network_of, predict
from training.imitation.fit_data import FitOptions, FitResult
from training.imitation.quality import (
    HIT_WITHIN_K,
    WIDE_ABOVE_K,
    Estimate,
    Figures,
    Quality,
    at_random,
    best_constant,
    best_constant_of_wide,
    constant,
    highest,
    judge,
)


class Spread(Struct, frozen=True, kw_only=True):
    """A mean over seeds and the standard deviation of a sample (None for a single seed)."""

    mean: float
    std: float | None


class SeedReport(Struct, frozen=True, kw_only=True):
    """One seed: its losses (mean squared errors) per epoch, and how well it chooses.

    `quality` is on the validation rows, `test_quality` on those that had no part in training.
    """

    seed: int
    epochs: int
    best_epoch: int
    validation_loss: float
    quality: Quality
    test_quality: Quality | None
    training_losses: tuple[float, ...]
    validation_losses: tuple[float, ...]


class Rows(Struct, frozen=True, kw_only=True):
    """How many demonstrations went where."""

    training: int
    validation: int
    dropped: int


class Orders(Struct, frozen=True, kw_only=True):
    """Cores by their mean label over the training rows, or over those that matter alone."""

    constant: tuple[str, ...]
    constant_of_wide: tuple[str, ...]


class OverSeeds(Struct, frozen=True, kw_only=True):
    """Figures of `quality.Figures` over all seeds: how much is luck of the start weights."""

    hit_rate: Spread | None
    mean_excess_k: Spread | None


class Side(Struct, frozen=True, kw_only=True):
    """All rows of some applications, and how well the networks and trivial choices do on them.

    `choice` and `wide` are the rows of `quality.Quality`. `constant` and `constant_of_wide` always
    take the first free core of the order of that name in `Orders`, `random` any free core.
    """

    applications: tuple[str, ...]
    choice: OverSeeds
    wide: OverSeeds
    constant: Quality
    constant_of_wide: Quality
    random: Quality


class TrainingReport(Struct, frozen=True, kw_only=True):
    """A whole training. `policy_seed` is the seed that was exported: the least validation loss.

    `onnx_difference` is the largest difference between ONNX and torch over all validation rows,
    relative to the score or to 1. `validation_chosen` says why its applications are those:
    "named", "recorded apart" or "drawn". The validation rows also stopped the training and chose
    the seed, so their figures flatter a little; those of `test`, where there are test
    demonstrations, do not.
    """

    board: str
    board_sha256: str
    cooling: str
    oracle: dict[str, str | int | float]
    demonstrations_sha256: str
    options: FitOptions
    training_applications: tuple[str, ...]
    validation_chosen: str
    rows: Rows
    hit_within_k: float
    wide_above_k: float
    orders: Orders
    validation: Side
    test: Side | None
    validation_loss: Spread
    policy_seed: int
    graph_sha256: str
    onnx_difference: float
    seeds: tuple[SeedReport, ...]

    @property
    def exported(self) -> SeedReport:
        """The seed that was exported."""
        return next(seed for seed in self.seeds if seed.seed == self.policy_seed)


def seed_report(result: FitResult, split: Split, test: Demonstrations | None) -> SeedReport:
    """Judge one trained network on the validation rows, and on test rows where there are some."""
    return SeedReport(
        seed=result.seed,
        epochs=result.epochs,
        best_epoch=result.best_epoch,
        validation_loss=result.validation_loss,
        quality=_quality(result, split.validation),
        test_quality=None if test is None else _quality(result, test),
        training_losses=result.training_losses,
        validation_losses=result.validation_losses,
    )


def _quality(result: FitResult, rows: Demonstrations) -> Quality:
    scores = predict(network_of(result.weights), rows.features)
    return judge(highest(scores, rows), rows)


def best_of(results: Sequence[FitResult]) -> FitResult:
    """The result with the least validation loss; of equal ones the first."""
    return min(results, key=lambda result: result.validation_loss)


def training_report(
    *,
    split: Split,
    validation_chosen: str,
    test: Demonstrations | None,
    options: FitOptions,
    seeds: Sequence[SeedReport],
    policy_seed: int,
    exported: Exported,
    demonstrations_sha256: str,
) -> TrainingReport:
    """All figures of a training."""
    task = split.training.task
    loss = spread(seed.validation_loss for seed in seeds)
    assert loss is not None
    trivial = _Trivial(best_constant(split.training), best_constant_of_wide(split.training))
    tests = [seed.test_quality for seed in seeds if seed.test_quality is not None]
    return TrainingReport(
        board=task.board,
        board_sha256=task.board_sha256,
        cooling=task.cooling,
        oracle=task.oracle,
        demonstrations_sha256=demonstrations_sha256,
        options=options,
        training_applications=split.training.applications,
        validation_chosen=validation_chosen,
        rows=Rows(
            training=len(split.training),
            validation=len(split.validation),
            dropped=split.dropped_rows,
        ),
        hit_within_k=HIT_WITHIN_K,
        wide_above_k=WIDE_ABOVE_K,
        orders=Orders(
            constant=_order(task, trivial.constant),
            constant_of_wide=_order(task, trivial.constant_of_wide),
        ),
        validation=_side(split.validation, [seed.quality for seed in seeds], trivial),
        test=None if test is None else _side(test, tests, trivial),
        validation_loss=loss,
        policy_seed=policy_seed,
        graph_sha256=exported.graph_sha256,
        onnx_difference=exported.largest_difference,
        seeds=tuple(seeds),
    )


class _Trivial(NamedTuple):
    """The mean labels per core behind the orders of `Orders`."""

    constant: NDArray[np.float64]
    constant_of_wide: NDArray[np.float64]


def _order(task: Task, labels: NDArray[np.float64]) -> tuple[str, ...]:
    return tuple(task.outputs[core] for core in np.argsort(-labels, kind="stable"))


def _side(rows: Demonstrations, networks: Sequence[Quality], trivial: _Trivial) -> Side:
    return Side(
        applications=rows.applications,
        choice=_over_seeds(quality.choice for quality in networks),
        wide=_over_seeds(quality.wide for quality in networks),
        constant=judge(constant(trivial.constant, rows), rows),
        constant_of_wide=judge(constant(trivial.constant_of_wide, rows), rows),
        random=judge(at_random(rows), rows),
    )


def _over_seeds(networks: Iterable[Figures]) -> OverSeeds:
    figures = list(networks)
    return OverSeeds(
        hit_rate=spread(_value(one.hit_rate) for one in figures),
        mean_excess_k=spread(_value(one.mean_excess_k) for one in figures),
    )


def _value(estimate: Estimate | None) -> float | None:
    return None if estimate is None else estimate.value


def spread(values: Iterable[float | None]) -> Spread | None:
    """Mean and standard deviation of the values that are there; None if there is none.

    >>> spread([1.0, None, 3.0])
    Spread(mean=2.0, std=1.4142135623730951)
    """
    present = [value for value in values if value is not None]
    if not present:
        return None
    std = statistics.stdev(present) if len(present) > 1 else None
    return Spread(mean=statistics.fmean(present), std=std)


def report_path(policy: Path) -> Path:
    """Where the report of a policy is written.

    >>> print(report_path(Path("out/policy.onnx")))
    out/policy.training.json
    """
    return policy.with_name(f"{policy.stem}.training.json")


def as_json(report: TrainingReport) -> str:
    """The report as indented JSON; equal trainings give equal text."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
