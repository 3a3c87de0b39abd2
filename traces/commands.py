"""``ilgov trace``: record runs on a board, import those of others, and check what is there."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from traces.import_command import import_
from traces.join_command import join
from traces.record_command import record

_MOST_CLUSTERS = 8
"""More are not shown one by one: a floorplan has dozens of blocks."""

if TYPE_CHECKING:
    from traces.check import TracesReport
    from traces.measurement_check import ClusterSummary, MeasurementsReport


def trace(parser: argparse.ArgumentParser) -> None:
    """Record runs on a board, import those of others, and check what is there."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, configure in (
        ("record", record),
        ("join", join),
        ("import", import_),
        ("check", check),
    ):
        summary = (configure.__doc__ or "").partition("\n")[0]
        configure(commands.add_parser(name, help=summary, description=summary, allow_abbrev=False))


def check(parser: argparse.ArgumentParser) -> None:
    """Say whether traces or measurements are sound, and of the board that is meant."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="traces of 'trace record' or measurements of 'trace import' (Parquet)",
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
    from traces.check import TracesReport, check_traces
    from traces.measurement_check import check_measurements, holds_measurements

    board = load_board(args.board) if args.board else None
    reports: list[TracesReport | MeasurementsReport] = []
    for path in args.files:
        check_one = check_measurements if holds_measurements(path) else check_traces
        reports.append(check_one(path, board=board))
    if args.json:
        print(json.dumps(msgspec.to_builtins(reports), indent=2))
    else:
        for report in reports:
            print(_text(report))
    return 2 if any(report.problems for report in reports) else 0


def _text(report: "TracesReport | MeasurementsReport") -> str:
    from traces.measurement_check import MeasurementsReport

    if report.problems:
        return "\n  ".join([f"{report.file}: wrong", *report.problems])
    if isinstance(report, MeasurementsReport):
        return _measurements_text(report)
    return (
        f"{report.file}: ok, {report.runs} runs of {report.applications} applications on "
        f"{report.board} ({report.cooling}), {report.throttled} throttled, "
        f"{report.lowest_temp_c:.1f} to {report.highest_temp_c:.1f} °C"
    )


def _measurements_text(report: "MeasurementsReport") -> str:
    temps = "no temperatures"
    if report.lowest_temp_c is not None:
        temps = f"{report.lowest_temp_c:.1f} to {report.highest_temp_c:.1f} °C"
    lines = [
        (
            f"{report.file}: ok, {report.rows} rows, {report.runs} runs of {report.applications} "
            f"applications on {report.board} (from {', '.join(report.formats) or 'a recording'}), "
            f"{report.duration_s:.0f} s in all, {temps}"
        ),
        *map(_cluster_text, report.clusters[:_MOST_CLUSTERS]),
    ]
    if len(report.clusters) > _MOST_CLUSTERS:
        lines.append(f"and {len(report.clusters) - _MOST_CLUSTERS} clusters more")
    return "\n  ".join(lines)


def _cluster_text(cluster: "ClusterSummary") -> str:
    known = ", ".join(
        f"{name} in {share:.0%} of rows" for name, share in cluster.known.items() if share
    )
    clocks = ", ".join(f"{mhz:g}" for mhz in cluster.freqs_mhz)
    clocks = f"{clocks} MHz" if clocks else "clocks unknown"
    return f"{cluster.name}: {clocks}; {known or 'neither power nor load'}"
