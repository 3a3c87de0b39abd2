"""``ilgov oracle labels``: demonstrations from traces."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.sweep_command import add_options, check_options, is_kept, sweep_and_show
from platforms.errors import InvalidInput
from platforms.options import check_ranges

if TYPE_CHECKING:
    from oracle.demonstrations import OracleParameters
    from oracle.labels_sweep import LabelSweep
    from platforms.board import Board


DESCRIPTION = """\
Search the optimal decisions in traces and write demonstrations.

Per scenario of the traces, targets and demands of the background are drawn; for each, every free
core's best choice is the lowest operating point that meets the target, and its label follows from
the temperature measured there. Nothing is simulated, and nothing is measured anew: the board file
says only which cores and clocks there are.

The traces must hold every run of their grid: every free core at every combination of the operating
points. Where runs lack, the message says which, and the 'ilgov trace record' that adds them; with
--fill model a model of the scenario's other runs fills them in. The column 'measured' of each
demonstration is the share of the runs it rests on that were measured; the printed figures say how
many runs were, and by how much the model misses the temperature of runs it was not shown.

Measurements ('ilgov trace import') are taken as scenarios without background: the runs of one
instance of a program on one known cluster, at clocks of the board; of a run with several rows the
second half. Who could wander over its cluster counts as on the cluster's first core.
"""


def labels(parser: argparse.ArgumentParser) -> None:
    """Search the optimal decisions in traces and write demonstrations."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = DESCRIPTION
    parser.add_argument(
        "--traces",
        type=Path,
        required=True,
        help="a file of 'ilgov trace record', or measurements of 'ilgov trace import'",
    )
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
    parser.add_argument(
        "--fill",
        choices=("none", "model"),
        default="none",
        help="runs that the traces lack of their grid: refuse, or let a model of the others fill "
        "them in; the demonstrations' column 'measured' says how much of each is measured "
        "[%(default)s]",
    )
    parser.add_argument(
        "--sensor",
        help="with measurements: the sensor whose temperature counts [the board's first]",
    )
    parser.add_argument(
        "--cores",
        metavar="LIST",
        help="the cores where the application may go, such as 4-7; the others count as occupied, "
        "and no runs are asked of them [all]",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_options(parser, shard_size=1000)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.sweep import finish
    from traces.output import check_output_file

    parameters = _parameters(args)
    check_options(args)
    check_output_file(args.out)
    if args.out.resolve() == args.traces.resolve():
        raise InvalidInput(f"--out must be another file than --traces (got {args.out} for both)")
    labelled = _labelled(args, parameters)
    if is_kept(labelled.file, args):
        return _tell(args, "it holds these labels already (--fresh searches them again)")
    swept = sweep_and_show(
        labelled.file, labelled.make_shard, labelled.job_of, args, doing="scenarios"
    )
    if swept.rows.table.num_rows == 0:
        labelled.file.parts.forget()
        raise InvalidInput(
            f"{args.traces}: no core can meet any of the {swept.rows.figures['demands']} QoS "
            "targets drawn; lower --lowest-target or record more operating points"
        )
    finish(labelled.file, swept, labelled.metadata)
    return _tell(args, f"{swept.reused_shards} of {swept.shards} shards taken over")


def _labelled(args: argparse.Namespace, parameters: "OracleParameters") -> "LabelSweep":
    """The recording, checked, ready to be swept."""
    from oracle.contradictions import contradictions
    from oracle.coverage import axes_of, coverage, missing_text, way_out
    from oracle.labels_sweep import LabelSweep
    from oracle.measured_runs import read_runs
    from platforms.board_file import load_board
    from rm.manifest import path_digest
    from traces.check import problems

    board = load_board(args.board)
    traces, about = read_runs(args.traces, board, sensor=args.sensor)
    for problem in problems(traces, about, board=board):
        raise InvalidInput(f"{args.traces}: {problem}")
    for problem in contradictions(traces):
        raise InvalidInput(f"{args.traces}: {problem}; a file must hold one recording")
    closed = _closed(args.cores, board)
    found = coverage(board, traces, axes_of(traces, about), closed=closed)
    if args.fill == "none" and not found.is_whole:
        raise InvalidInput(
            f"{args.traces}: traces must hold every run of their grid ("
            f"{missing_text(board, found)}); {way_out(args.traces, about)}, or let a model fill "
            "them in: --fill model"
        )
    return LabelSweep(
        board,
        traces,
        about,
        parameters,
        traces_sha256=path_digest(args.traces),
        out=args.out,
        shard_size=args.shard_size,
        fill_axes=None if found.is_whole else found.axes,
        closed=closed,
    )


def _closed(text: str | None, board: "Board") -> tuple[int, ...]:
    """The cores that --cores does not name; none where it is not given."""
    from platforms.linux.files.cpu_list import parse_cpu_list

    if text is None:
        return ()
    try:
        named = parse_cpu_list(text)
    except ValueError:
        named = ()
    if not named or max(named) >= board.core_count:
        raise InvalidInput(
            f"--cores must be cores of 0-{board.core_count - 1}, such as 0,4-5 (got {text!r})"
        )
    return tuple(core for core in range(board.core_count) if core not in named)


def _tell(args: argparse.Namespace, how: str) -> int:
    """Print what the file holds and how it came about; the exit code."""
    import numpy as np

    from oracle.demonstrations import MEASURED
    from traces.store import read_table

    table, about = read_table(args.out, kind="demonstrations")
    figures = {**about["figures"], "demonstrations": table.num_rows, "out": str(args.out)}
    figures["measured_share"] = float(np.mean(table[MEASURED].to_numpy()))
    if args.json:
        print(json.dumps(figures))
        return 0
    print(
        f"{args.out}: {table.num_rows} demonstrations from {figures['scenarios']} scenarios; "
        f"{figures['infeasible_demands']} of {figures['demands']} demands were infeasible (no free "
        f"core meets the target) and yield none; {_measured(figures)}; {how}"
    )
    return 0


def _measured(figures: dict[str, Any]) -> str:
    """Which part of the runs was measured, and how well the model predicts those."""
    measured, modelled = figures["measured_runs"], figures["modelled_runs"]
    if not modelled:
        return f"all {measured} runs are measured"
    error_k = (figures["left_out_square_uk2"] / figures["filled_scenarios"]) ** 0.5 / 1e3
    share = 100 * measured / (measured + modelled)
    return (
        f"{measured} runs ({share:.0f} %) are measured, {modelled} modelled (of measured runs that "
        f"it is not shown the model misses the temperature by {error_k:.2f} K RMS)"
    )


def _parameters(args: argparse.Namespace) -> "OracleParameters":
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
