"""``ilgov oracle scaling``: how long the exact joint search takes with more applications, cores."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from rich.table import Table

    from oracle.joint import Solution
    from oracle.scaling import Case, Measurement, Scaling, ScalingPoint
    from platforms.board import Board

_SUITE = "parsec"
_NOTE = (
    "Times are processor times of this machine: another one, or another run, gives others. "
    "Decisions, proofs and nodes depend on the options and the version of ilgov alone."
)


def scaling(parser: argparse.ArgumentParser) -> None:
    """Measure how the time of the exact joint search grows with applications and cores."""
    parser.add_argument(
        "--out", type=Path, required=True, help="the folder for scaling.json and scaling.html"
    )
    parser.add_argument(
        "--boards",
        default="hikey970,hikey960,rk3588",
        help="shipped boards or board files, comma separated [%(default)s]",
    )
    parser.add_argument(
        "--applications",
        default="2,4,6,8,10,12",
        help="how many applications run, comma separated [%(default)s]",
    )
    parser.add_argument(
        "--scenarios",
        type=int,
        default=20,
        help="how many are drawn per board and number of applications [%(default)s]",
    )
    parser.add_argument(
        "--cooling", default="fan", help="a cooling setup of all the boards [%(default)s]"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the scenarios [%(default)s]")
    parser.add_argument(
        "--budget",
        type=int,
        default=2_000_000,
        help="nodes that a search may visit before it gives the best found [%(default)s]",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.scaling import CUT_BOARD, Scaling, cases_by_applications, cases_by_cores
    from platforms.board_file import load_board
    from traces.output import check_output_folder

    check_ranges(args, {"scenarios": (1, 10**6), "seed": (0, 2**32 - 1), "budget": (1, 10**12)})
    check_output_folder(args.out)
    numbers = _numbers_of_applications(args.applications)
    boards = _boards(args.boards, args.cooling)
    whole = cases_by_applications(boards, numbers)
    cut = cases_by_cores(_with_cooling(load_board(CUT_BOARD), args.cooling))
    points = _measured([*whole, *cut], args)
    measured = Scaling(by_applications=points[: len(whole)], by_cores=points[len(whole) :])
    document = _document(args, measured)
    _write(args.out, document, measured)
    _tell(args, document, measured)
    return 0


def _numbers_of_applications(text: str) -> list[int]:
    """Whole numbers that the exact search takes, the least first."""
    from oracle.joint.search import MOST

    words = comma_separated(text)
    if not words or not all(word.isdecimal() and 1 <= int(word) <= MOST for word in words):
        raise InvalidInput(
            f"--applications must be whole numbers in 1 ... {MOST}, comma separated (got {text!r})"
        )
    return sorted({int(word) for word in words})


def _boards(text: str, cooling: str) -> "list[Board]":
    """The boards of these names or files; two of one name could not be told apart."""
    from platforms.board_file import load_board

    boards = [load_board(name) for name in comma_separated(text) or [""]]
    names = [board.name for board in boards]
    if len(set(names)) != len(names):
        raise InvalidInput(f"--boards must have different names (got {', '.join(names)})")
    return [_with_cooling(board, cooling) for board in boards]


def _with_cooling(board: "Board", cooling: str) -> "Board":
    """The board, if it has this setup and the setup lasts."""
    steady = [setup.name for setup in board.cooling if setup.then is None]
    if cooling not in steady:
        raise InvalidInput(
            f"--cooling must be one of {', '.join(steady)} on {board.name} (got {cooling!r})"
        )
    return board


def _measured(cases: "list[Case]", args: argparse.Namespace) -> "tuple[ScalingPoint, ...]":
    from oracle.scaling import measure_case
    from traces.progress import counted

    measurement = _measurement(cases, args)
    done = 0
    with counted("solving", len(cases) * args.scenarios) as show:

        def count(solution: "Solution") -> None:
            nonlocal done
            done += 1
            show(done)

        return tuple(measure_case(case, measurement, count) for case in cases)


def _measurement(cases: "list[Case]", args: argparse.Namespace) -> "Measurement":
    from oracle.scaling import Measurement
    from platforms.application_file import find_applications
    from traces.experiment import check_applications

    profiles = tuple(find_applications([_SUITE]))
    for case in cases:
        check_applications(case.board, profiles)
    return Measurement(
        profiles=profiles,
        cooling=args.cooling,
        scenarios=args.scenarios,
        seed=args.seed,
        budget=args.budget,
    )


def _document(args: argparse.Namespace, measured: "Scaling") -> dict[str, Any]:
    """What scaling.json holds."""
    import platform

    import msgspec

    from oracle.scaling import DRAWN

    return {
        "note": _NOTE,
        "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "suite": _SUITE,
        "cooling": args.cooling,
        "scenarios": args.scenarios,
        "seed": args.seed,
        "budget": args.budget,
        "lowest_target": DRAWN.lowest_target,
        "highest_target": DRAWN.highest_target,
        "variation": DRAWN.variation,
        **msgspec.to_builtins(measured),
    }


def _write(folder: Path, document: dict[str, Any], measured: "Scaling") -> None:
    from oracle.scaling_figure import scaling_page
    from platforms.atomic_file import replacing

    about = [
        ("Applications", _drawn_text(document)),
        ("Machine", f"{document['machine']}; one thread; the first solution is not counted"),
        ("Note", _NOTE),
    ]
    texts = {
        "scaling.json": json.dumps(document, indent=2) + "\n",
        "scaling.html": scaling_page(measured, about),
    }
    for name, text in texts.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, "utf-8")


def _drawn_text(document: dict[str, Any]) -> str:
    return (
        f"{document['scenarios']} scenarios each, cooling {document['cooling']}, "
        f"seed {document['seed']}; {document['suite']}, ±{document['variation']:.0%}, targets "
        f"{document['lowest_target']:.0%} to {document['highest_target']:.0%} of the best rate "
        "on the strongest core"
    )


def _tell(args: argparse.Namespace, document: dict[str, Any], measured: "Scaling") -> None:
    if args.json:
        print(json.dumps({**document, "out": str(args.out)}))
        return
    from rich.console import Console

    console = Console()
    console.print(_table("Whole boards", measured.by_applications))
    console.print(_table("Cores left out", measured.by_cores))
    print(f"{_drawn_text(document)}\n{_NOTE}\n{args.out}: scaling.json, scaling.html")


def _table(title: str, points: "tuple[ScalingPoint, ...]") -> "Table":
    """One line per point."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("board", no_wrap=True)
    for header in ("cores", "apps", "median\nms", "95 %\nms", "max\nms", "optimal\n%", "missed\n%"):
        table.add_column(header, justify="right")
    table.add_column("median\nnodes", justify="right")
    for point in points:
        times_ms = (point.median_ms, point.p95_ms, point.max_ms)
        shares = (point.certified_share, point.missed_share)
        table.add_row(
            escape(point.board),
            str(point.cores),
            str(point.applications),
            *(f"{time_ms:.2f}" for time_ms in times_ms),
            *(f"{100 * share:.0f}" for share in shares),
            f"{point.median_nodes:.0f}",
        )
    return table
