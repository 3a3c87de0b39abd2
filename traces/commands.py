"""``ilgov trace``: record runs on a board, and check what was recorded."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from traces.record_command import record

if TYPE_CHECKING:
    from traces.check import TracesReport


def trace(parser: argparse.ArgumentParser) -> None:
    """Record runs on a board, and check what was recorded."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, configure in (("record", record), ("check", check)):
        summary = (configure.__doc__ or "").partition("\n")[0]
        configure(commands.add_parser(name, help=summary, description=summary, allow_abbrev=False))


def check(parser: argparse.ArgumentParser) -> None:
    """Say whether files of traces are sound, and of the board that is meant."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="traces (Parquet) of 'trace record'"
    )
    parser.add_argument(
        "--board",
        metavar="NAME",
        help="board that they must be of: a shipped one, or a board file (default: any)",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=_run_check)


def _run_check(args: argparse.Namespace) -> int:
    import msgspec

    from platforms.board_file import load_board
    from traces.check import check_traces

    board = load_board(args.board) if args.board else None
    reports = [check_traces(path, board=board) for path in args.files]
    if args.json:
        print(json.dumps(msgspec.to_builtins(reports), indent=2))
    else:
        for report in reports:
            print(_text(report))
    return 2 if any(report.problems for report in reports) else 0


def _text(report: "TracesReport") -> str:
    if report.problems:
        return "\n  ".join([f"{report.file}: wrong", *report.problems])
    return (
        f"{report.file}: ok, {report.runs} runs of {report.applications} applications on "
        f"{report.board} ({report.cooling}), {report.throttled} throttled, "
        f"{report.lowest_temp_c:.1f} to {report.highest_temp_c:.1f} °C"
    )
