"""``ilgov oracle``: demonstrations from traces."""

import argparse
import json
from pathlib import Path
from typing import Any

from platforms.options import check_ranges


def configure(parser: argparse.ArgumentParser) -> None:
    """Search the optimal decisions in traces and write demonstrations."""
    parser.add_argument("--traces", type=Path, required=True, help="a file of 'ilgov trace record'")
    parser.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    parser.add_argument("--out", type=Path, required=True, help="demonstrations to write (Parquet)")
    parser.add_argument(
        "--targets", type=int, default=6, help="QoS targets per background demand [%(default)s]"
    )
    parser.add_argument(
        "--demands", type=int, default=12, help="background demands per scenario [%(default)s]"
    )
    parser.add_argument(
        "--lowest-target",
        type=float,
        default=0.1,
        help="targets lie between this share and all of the best rate measured [%(default)s]",
    )
    parser.add_argument(
        "--alpha",
        type=float,
        default=1.0,
        help="steepness of the soft labels exp(-alpha (T - Tmin)), 1/K [%(default)s]",
    )
    parser.add_argument(
        "--unreachable", type=float, default=-1.0, help="label where QoS is missed [%(default)s]"
    )
    parser.add_argument(
        "--occupied", type=float, default=0.0, help="label of an occupied core [%(default)s]"
    )
    parser.add_argument(
        "--current",
        choices=("free", "feasible"),
        default="free",
        help="where the application may be now: any free core, or only those that meet its target "
        "[%(default)s]",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="draws targets and demands [%(default)s]"
    )
    parser.add_argument(
        "--unsettled",
        type=float,
        default=0.5,
        help="share of demonstrations seen away from the operating points where DVFS would settle "
        "(0: the paper's) [%(default)s]",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.demonstrations import contradictions, extract, metadata, scenarios, to_table
    from platforms.board_file import load_board
    from platforms.errors import InvalidInput
    from traces.check import problems
    from traces.output import check_output_file
    from traces.progress import counted
    from traces.store import read_table, write_table

    board = load_board(args.board)
    parameters = _parameters(args)
    check_output_file(args.out)
    if args.out.resolve() == args.traces.resolve():
        raise InvalidInput(f"--out must be another file than --traces (got {args.out} for both)")
    traces, about = read_table(args.traces, kind="traces")
    for problem in problems(traces, about, board=board):
        raise InvalidInput(f"{args.traces}: {problem}")
    for problem in contradictions(traces):
        raise InvalidInput(f"{args.traces}: {problem}; a file must hold one recording")
    rows: list[dict[str, Any]] = []
    demands = infeasible = 0
    count = len(set(traces["scenario"].to_pylist()))
    with counted("scenarios", count) as show:
        for done, scenario in enumerate(scenarios(board, traces), start=1):
            extracted = extract(board, scenario, parameters)
            rows += extracted.rows
            demands += extracted.demands
            infeasible += extracted.infeasible
            show(done)
    if not rows:
        raise InvalidInput(
            f"{args.traces}: no core can meet any of the {demands} QoS targets drawn; "
            "lower --lowest-target or record more operating points"
        )
    write_table(
        args.out,
        to_table(board, rows),
        kind="demonstrations",
        metadata=metadata(board, about["cooling"], parameters, pools=about.get("pools", ())),
    )
    figures = {
        "scenarios": count,
        "demands": demands,
        "infeasible_demands": infeasible,
        "demonstrations": len(rows),
        "out": str(args.out),
    }
    if args.json:
        print(json.dumps(figures))
    else:
        print(
            f"{args.out}: {len(rows)} demonstrations from {count} scenarios; {infeasible} of "
            f"{demands} demands were infeasible (no free core meets the target) and yield none"
        )
    return 0


def _parameters(args: argparse.Namespace) -> Any:
    from oracle.demonstrations import OracleParameters

    check_ranges(
        args,
        {
            "targets": (1, 10**4),
            "demands": (1, 10**4),
            "lowest_target": (0.001, 0.999),
            "unsettled": (0.0, 1.0),
            "alpha": (1e-6, 1e3),
            "unreachable": (-1e3, 0.999),
            "occupied": (-1e3, 0.999),
            "seed": (0, 2**32 - 1),
        },
    )
    return OracleParameters(
        alpha_per_k=args.alpha,
        unreachable=args.unreachable,
        occupied=args.occupied,
        current=args.current,
        targets=args.targets,
        demands=args.demands,
        lowest_target=args.lowest_target,
        unsettled=args.unsettled,
        seed=args.seed,
    )
