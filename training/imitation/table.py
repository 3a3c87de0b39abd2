"""The report of a training as people read it."""

from collections.abc import Iterator

from rich import box
from rich.table import Table

from training.imitation.quality import (
    CONFIDENCE,
    HIT_WITHIN_K,
    WIDE_ABOVE_K,
    Estimate,
    Figures,
    Quality,
)
from training.imitation.report import SeedReport, Side, Spread, TrainingReport

EARLY_EPOCH = 5
"""A best epoch before this one is worth a warning."""


def seeds_table(report: TrainingReport) -> Table:
    """One row per seed on the validation rows, and the mean with its standard deviation below."""
    result = Table(box=box.SIMPLE, show_footer=True, pad_edge=False)
    choice, wide = report.validation.choice, report.validation.wide
    cells = (
        ("seed", "mean"),
        ("epochs\n(best)", ""),
        ("validation\nloss", _spread(report.validation_loss, 4)),
        (f"% within {HIT_WITHIN_K:g} K\nof best", _spread(choice.hit_rate, 1, factor=100)),
        ("mean\nexcess K", _spread(choice.mean_excess_k, 2)),
        (f"% within\n{HIT_WITHIN_K:g} K, wide", _spread(wide.hit_rate, 1, factor=100)),
    )
    for header, footer in cells:
        result.add_column(header, footer, justify="right", no_wrap=True)
    for seed in report.seeds:
        mark = "*" if seed.seed == report.policy_seed else ""
        result.add_row(f"{mark}{seed.seed}", *_seed_cells(seed))
    return result


def _seed_cells(seed: SeedReport) -> Iterator[str]:
    choice, wide = seed.quality.choice, seed.quality.wide
    yield f"{seed.epochs} ({seed.best_epoch})"
    yield f"{seed.validation_loss:.4f}"
    yield _estimate(choice.hit_rate, 1, factor=100)
    yield _estimate(choice.mean_excess_k, 2)
    yield _estimate(wide.hit_rate, 1, factor=100)


def choices_table(report: TrainingReport) -> Table:
    """The exported network beside choices that need none, each figure with its 95 % interval."""
    result = Table(box=box.SIMPLE, pad_edge=False)
    interval = f"[{100 * CONFIDENCE:g} %]"
    for header in ("rows", "choice"):
        result.add_column(header, no_wrap=True)
    for header in (f"% within {HIT_WITHIN_K:g} K {interval}", f"excess K {interval}", "% missed"):
        result.add_column(header, justify="right", no_wrap=True)
    for name, side, network in _sides(report):
        for label, rows in ((name, "choice"), (f"{name} wide", "wide")):
            _add_block(result, label, rows, side, network)
    return result


def _sides(report: TrainingReport) -> Iterator[tuple[str, Side, Quality]]:
    yield "validation", report.validation, report.exported.quality
    if report.test is not None and report.exported.test_quality is not None:
        yield "test", report.test, report.exported.test_quality


def _add_block(table: Table, label: str, rows: str, side: Side, network: Quality) -> None:
    """Four lines: the network, both constant orders, a random core."""
    by = {
        "network": network,
        "order 1": side.constant,
        "order 2": side.constant_of_wide,
        "random": side.random,
    }
    figures: dict[str, Figures] = {who: getattr(quality, rows) for who, quality in by.items()}
    first = figures["network"]
    labels = (label, f"  {first.rows} rows", f"  {first.scenarios} scenarios", "")
    for text, (who, one) in zip(labels, figures.items(), strict=True):
        table.add_row(
            text,
            who,
            _with_interval(one.hit_rate, 1, factor=100),
            _with_interval(one.mean_excess_k, 2),
            _number(one.infeasible_share, 1, factor=100),
        )
    table.add_section()


def notes(report: TrainingReport) -> Iterator[str]:
    """What the tables' figures are about, line by line."""
    yield (
        f"rows: {report.rows.training} training, {report.rows.validation} validation, "
        f"{report.rows.dropped} dropped (a validation application in the background)"
    )
    yield (
        f"validation applications ({report.validation_chosen}): "
        f"{', '.join(report.validation.applications)}"
    )
    if report.test is not None:
        yield from _test_notes(report.test)
    yield from _choice_notes(report)
    yield (
        f"exported: * seed {report.policy_seed}; ONNX and torch differ by at most "
        f"{report.onnx_difference:.1e} on the validation rows"
    )
    if report.exported.best_epoch < EARLY_EPOCH:
        yield _early(report)


def _choice_notes(report: TrainingReport) -> Iterator[str]:
    quality = report.exported.quality
    yield (
        "judged on rows with two or more feasible cores; wide: on those where they lie more than "
        f"{WIDE_ABOVE_K:g} K apart; intervals are over scenarios of these applications"
    )
    yield (
        "choices: the exported network; the first free core of the order with the best labels in "
        f"training, over all rows (1: {', '.join(report.orders.constant)}) or over wide ones "
        f"(2: {', '.join(report.orders.constant_of_wide)}); any free core"
    )
    yield (
        f"apart: {quality.single.rows} rows with one feasible core (chosen in "
        f"{_estimate(quality.single.hit_rate, 1, factor=100)} %), "
        f"{quality.rows_without_feasible} rows with none"
    )


def _test_notes(test: Side) -> Iterator[str]:
    yield (
        f"test on {', '.join(test.applications)}, unseen by training and validation; over seeds "
        f"{_spread(test.choice.hit_rate, 1, factor=100)} % within {HIT_WITHIN_K:g} K of best, "
        f"excess {_spread(test.choice.mean_excess_k, 2)} K; wide "
        f"{_spread(test.wide.hit_rate, 1, factor=100)} %, {_spread(test.wide.mean_excess_k, 2)} K"
    )


def _early(report: TrainingReport) -> str:
    return (
        f"warning: the exported seed was best in epoch {report.exported.best_epoch} of "
        f"{report.exported.epochs}, before epoch {EARLY_EPOCH}; compare with a lower "
        f"--learning-rate (now {report.options.learning_rate:g}), judging by the validation figures"
    )


def _spread(spread: Spread | None, digits: int, *, factor: float = 1) -> str:
    if spread is None:
        return "-"
    mean = _number(spread.mean, digits, factor=factor)
    return mean if spread.std is None else f"{mean} ± {factor * spread.std:.{digits}f}"


def _estimate(estimate: Estimate | None, digits: int, *, factor: float = 1) -> str:
    return _number(None if estimate is None else estimate.value, digits, factor=factor)


def _with_interval(estimate: Estimate | None, digits: int, *, factor: float = 1) -> str:
    value = _estimate(estimate, digits, factor=factor)
    if estimate is None or estimate.low is None or estimate.high is None:
        return value
    low, high = factor * estimate.low, factor * estimate.high
    return f"{value} [{low:.{digits}f}–{high:.{digits}f}]"


def _number(value: float | None, digits: int, *, factor: float = 1) -> str:
    return "-" if value is None else f"{factor * value:.{digits}f}"
