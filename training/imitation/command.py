"""``ilgov train``: from demonstrations to a policy file."""

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import comma_separated, option
from training.imitation.errors import ExportFailed, TrainingFailed

if TYPE_CHECKING:
    from training.imitation.report import TrainingReport
    from training.imitation.train import Validation


def configure(parser: argparse.ArgumentParser) -> None:
    """Train a policy that imitates the oracle's demonstrations, and write it as ONNX.

    Several seeds are trained; the one with the least validation loss is written. Beside the policy
    stands a report with all figures.
    """
    files = parser.add_argument_group("files")
    files.add_argument(
        "--demonstrations", type=Path, required=True, metavar="FILE",
        help="demonstrations (Parquet) that 'ilgov oracle labels' wrote",
    )  # fmt: skip
    files.add_argument(
        "--test-demonstrations", type=Path, metavar="FILE",
        help="demonstrations of other applications, to judge the result by and nothing else",
    )  # fmt: skip
    files.add_argument(
        "--out", type=Path, required=True, metavar="FILE.onnx",
        help="the policy; FILE.training.json is written beside it",
    )  # fmt: skip
    split = parser.add_argument_group("which applications validate")
    choice = split.add_mutually_exclusive_group()
    choice.add_argument(
        "--validation-share", type=float, metavar="SHARE",
        help="share of the applications, above 0 and below 1, drawn at random and in whole groups "
        "where some run only among themselves (default: those that 'ilgov trace record' held out; "
        "where the file names none, 0.3)",
    )  # fmt: skip
    choice.add_argument(
        "--validation-applications",
        type=comma_separated,
        metavar="NAME,NAME",
        help="these applications",
    )
    split.add_argument(
        "--split-seed", type=int, metavar="SEED",
        help="seed of that draw, which it asks for also where some were held out (default 0)",
    )  # fmt: skip
    _configure_training(parser.add_argument_group("training"))
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=_run)


def _configure_training(group: argparse._ArgumentGroup) -> None:
    for name, default, text in (
        ("--seeds", 3, "number of seeds to train (default 3)"),
        ("--seed-start", 0, "the first seed (default 0)"),
        ("--epochs", 200, "most epochs per seed (default 200)"),
        ("--patience", 20, "stop after so many epochs without a better one (default 20)"),
        ("--batch-size", 256, "rows per step (default 256)"),
        ("--jobs", 2, "processes at once (default 2)"),
    ):
        group.add_argument(name, type=int, default=default, metavar="N", help=text)
    for name, rate, text in (
        ("--learning-rate", 0.003, "Adam's, above 0 (default 0.003)"),
        ("--decay", 0.95, "the learning rate is multiplied by it every epoch (default 0.95)"),
        ("--weight-decay", 0.0, "AdamW's; 0 is plain Adam (default 0)"),
    ):
        group.add_argument(name, type=float, default=rate, metavar="X", help=text)


def _run(args: argparse.Namespace) -> int:
    _check(args)
    try:
        report = _train(args)
    except (TrainingFailed, ExportFailed) as error:
        sys.stderr.write(f"ilgov: {error}\n")
        return 1
    if args.json:
        from training.imitation.report import as_json

        sys.stdout.write(as_json(report))
    else:
        _print(report, args.out)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise InvalidInput for arguments that cannot work, before anything is read."""
    for name in ("seed_start", "split_seed"):
        _check_lowest(args, name, 0)
    for name in ("seeds", "epochs", "patience", "batch_size", "jobs"):
        _check_lowest(args, name, 1)
    if not 0 < args.learning_rate < math.inf:
        raise InvalidInput(f"--learning-rate must be above 0 (got {args.learning_rate})")
    if not 0 < args.decay <= 1:
        raise InvalidInput(f"--decay must lie above 0 and at most at 1 (got {args.decay})")
    if not 0 <= args.weight_decay < math.inf:
        raise InvalidInput(f"--weight-decay must be 0 or more (got {args.weight_decay})")
    if args.validation_share is not None and not 0 < args.validation_share < 1:
        raise InvalidInput(
            f"--validation-share must lie above 0 and below 1 (got {args.validation_share})"
        )
    if args.out.suffix != ".onnx" or args.out.is_dir():
        raise InvalidInput(f"--out must be a file that ends in .onnx (got {args.out})")


def _check_lowest(args: argparse.Namespace, name: str, lowest: int) -> None:
    value = getattr(args, name)
    if value is not None and value < lowest:
        raise InvalidInput(f"{option(name)} must be {lowest} or more (got {value})")


def _train(args: argparse.Namespace) -> "TrainingReport":
    from rich.console import Console

    from training.imitation.fit_data import FitOptions
    from training.imitation.progress import shown
    from training.imitation.train import train

    seeds = range(args.seed_start, args.seed_start + args.seeds)
    with shown(Console(stderr=True), seeds, args.epochs) as progress:
        return train(
            args.demonstrations,
            args.out,
            seeds=seeds,
            validation=_validation(args),
            test=args.test_demonstrations,
            options=FitOptions(
                learning_rate=args.learning_rate,
                decay_per_epoch=args.decay,
                weight_decay=args.weight_decay,
                batch_size=args.batch_size,
                patience=args.patience,
                max_epochs=args.epochs,
            ),
            jobs=args.jobs,
            progress=progress,
        )


def _validation(args: argparse.Namespace) -> "Validation":
    from training.imitation.train import DEFAULT_SHARE, Validation

    share, seed = args.validation_share, args.split_seed
    if share is None and seed is not None:
        share = DEFAULT_SHARE
    return Validation(
        applications=args.validation_applications, share=share, seed=0 if seed is None else seed
    )


def _print(report: "TrainingReport", out: Path) -> None:
    from rich.console import Console

    from training.imitation.report import report_path
    from training.imitation.table import choices_table, notes, seeds_table

    console = Console(highlight=False, soft_wrap=True)
    console.print(seeds_table(report))
    console.print(choices_table(report))
    for line in notes(report):
        console.print(line, markup=False)
    console.print(f"wrote {out} and {report_path(out)}", markup=False)
