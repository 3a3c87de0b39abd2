"""The report of a training as people read it."""

from collections.abc import Iterator

from rich import box
from rich.table import Table

from training.imitation.quality import HIT_WITHIN_K
from training.imitation.report import SeedReport, Spread, TrainingReport


def table(report: TrainingReport) -> Table:
    """One row per seed, and the mean with its standard deviation below."""
    result = Table(box=box.SIMPLE, show_footer=True)
    cells = (
        ("seed", "mean"),
        ("epochs\n(best)", ""),
        ("validation\nloss", _spread(report.validation_loss, 4)),
        (f"within {HIT_WITHIN_K:g} K\nof best", _spread(report.hit_rate, 1, percent=True)),
        ("mean\nexcess K", _spread(report.mean_excess_k, 2)),
        ("target\nmissed", ""),
    )
    for header, footer in cells:
        result.add_column(header, footer, justify="right", no_wrap=True)
    for seed in report.seeds:
        mark = "*" if seed.seed == report.policy_seed else ""
        result.add_row(f"{mark}{seed.seed}", *_cells(seed))
    return result


def _cells(seed: SeedReport) -> Iterator[str]:
    figures = seed.quality.choice
    yield f"{seed.epochs} ({seed.best_epoch})"
    yield f"{seed.validation_loss:.4f}"
    yield _number(figures.hit_rate, 1, percent=True)
    yield _number(figures.mean_excess_k, 2)
    yield _number(figures.infeasible_share, 1, percent=True)


def notes(report: TrainingReport) -> Iterator[str]:
    """What the table's figures are about, line by line."""
    best = next(seed for seed in report.seeds if seed.seed == report.policy_seed)
    quality = best.quality
    yield (
        f"rows: {report.rows.training} training, {report.rows.validation} validation, "
        f"{report.rows.dropped} dropped (a validation application in the background)"
    )
    yield f"validation applications: {', '.join(report.validation_applications)}"
    yield (
        f"judged on {quality.choice.rows} rows with a choice; a free core at random is within "
        f"{HIT_WITHIN_K:g} K in {_number(quality.choice.random_hit_rate, 1, percent=True)}"
    )
    yield (
        f"apart: {quality.single.rows} rows with one feasible core (chosen in "
        f"{_number(quality.single.hit_rate, 1, percent=True)}), "
        f"{quality.rows_without_feasible} rows with none"
    )
    if report.test_applications:
        yield (
            f"test on {', '.join(report.test_applications)}, unseen by training and validation: "
            f"within {HIT_WITHIN_K:g} K of best "
            f"{_spread(report.test_hit_rate, 1, percent=True)}, mean excess "
            f"{_spread(report.test_mean_excess_k, 2)} K"
        )
    yield (
        f"exported: * seed {report.policy_seed}; ONNX and torch differ by at most "
        f"{report.onnx_difference:.1e} on the validation rows"
    )


def _spread(spread: Spread | None, digits: int, *, percent: bool = False) -> str:
    if spread is None:
        return "-"
    mean = _number(spread.mean, digits, percent=percent)
    if spread.std is None:
        return mean
    return f"{mean} ± {_number(spread.std, digits, percent=percent)}"


def _number(value: float | None, digits: int, *, percent: bool = False) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.{digits}f} %" if percent else f"{value:.{digits}f}"
