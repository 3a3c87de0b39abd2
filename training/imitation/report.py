"""What a training leaves beside the policy: every figure, so that nothing has to be rerun."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from training.imitation.dataset import Demonstrations, Split, Task
from training.imitation.export import Exported
from training.imitation.fit import network_of, predict
from training.imitation.fit_data import FitOptions, FitResult
from training.imitation.quality import HIT_WITHIN_K, Quality, judge


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


class TrainingReport(Struct, frozen=True, kw_only=True):
    """A whole training. `policy_seed` is the seed that was exported: the least validation loss.

    `onnx_difference` is the largest difference between ONNX and torch over all validation rows,
    relative to the score or to 1. `hit_rate` and `mean_excess_k` are over `seeds`. They are taken
    on the rows that also stopped the training and chose the seed, so they flatter a little; the
    `test_` figures, where there are test demonstrations, do not.
    """

    board: str
    cooling: str
    demonstrations_sha256: str
    options: FitOptions
    training_applications: tuple[str, ...]
    validation_applications: tuple[str, ...]
    rows: Rows
    hit_within_k: float
    hit_rate: Spread | None
    mean_excess_k: Spread | None
    test_applications: tuple[str, ...]
    test_hit_rate: Spread | None
    test_mean_excess_k: Spread | None
    validation_loss: Spread
    policy_seed: int
    graph_sha256: str
    onnx_difference: float
    seeds: tuple[SeedReport, ...]


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
    return judge(scores, temp_c=rows.temp_c, status=rows.status)


def best_of(results: Sequence[FitResult]) -> FitResult:
    """The result with the least validation loss; of equal ones the first."""
    return min(results, key=lambda result: result.validation_loss)


def training_report(
    *,
    task: Task,
    split: Split,
    test: Demonstrations | None,
    options: FitOptions,
    seeds: Sequence[SeedReport],
    policy_seed: int,
    exported: Exported,
    demonstrations_sha256: str,
) -> TrainingReport:
    """All figures of a training."""
    loss = spread(seed.validation_loss for seed in seeds)
    assert loss is not None
    tests = [seed.test_quality.choice for seed in seeds if seed.test_quality is not None]
    return TrainingReport(
        board=task.board,
        cooling=task.cooling,
        demonstrations_sha256=demonstrations_sha256,
        options=options,
        training_applications=split.training.applications,
        validation_applications=split.validation_applications,
        rows=Rows(
            training=len(split.training),
            validation=len(split.validation),
            dropped=split.dropped_rows,
        ),
        hit_within_k=HIT_WITHIN_K,
        hit_rate=spread(seed.quality.choice.hit_rate for seed in seeds),
        mean_excess_k=spread(seed.quality.choice.mean_excess_k for seed in seeds),
        test_applications=() if test is None else test.applications,
        test_hit_rate=spread(figures.hit_rate for figures in tests),
        test_mean_excess_k=spread(figures.mean_excess_k for figures in tests),
        validation_loss=loss,
        policy_seed=policy_seed,
        graph_sha256=exported.graph_sha256,
        onnx_difference=exported.largest_difference,
        seeds=tuple(seeds),
    )


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
