"""``ilgov train-ilgov``: from a board to the policy `ilgov`."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from training.joint.options import JointOptions
    from training.joint.pipeline import Task, Trained


def configure(parser: argparse.ArgumentParser) -> None:
    """Train the policy ilgov: learn from the joint oracle which mappings settle coolest.

    Situations are drawn at random, their mappings labelled by the joint oracle; then the policy
    governs simulated episodes, and what it met there is labelled and learnt as well (DAgger).
    """
    parser.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.onnx",
        help="the policy; FILE.training.json is written beside it",
    )  # fmt: skip
    parser.add_argument(
        "--cooling", default="fan", help="cooling setup to learn under [%(default)s]"
    )
    parser.add_argument(
        "--applications", default="cbench",
        help="suites, names or suite files to learn from, comma separated [%(default)s]",
    )  # fmt: skip
    add_options(parser.add_argument_group("training"))
    parser.add_argument("--jobs", type=int, default=2, help="worker processes [%(default)s]")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=_run)


_SETTINGS: tuple[tuple[str, type, str], ...] = (
    ("situations", int, "situations to draw"),
    ("list_length", int, "mappings to label in each"),
    ("dagger_rounds", int, "times that the policy governs and learns from what it met"),
    ("dagger_episodes", int, "episodes per round"),
    ("alpha_per_k", float, "steepness of the soft labels, 1/K"),
    ("epochs", int, "most epochs per fit"),
    ("learning_rate", float, "Adam's"),
    ("seed", int, "draws everything"),
)

RANGES: dict[str, tuple[float, float]] = {
    "situations": (2, 10**6),
    "list_length": (3, 10**4),
    "dagger_rounds": (0, 100),
    "dagger_episodes": (2, 10**4),
    "alpha_per_k": (1e-3, 1e3),
    "epochs": (1, 10**4),
    "learning_rate": (1e-6, 1.0),
    "seed": (0, 2**32 - 1),
    "jobs": (1, 10**4),
}


def add_options(group: argparse._ArgumentGroup) -> None:
    """The options of a training, with the defaults of `JointOptions`."""
    from training.joint.options import JointOptions

    defaults = JointOptions()
    for name, kind, text in _SETTINGS:
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=getattr(defaults, name),
            metavar="X" if kind is float else "N",
            help=f"{text} [%(default)s]",
        )


def options_of(args: argparse.Namespace) -> "JointOptions":
    """The options that a command line asks for; InvalidInput where they are out of range."""
    from training.joint.options import JointOptions

    check_ranges(args, RANGES)
    return JointOptions(**{name: getattr(args, name) for name, _, _ in _SETTINGS})


def task_of(args: argparse.Namespace) -> "Task":
    """The task that a command line asks for."""
    from platforms.board_file import load_board
    from training.joint.task import task

    names = comma_separated(args.applications) or [""]
    return task(load_board(args.board), args.cooling, names, seed=args.seed)


def _run(args: argparse.Namespace) -> int:
    from traces.output import check_output_file
    from training.imitation.errors import ExportFailed, TrainingFailed
    from training.joint.pipeline import train
    from training.joint.progress import shown
    from training.joint.ship import report, report_path, write

    options = options_of(args)
    if args.out.suffix != ".onnx":
        raise InvalidInput(f"--out must be a file that ends in .onnx (got {args.out})")
    check_output_file(args.out)
    check_output_file(report_path(args.out))
    task = task_of(args)
    try:
        with shown() as progress:
            trained = train(task, options, workers=args.jobs, progress=progress)
        write(trained, task, options, args.out)
    except (TrainingFailed, ExportFailed) as error:
        print(f"ilgov: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(json.loads(report(trained, task, options))))
    else:
        _print(trained, args.out, report_path(args.out))
    return 0


def _print(trained: "Trained", out: Path, report: Path) -> None:
    for number, fitted in enumerate(trained.rounds):
        name = f"DAgger round {number}" if number else "drawn situations"
        quality = fitted.quality
        print(
            f"{name}: mean excess {quality.mean_excess_k:.3f} K, within 1 K in "
            f"{quality.within_share:.1%} of {quality.lists} validation situations "
            f"(epoch {fitted.best_epoch} of {fitted.epochs})"
        )
    print(f"wrote {out} and {report}")
