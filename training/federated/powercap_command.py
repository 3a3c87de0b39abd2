"""``ilgov federated powercap``: training alone under a power cap, against the best there is."""

import argparse
import itertools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from platforms.board import Board
    from platforms.training_work import TrainingFile, TrainingWork
    from training.federated.powercap.counting import Counted
    from training.federated.powercap.document import Document
    from training.federated.powercap.grid import Cell
    from training.federated.study import Table

_BOARDS = "jetson-nano,jetson-orin-nano,hikey970"
_FEW = (7, 11, 31)
"""How near it comes with a proxy of fewer seeds is told beside."""
_TRAININGS = "tiny-4,transformer-6x256,resnet18"


def powercap(parser: argparse.ArgumentParser) -> None:
    """Compare the planner's choice under a power cap with the exhaustive optimum.

    On simulated boards: the planner knows the server's proxy, what it chooses is paid for with the
    samples of the target. The gain over capping the frequency stands beside the paper's.
    """
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for report.html and results.json; samples that were counted are kept in its "
        "cells/ and taken over by the same command",
    )
    parser.add_argument(
        "--boards",
        default=_BOARDS,
        help="names or files, comma separated; a board with a GPU trains there, another on its "
        "clusters [%(default)s]",
    )
    parser.add_argument(
        "--trainings", default=_TRAININGS, help="networks: names or files [%(default)s]"
    )
    parser.add_argument(
        "--rules",
        default="all",
        help="how the learning rate follows the batch: constant, sqrt, linear, tuned, comma "
        "separated, or 'all' [%(default)s]",
    )
    parser.add_argument("--caps", type=int, default=10, metavar="N", help="how many [%(default)s]")
    parser.add_argument(
        "--seeds", type=int, default=101, metavar="N",
        help="of the proxy, and as many others of the target [%(default)s]",
    )  # fmt: skip
    parser.add_argument("--cooling", default="fan", metavar="NAME", help="[%(default)s]")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes [%(default)s]")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from traces.output import check_output_folder
    from traces.progress import counted as shown
    from training.federated.powercap.document import document_of
    from training.federated.powercap.kept_counts import kept_counts

    check_ranges(args, {"caps": (1, 1000), "seeds": (1, 400), "jobs": (1, 10**4)})
    rules, boards, trainings = _rules(args.rules), _boards(args), _trainings(args.trainings)
    check_output_folder(args.out)
    batches = sorted({work.batch for one in trainings for work in _works(one)})
    numbers = itertools.count(1)
    with shown("rules counted", len(rules)) as show:
        counted = kept_counts(
            args.out, rules, seeds=args.seeds, batches=batches, workers=args.jobs,
            on_done=lambda _: show(next(numbers)),
        )  # fmt: skip
    shares = [(number + 1) / args.caps for number in range(args.caps)]
    document = document_of(
        _cells(boards, trainings, counted, shares, args.cooling),
        counted,
        seeds=args.seeds,
        cooling=args.cooling,
        cap_shares=shares,
    )
    _write(args, document)
    _print(args, document)
    return 0


def _rules(asked: str) -> tuple[str, ...]:
    from training.federated.powercap.counting import RULE_NAMES

    names = RULE_NAMES if asked == "all" else tuple(comma_separated(asked))
    if not names or not set(names) <= set(RULE_NAMES):
        raise InvalidInput(
            f"--rules must be 'all' or names out of {', '.join(RULE_NAMES)} (got {asked!r})"
        )
    return names


def _boards(args: argparse.Namespace) -> "list[Board]":
    from platforms.board_file import load_board

    boards = [load_board(name) for name in comma_separated(args.boards)]
    if not boards:
        raise InvalidInput(f"--boards must name at least one board (got {args.boards!r})")
    for board in boards:
        known = [setup.name for setup in board.cooling]
        if args.cooling not in known:
            raise InvalidInput(
                f"--cooling must be one of {', '.join(known)} of board {board.name} "
                f"(got {args.cooling!r})"
            )
    return boards


def _trainings(asked: str) -> "list[TrainingFile]":
    from platforms.training_work import load_training

    trainings = [load_training(name) for name in comma_separated(asked)]
    if not trainings:
        raise InvalidInput(f"--trainings must name at least one training (got {asked!r})")
    return trainings


def _works(training: "TrainingFile") -> list["TrainingWork"]:
    from training.federated.powercap.grid import whole_network

    return whole_network(training)


def _cells(
    boards: "list[Board]",
    trainings: "list[TrainingFile]",
    counted: "tuple[Counted, ...]",
    shares: list[float],
    cooling: str,
) -> "list[Cell]":
    from traces.progress import counted as shown
    from training.federated.powercap.curves import proxy_seeds, with_fewer_seeds
    from training.federated.powercap.grid import cells_of

    fewer = [
        with_fewer_seeds(rule, few) for few in _FEW for rule in counted if few < proxy_seeds(rule)
    ]
    cells: list[Cell] = []
    pairs = list(itertools.product(boards, trainings))
    with shown("running every mode", len(pairs)) as show:
        for number, (board, training) in enumerate(pairs, start=1):
            cells += cells_of(
                board, training, [*counted, *fewer], cooling=cooling, cap_shares=shares
            )
            show(number)
    return cells


def _write(args: argparse.Namespace, document: "Document") -> None:
    from platforms.atomic_file import replacing
    from training.federated.powercap.document import document_json
    from training.federated.powercap.report import write_report

    with replacing(args.out / "results.json") as temporary:
        temporary.write_text(document_json(document, whole=True) + "\n", "utf-8")
    write_report(args.out / "report.html", document, command=_command_line(args))


def _command_line(args: argparse.Namespace) -> str:
    """What was run, as one can run it again."""
    words = ["ilgov", "federated", "powercap", "--out", str(args.out)]
    for name in ("boards", "trainings", "rules", "caps", "seeds", "cooling"):
        words += [f"--{name}", str(getattr(args, name))]
    return shlex.join(words)


def _print(args: argparse.Namespace, document: "Document") -> None:
    from training.federated.powercap.document import document_json
    from training.federated.powercap.tables import all_tables, verdict

    if args.json:
        print(document_json(document, whole=False))
        return
    for shown in all_tables(document):
        _print_table(shown)
    print(f"near the optimum: {verdict(document)}")
    print(f"results: {args.out / 'results.json'}\nreport:  {args.out / 'report.html'}")


def _print_table(shown: "Table") -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Printed

    from training.federated.compare.words import number

    table = Printed(
        title=escape(shown.title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False,
        padding=(0, 1, 0, 0),
    )  # fmt: skip
    for column in shown.columns:
        table.add_column(column)
    for row in shown.rows:
        table.add_row(*(escape(number(cell)) for cell in row))
    Console().print(table)
    for word, text in (("paper", shown.paper), ("here", shown.verdict)):
        if text:
            print(f"{word}: {text}")
    print()
