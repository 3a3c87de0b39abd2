"""``ilgov oracle joint``: the proven optima of many drawn scenarios."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from oracle.sweep_command import add_options, check_options, is_kept, sweep_and_show
from platforms.errors import InvalidInput
from platforms.options import check_order, check_ranges, comma_separated

if TYPE_CHECKING:
    from oracle.joint_sweep import JointSweep


def joint(parser: argparse.ArgumentParser) -> None:
    """Draw scenarios and search the best mapping of all applications, with its proof."""
    parser.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    parser.add_argument("--cooling", default="fan", help="the board's cooling setup [%(default)s]")
    parser.add_argument(
        "--applications",
        default="cbench",
        help="suites, application names or your own suite files (.toml), comma separated "
        "[%(default)s]",
    )
    parser.add_argument("--out", type=Path, required=True, help="the file to write (Parquet)")
    parser.add_argument("--scenarios", type=int, default=1000, help="how many [%(default)s]")
    parser.add_argument(
        "--max-applications",
        type=int,
        help="most applications in a scenario, at least 1 [as many as the board has cores]",
    )
    parser.add_argument(
        "--lowest-target",
        type=float,
        default=0.1,
        help="targets lie between this share ... [%(default)s]",
    )
    parser.add_argument(
        "--highest-target",
        type=float,
        default=0.4,
        help="... and this one of the best rate on the strongest core [%(default)s]",
    )
    parser.add_argument(
        "--variation",
        type=float,
        default=0.15,
        help="applications vary by this share around their profile, on each core type "
        "[%(default)s]",
    )
    parser.add_argument(
        "--diversity",
        type=float,
        default=0.0,
        help="applications stand for others that differ by this share, on all core types alike "
        "[%(default)s]",
    )
    parser.add_argument(
        "--objective",
        choices=("peak", "sensor", "mean", "power"),
        default="peak",
        help="what shall be least: the hottest core, the sensor, the mean of the cores (degC), or "
        "the power (W) [%(default)s]",
    )
    parser.add_argument(
        "--move-k",
        type=float,
        default=0.0,
        help="what moving an application costs, in units of the objective [%(default)s]",
    )
    parser.add_argument(
        "--budget",
        type=int,
        default=2_000_000,
        help="nodes that a search may visit before it gives the best found and the gap left "
        "[%(default)s]",
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the scenarios [%(default)s]")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_options(parser, shard_size=100)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from oracle.sweep import finish
    from traces.output import check_output_file

    _check(args)
    check_options(args)
    check_output_file(args.out)
    drawn = _drawn(args)
    if is_kept(drawn.file, args):
        return _tell(args, "it holds these optima already (--fresh searches them again)")
    swept = sweep_and_show(drawn.file, drawn.make_shard, drawn.job_of, args, doing="solving")
    finish(drawn.file, swept, drawn.metadata)
    return _tell(args, f"{swept.reused_shards} of {swept.shards} shards taken over")


def _check(args: argparse.Namespace) -> None:
    check_ranges(
        args,
        {
            "scenarios": (1, 10**8),
            "max_applications": (1, 10**3),
            "lowest_target": (0.001, 10.0),
            "highest_target": (0.001, 10.0),
            "variation": (0.0, 0.9),
            "diversity": (0.0, 0.9),
            "move_k": (0.0, 1e3),
            "budget": (1, 10**12),
            "seed": (0, 2**32 - 1),
        },
    )
    check_order(args, "lowest_target", "highest_target")


def _drawn(args: argparse.Namespace) -> "JointSweep":
    """What the options ask for, checked, ready to be swept."""
    from oracle.joint_sweep import JointSweep, SearchParameters
    from oracle.scenarios import DrawParameters
    from platforms.application_file import find_applications
    from platforms.board_file import load_board
    from traces.experiment import check_applications

    board = load_board(args.board)
    steady = [setup.name for setup in board.cooling if setup.then is None]
    if args.cooling not in steady:
        raise InvalidInput(f"--cooling must be one of {', '.join(steady)} (got {args.cooling!r})")
    profiles = find_applications(comma_separated(args.applications) or [""])
    check_applications(board, profiles)
    return JointSweep(
        board,
        board.cooling_named(args.cooling),
        profiles,
        DrawParameters(
            most_applications=args.max_applications or board.core_count,
            lowest_target=args.lowest_target,
            highest_target=args.highest_target,
            variation=args.variation,
            diversity=args.diversity,
            seed=args.seed,
        ),
        SearchParameters(objective=args.objective, move_k=args.move_k, budget=args.budget),
        scenarios=args.scenarios,
        out=args.out,
        shard_size=args.shard_size,
    )


def _tell(args: argparse.Namespace, how: str) -> int:
    """Print what the file holds and how it came about; the exit code."""
    from traces.store import read_table

    _, about = read_table(args.out, kind="joint")
    figures = {**about["figures"], "out": str(args.out)}
    if args.json:
        print(json.dumps(figures))
        return 0
    print(
        f"{args.out}: {figures['scenarios']} scenarios on {about['board']} ({about['cooling']}), "
        f"{figures['optimal']} decisions proven optimal, {figures['missed']} miss a target; {how}"
    )
    return 0
