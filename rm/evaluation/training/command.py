"""``ilgov evaluate --scenario training``: compare training policies beside a foreground."""

import argparse
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_order, check_ranges, comma_separated, option
from rm.evaluation.training.rounds import RoundParameters
from rm.evaluation.workload import WorkloadParameters

if TYPE_CHECKING:
    from platforms.board import Board
    from rm.evaluation.training.episode import TrainingSetup
    from rm.evaluation.training.outcome import TrainingOutcome

POLICIES = (
    *("none", "nice", "nice-tuned", "pinned-little", "pinned-little-tuned", "pinned-big"),
    *("frequency-cap", "swan", "ilgov", "exhaustive"),
)
"""Compared unless named."""

FOREGROUND = WorkloadParameters(arrivals=10, interarrival_s=60.0)
"""Half as many applications as without training: two to five run at a time, so that cores are
left. All else is as there."""

DEFAULT_TRAINING = "transformer-6x256"

_OTHERS = ("plant", "generalisation")
"""Options of the other scenario."""

_ROUNDS_HELP = {
    "first_s": "when the first round begins, seconds",
    "pause_s": "from a round's deadline to the next one's begin, seconds",
    "shortest_s": "least time from a round's begin to its deadline, seconds",
    "longest_s": "largest, same unit",
    "lowest_share": "least samples of a round, share of what the board could do in its time with "
    "the job alone",
    "highest_share": "largest, same unit",
}


OPTIONS = (
    *("training", "temp_limit_c", "power_limit_w"),
    *(f"round_{name}" for name in _ROUNDS_HELP),
)
"""What `add_options` adds."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that only this scenario has."""
    group = parser.add_argument_group("scenario training")
    group.add_argument(
        "--training",
        default=DEFAULT_TRAINING,
        help="shipped training or training file (.toml) that is trained [%(default)s]",
    )
    group.add_argument(
        "--temp-limit-c",
        type=float,
        default=None,
        help="temperature limit of the hottest core, degC [half of what the board heats up by "
        "under the cooling setup with all cores at their highest clocks, or where the kernel's "
        "own protection begins to look, if that is less]",
    )
    group.add_argument(
        "--power-limit-w",
        type=float,
        default=None,
        help="power limit of the SoC, watts [none]",
    )
    defaults = RoundParameters()
    for name, text in _ROUNDS_HELP.items():
        group.add_argument(
            option(f"round_{name}"),
            type=float,
            default=getattr(defaults, name),
            help=f"{text} [%(default)s]",
        )


def run(args: argparse.Namespace, command: str) -> int:
    """Compare; `command` is the command line that does the same again."""
    from platforms.board_file import load_board
    from platforms.training_work import load_training
    from rm.evaluation.kept import KeptEpisodes
    from rm.evaluation.training.comparison import check_training_policies, compare_training
    from rm.evaluation.training.report import write_training_report
    from rm.evaluation.training.results import write_training_results
    from rm.training.registry import training_policy_entry
    from traces.output import check_output_folder
    from traces.progress import counted

    _check(args)
    board, training = load_board(args.board), load_training(args.training)
    setups = _setups(board, args)
    check_output_folder(args.out)
    check_training_policies(setups)
    kept = KeptEpisodes(args.out, entry=training_policy_entry)
    numbers = itertools.count(1)
    with counted("episodes", len(setups)) as show:
        outcomes = compare_training(
            setups, workers=args.jobs, kept=kept, on_done=lambda _: show(next(numbers))
        )
    write_training_results(args.out, outcomes, board=board, training=training.name)
    report = args.out / "report.html"
    write_training_report(report, outcomes, board=board, training=training, command=command)
    kept.forget()
    print_training_summary(outcomes, board=board, training=training.name, as_json=args.json)
    if not args.json:
        print(f"results: {args.out}/*.parquet\nreport:  {report}")
    return 0


def _setups(board: "Board", args: argparse.Namespace) -> list["TrainingSetup"]:
    from platforms.application_file import find_applications
    from platforms.training_work import load_training
    from rm.evaluation.selection import PolicyFiles, chosen_coolings
    from rm.evaluation.training.episode import TrainingSetup
    from rm.evaluation.training.limits import default_limit_c
    from traces.experiment import check_applications

    profiles = find_applications(comma_separated(args.applications) or [""])
    check_applications(board, profiles)
    # An ordinary policy's file is the same file for the training policies that it is inside of.
    file = PolicyFiles.given(args.policy_file or []).of("ilgov")
    workload = WorkloadParameters(**{name: getattr(args, name) for name in _workload_names()})
    rounds = RoundParameters(
        **{name: getattr(args, f"round_{name}") for name in _ROUNDS_HELP},
    )
    return [
        TrainingSetup(
            board=board,
            cooling=cooling,
            policy=policy,
            seed=seed,
            profiles=profiles,
            training=load_training(args.training),
            limit_c=args.temp_limit_c or default_limit_c(board, cooling),
            limit_w=args.power_limit_w,
            workload=workload,
            rounds=rounds,
            policy_file=file,
            duration_s=args.duration_s,
            start_temp_c=args.start_temp_c,
        )
        for cooling in chosen_coolings(args.cooling, board)
        for policy in _policies(args)
        for seed in range(args.seed_start, args.seed_start + args.seeds)
    ]


def _workload_names() -> tuple[str, ...]:
    return tuple(WorkloadParameters.__struct_fields__)


def _policies(args: argparse.Namespace) -> tuple[str, ...]:
    from rm.evaluation.selection import ALL
    from rm.training.registry import training_policy_names

    names = comma_separated(args.policies) or [""]
    return training_policy_names() if ALL in names else tuple(names)


def _check(args: argparse.Namespace) -> None:
    for name in _OTHERS:
        if getattr(args, name):
            raise InvalidInput(
                f"{option(name)} must not stand beside --scenario training (got it); leave it out, "
                "or compare policies without training"
            )
    check_ranges(
        args,
        {
            "temp_limit_c": (-20.0, 120.0),
            "power_limit_w": (0.01, 1e4),
            "round_first_s": (0.0, 1e6),
            "round_pause_s": (0.0, 1e6),
            "round_shortest_s": (1.0, 1e6),
            "round_longest_s": (1.0, 1e6),
            "round_lowest_share": (0.001, 100.0),
            "round_highest_share": (0.001, 100.0),
        },
    )
    check_order(args, "round_shortest_s", "round_longest_s")
    check_order(args, "round_lowest_share", "round_highest_share")


def print_training_summary(
    outcomes: Sequence["TrainingOutcome"], *, board: "Board", training: str, as_json: bool
) -> None:
    """Print the tables of outcomes, or the same as JSON."""
    from rich.console import Console

    from rm.evaluation.training import terminal
    from rm.evaluation.training.document import summary_json
    from rm.evaluation.training.summary import all_differences, summarise
    from rm.evaluation.training.verdicts import verdicts

    rows, compared = summarise(outcomes), all_differences(outcomes)
    found = verdicts(rows, compared, sensor_step_k=board.sensors[0].step_k)
    if as_json:
        print(summary_json(rows, compared, found, training=training))
        return
    console = Console()
    console.print(terminal.summary_table(rows))
    if compared:
        console.print(terminal.difference_table(compared))
    if found:
        console.print(terminal.verdict_table(found))
