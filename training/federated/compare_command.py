"""``ilgov federated compare``: systems and their baselines, tuned alike, over several seeds."""

import argparse
import itertools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from training.federated.compare.document import Document
    from training.federated.compare.kept import Keeper
    from training.federated.compare.plan import StudyPlan
    from training.federated.compare.run import Found
    from training.federated.study import Size

_SIZES = ("smoke", "default", "full")


def compare(parser: argparse.ArgumentParser) -> None:
    """Compare systems with their baselines: tables, a report, and all runs as JSON."""
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for report.html, tables.md and results.json; finished runs are kept in its "
        "cells/ and taken over by the same command",
    )
    parser.add_argument(
        "--systems", default="all", help="names, comma separated, or 'all' [%(default)s]"
    )
    parser.add_argument(
        "--size",
        choices=_SIZES,
        default="default",
        help="how many rounds, seeds and points of the tuning grid; smoke: minutes, default: half "
        "an hour, full: hours, all on two cores [%(default)s]",
    )
    parser.add_argument("--rounds", type=int, help="rounds of every run [as --size has it]")
    parser.add_argument("--seeds", type=int, help="seeds of the final runs [as --size has it]")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes [%(default)s]")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from traces.output import check_output_folder
    from training.federated.compare.document import Document, compared
    from training.federated.compare.kept import Keeper
    from training.federated.compare.plan import StudyPlan
    from training.federated.registry import find_system

    check_ranges(args, {"rounds": (1, 10**5), "seeds": (1, 10**4), "jobs": (1, 10**4)})
    size = _size(args)
    systems = {name: find_system(name) for name in _names(args.systems)}
    studies = {name: system.study() for name, system in systems.items()}
    plans = [StudyPlan(name, study, size) for name, study in studies.items()]
    check_output_folder(args.out)
    found = dict(zip(systems, _found(plans, Keeper(args.out), args.jobs), strict=True))
    document = Document(
        size=size,
        systems=tuple(
            compared(system, studies[name], size, found[name]) for name, system in systems.items()
        ),
    )
    _write(args, document, found)
    _print(args, document, found)
    return 0


def _size(args: argparse.Namespace) -> "Size":
    from msgspec.structs import replace

    from training.federated.study import DEFAULT, FULL, SMOKE

    size = dict(zip(_SIZES, (SMOKE, DEFAULT, FULL), strict=True))[args.size]
    changes = {name: getattr(args, name) for name in ("rounds", "seeds")}
    return replace(size, **{name: value for name, value in changes.items() if value is not None})


def _names(asked: str) -> tuple[str, ...]:
    from training.federated.registry import system_names

    names = system_names() if asked == "all" else tuple(comma_separated(asked))
    if not names:
        raise InvalidInput(
            f"--systems must be 'all' or names out of {', '.join(system_names())} (got {asked!r})"
        )
    return names


def _found(plans: "list[StudyPlan]", keeper: "Keeper", jobs: int) -> "tuple[Found, ...]":
    from traces.progress import counted
    from training.federated.compare.run import run_studies

    numbers = itertools.count(1)
    with counted("runs", sum(plan.count() for plan in plans)) as show:
        return run_studies(plans, keeper, workers=jobs, on_done=lambda: show(next(numbers)))


def _write(args: argparse.Namespace, document: "Document", found: "dict[str, Found]") -> None:
    import msgspec

    from platforms.atomic_file import replacing
    from training.federated.compare.document import document_json
    from training.federated.compare.markdown import document_markdown
    from training.federated.compare.report import write_report

    command = _command_line(args)
    times = {name: round(one.cpu_s, 3) for name, one in found.items()}
    texts = {
        "results.json": document_json(document, runs=True),
        "tables.md": document_markdown(document, command=command),
        "timings.json": msgspec.json.format(msgspec.json.encode({"cpu_s": times})).decode(),
    }
    for name, text in texts.items():
        with replacing(args.out / name) as temporary:
            temporary.write_text(text, "utf-8")
    write_report(args.out / "report.html", document, command=command)


def _command_line(args: argparse.Namespace) -> str:
    """What was run, as one can run it again."""
    words = ["ilgov", "federated", "compare", "--out", str(args.out)]
    words += ["--systems", args.systems, "--size", args.size]
    for name in ("rounds", "seeds"):
        value = getattr(args, name)
        words += [] if value is None else [f"--{name}", str(value)]
    return shlex.join(words)


def _print(args: argparse.Namespace, document: "Document", found: "dict[str, Found]") -> None:
    from training.federated.compare.document import document_json

    if args.json:
        print(document_json(document, runs=False))
        return
    _print_overview(document)
    for name, one in found.items():
        print(f"{name}: {one.cpu_s:.0f} s of CPU")
    print(f"tables:  {args.out / 'tables.md'}\nresults: {args.out / 'results.json'}")
    print(f"report:  {args.out / 'report.html'}")


def _print_overview(document: "Document") -> None:
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from training.federated.compare.tables import overview

    for shown in overview(document):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for column in shown.columns:
            table.add_column(column)
        for row in shown.rows:
            table.add_row(*(escape(str(cell)) for cell in row))
        Console().print(table)
