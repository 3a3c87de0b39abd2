"""``ilgov evaluate``: compare policies under cooling setups on the simulated board."""

import argparse
import itertools
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_order, check_ranges, comma_separated, option
from rm.evaluation.workload import WorkloadParameters

if TYPE_CHECKING:
    from platforms.board import Board
    from rm.evaluation.episode import EpisodeSetup
    from rm.evaluation.outcome import EpisodeOutcome

DEFAULT_POLICIES = "gts-ondemand,gts-powersave,gts-qos,little-first,topil,oracle"


def configure(parser: argparse.ArgumentParser) -> None:
    """Compare policies under cooling setups: a table, result files, an HTML report."""
    parser.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the result files and report.html"
    )
    parser.add_argument(
        "--policies", default=DEFAULT_POLICIES, help="names, comma separated [%(default)s]"
    )
    parser.add_argument("--policy-file", type=Path, help="the network of policies that have one")
    parser.add_argument(
        "--cooling",
        action="append",
        help="a cooling setup of the board; repeat for several [fan and passive]",
    )
    parser.add_argument("--seeds", type=int, default=12, help="workloads to draw [%(default)s]")
    parser.add_argument("--seed-start", type=int, default=0, help="first seed [%(default)s]")
    parser.add_argument(
        "--applications",
        default="parsec",
        help="suites, application names or your own suite files (.toml) the workload is drawn "
        "from, comma separated [%(default)s]",
    )
    parser.add_argument(
        "--duration-s",
        type=float,
        default=600.0,
        help="simulated time of an episode, the same for all policies, seconds [%(default)s]",
    )
    parser.add_argument(
        "--start-temp-c",
        type=float,
        default=None,
        help="temperature of the whole board at the start, degC [the cooling setup's air]",
    )
    _add_workload(parser)
    parser.add_argument("--jobs", type=int, default=2, help="worker processes [%(default)s]")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=_run)


_WORKLOAD_HELP = {
    "arrivals": "how many applications come in an episode",
    "interarrival_s": "mean time between arrivals, seconds (Poisson)",
    "lowest_target": "least QoS target, share of the application's best rate alone",
    "highest_target": "largest QoS target, same unit",
    "shortest_work_s": "least work, seconds at the best rate alone",
    "longest_work_s": "largest work, same unit",
    "variation": "applications vary by this share around their profile",
}


def _add_workload(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("workload")
    defaults = WorkloadParameters()
    for name, text in _WORKLOAD_HELP.items():
        value = getattr(defaults, name)
        group.add_argument(
            option(name),
            type=type(value),
            default=value,
            help=f"{text} [%(default)s]",
        )


def _run(args: argparse.Namespace) -> int:
    from platforms.board_file import load_board
    from rm.evaluation.comparison import check_policies
    from rm.evaluation.report import write_report
    from rm.evaluation.results import write_results
    from traces.output import check_output_folder

    board = load_board(args.board)
    setups = _setups(board, args)
    check_output_folder(args.out)
    check_policies(setups)
    outcomes = _compare(setups, workers=args.jobs)
    write_results(args.out, outcomes, board=board)
    report = args.out / "report.html"
    write_report(report, outcomes, board=board, command=_command_line(args))
    print_summary(outcomes, as_json=args.json)
    if not args.json:
        print(f"results: {args.out}/*.parquet\nreport:  {report}")
    return 0


def _compare(setups: Sequence["EpisodeSetup"], *, workers: int) -> tuple["EpisodeOutcome", ...]:
    from rm.evaluation.comparison import compare
    from traces.progress import counted

    numbers = itertools.count(1)
    with counted("episodes", len(setups)) as show:
        return compare(setups, workers=workers, on_done=lambda _: show(next(numbers)))


def _setups(board: "Board", args: argparse.Namespace) -> list["EpisodeSetup"]:
    from platforms.application_file import find_applications
    from rm.evaluation.episode import EpisodeSetup
    from traces.experiment import check_applications

    _check(args)
    known = [setup.name for setup in board.cooling]
    cooling = list(dict.fromkeys(args.cooling or ["fan", "passive"]))
    for name in cooling:
        if name not in known:
            raise InvalidInput(f"--cooling must be one of {', '.join(known)} (got {name!r})")
    policies = comma_separated(args.policies) or [""]
    workload = WorkloadParameters(**{name: getattr(args, name) for name in _WORKLOAD_HELP})
    profiles = find_applications(comma_separated(args.applications) or [""])
    check_applications(board, profiles)
    return [
        EpisodeSetup(
            board=board,
            cooling=setup,
            policy=policy,
            seed=seed,
            profiles=profiles,
            workload=workload,
            policy_file=args.policy_file,
            duration_s=args.duration_s,
            start_temp_c=args.start_temp_c,
        )
        for setup in cooling
        for policy in policies
        for seed in range(args.seed_start, args.seed_start + args.seeds)
    ]


def _check(args: argparse.Namespace) -> None:
    check_ranges(
        args,
        {
            "seeds": (1, 10**5),
            "seed_start": (0, 2**31),
            "duration_s": (1.0, 1e6),
            "start_temp_c": (-20.0, 120.0),
            "arrivals": (1, 10**4),
            "interarrival_s": (0.0, 1e5),
            "lowest_target": (0.001, 1.0),
            "highest_target": (0.001, 1.0),
            "shortest_work_s": (0.1, 1e6),
            "longest_work_s": (0.1, 1e6),
            "variation": (0.0, 0.9),
            "jobs": (1, 10**4),
        },
    )
    check_order(args, "lowest_target", "highest_target")
    check_order(args, "shortest_work_s", "longest_work_s")


def _command_line(args: argparse.Namespace) -> str:
    """The options that differ from nothing: what was run, as one can run it again."""
    words = ["ilgov", "evaluate"]
    for name, value in sorted(vars(args).items()):
        if name in {"run", "json", "jobs", "command"} or value is None:
            continue
        for item in value if isinstance(value, list) else [value]:
            words += [option(name), str(item)]
    return shlex.join(words)


def print_summary(outcomes: Sequence["EpisodeOutcome"], *, as_json: bool) -> None:
    """Print the tables of outcomes, or the same as JSON."""
    from rich.console import Console

    from rm.evaluation.report import REFERENCES
    from rm.evaluation.summary import differences, summarise
    from rm.evaluation.table import difference_table, summary_json, summary_table

    rows = summarise(outcomes)
    present = {outcome.policy for outcome in outcomes}
    compared = [
        d for name in REFERENCES if name in present for d in differences(outcomes, reference=name)
    ]
    if as_json:
        print(summary_json(rows, compared))
        return
    console = Console()
    console.print(summary_table(rows))
    if compared:
        console.print(difference_table(compared))
