"""``ilgov evaluate``: compare policies under cooling setups on the simulated board."""

import argparse
import itertools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_order, check_ranges, comma_separated, option
from rm.evaluation.training import command as training_scenario
from rm.evaluation.workload import WorkloadParameters

if TYPE_CHECKING:
    from platforms.board import Board
    from rm.evaluation.episode import EpisodeSetup, Finished
    from rm.evaluation.generalisation import Condition, GeneralisationRow
    from rm.evaluation.kept import KeptEpisodes
    from rm.evaluation.outcome import EpisodeOutcome
    from rm.evaluation.timing import PolicyTimes

DEFAULT_POLICIES = "gts-ondemand,gts-powersave,gts-qos,little-first,toprl,topil,ilgov,oracle"
APPLICATIONS, TRAINING = "applications", "training"
_WORKLOADS = {APPLICATIONS: WorkloadParameters(), TRAINING: training_scenario.FOREGROUND}
FEW_DIFFERENCES = 24
"""More rows of differences than this stay out of the terminal; the report has them all."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Compare policies under cooling setups: a table, result files, an HTML report."""
    parser.add_argument(
        "--scenario",
        choices=(APPLICATIONS, TRAINING),
        default=APPLICATIONS,
        help="what is governed: applications, or training jobs beside them [%(default)s]",
    )
    parser.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    parser.add_argument(
        "--plant",
        metavar="BOARD",
        help="what is simulated, where it is not --board itself: a board of the same clusters, "
        "frequencies and sensors whose other values the policies do not know; cooling setups, "
        "--applications, the workload and the oracle are its own [--board]",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for the result files and report.html; episodes that were finished when the "
        "command was stopped are kept there and taken over by the same command",
    )
    parser.add_argument(
        "--policies",
        help="names, comma separated, or 'all': every installed one that can be had "
        f"[{DEFAULT_POLICIES}; training: {','.join(training_scenario.POLICIES)}]",
    )
    parser.add_argument(
        "--policy-file",
        action="append",
        metavar="[POLICY=]PATH",
        help="a policy's network, in place of the one that comes with ilgov; with "
        "several of them, each needs its policy's name [the shipped ones]",
    )
    parser.add_argument(
        "--cooling",
        action="append",
        help="cooling setups of the board, comma separated or repeated, or 'all' [fan,passive]",
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
    parser.add_argument(
        "--judge-s",
        type=float,
        default=5.0,
        help="time from one look at a policy's mapping, to compare it with the optimum, to the "
        "next, simulated seconds; 0: never look [%(default)s]",
    )
    parser.add_argument(
        "--generalisation",
        action="store_true",
        help="compare trained policies also where applications, cooling and arrival rate are as in "
        "training, where each of them is another, and where all are",
    )
    _add_workload(parser)
    training_scenario.add_options(parser)
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
    for name, text in _WORKLOAD_HELP.items():
        value, other = (getattr(defaults, name) for defaults in _WORKLOADS.values())
        shown = f"{value}" if value == other else f"{value}; training: {other}"
        group.add_argument(option(name), type=type(value), help=f"{text} [{shown}]")


def _take_defaults(args: argparse.Namespace) -> None:
    """Give the options that were left out the values of the scenario."""
    policies = {APPLICATIONS: DEFAULT_POLICIES, TRAINING: ",".join(training_scenario.POLICIES)}
    if args.policies is None:
        args.policies = policies[args.scenario]
    for name in _WORKLOAD_HELP:
        if getattr(args, name) is None:
            setattr(args, name, getattr(_WORKLOADS[args.scenario], name))


def _run(args: argparse.Namespace) -> int:
    _take_defaults(args)
    _check(args)
    if args.scenario == TRAINING:
        return training_scenario.run(args, _command_line(args))
    return _run_applications(args)


def _run_applications(args: argparse.Namespace) -> int:
    from platforms.board_file import load_board
    from rm.evaluation.comparison import check_policies
    from rm.evaluation.kept import KeptEpisodes
    from rm.evaluation.plant import boards_text, check_plant
    from rm.evaluation.report import write_report
    from rm.evaluation.results import write_results
    from rm.evaluation.timing import policy_times, write_timings
    from traces.output import check_output_folder

    board = load_board(args.board)
    plant = load_board(args.plant) if args.plant else None
    if plant:
        check_plant(board, plant)
    policies = _policies(board, args)
    plan = _plan(board, plant, policies, args)
    check_output_folder(args.out)
    check_policies(setup for setups in plan.values() for setup in setups)
    kept = KeptEpisodes(args.out)
    found = _compare(plan, kept, workers=args.jobs)
    outcomes = [finished.outcome for finished in found[None]]
    generalisation = _generalise(found, policies)
    times = policy_times([finished.times for part in found.values() for finished in part])
    for condition, part in found.items():
        folder = args.out if condition is None else args.out / condition.folder
        outcomes_of = [finished.outcome for finished in part]
        write_results(folder, outcomes_of, board=board, plant=plant)
    write_timings(args.out, times)
    report = args.out / "report.html"
    write_report(
        report,
        outcomes,
        board=plant or board,
        boards=boards_text(board, plant),
        command=_command_line(args),
        generalisation=generalisation,
        times=times,
    )
    kept.forget()
    print_summary(outcomes, as_json=args.json, generalisation=generalisation, times=times)
    if not args.json:
        if plant:
            print(boards_text(board, plant))
        print(f"results: {args.out}/*.parquet\nreport:  {report}")
    return 0


_Plan = dict["Condition | None", list["EpisodeSetup"]]
"""The episodes of the comparison (None) and of each condition of the generalisation."""


def _policies(board: "Board", args: argparse.Namespace) -> tuple[str, ...]:
    from rm.evaluation.selection import PolicyFiles, chosen_policies

    chosen = chosen_policies(args.policies, board, PolicyFiles.given(args.policy_file or []))
    for name, reason in chosen.left_out.items():
        print(f"left out: {name}: {reason}", file=sys.stderr)
    return chosen.policies


def _plan(
    board: "Board", plant: "Board | None", policies: Sequence[str], args: argparse.Namespace
) -> _Plan:
    from rm.evaluation.selection import chosen_coolings

    workload = WorkloadParameters(**{name: getattr(args, name) for name in _WORKLOAD_HELP})
    coolings = chosen_coolings(args.cooling, plant or board)
    applications = comma_separated(args.applications) or [""]
    boards = (board, plant)
    plan: _Plan = {None: _setups(boards, args, policies, coolings, applications, workload)}
    if args.generalisation:
        for condition in _conditions(coolings, applications):
            plan[condition] = _setups(
                boards,
                args,
                _trained(policies),
                condition.coolings,
                condition.applications,
                condition.workload(workload),
            )
    return plan


def _conditions(coolings: Sequence[str], applications: Sequence[str]) -> tuple["Condition", ...]:
    from rm.evaluation.generalisation import SEEN_APPLICATIONS, SEEN_COOLING, conditions

    unseen = [name for name in coolings if name != SEEN_COOLING]
    if not unseen:
        raise InvalidInput(
            f"--generalisation needs a --cooling other than {SEEN_COOLING}, which training saw "
            f"(got {', '.join(coolings)})"
        )
    if SEEN_APPLICATIONS in applications:
        raise InvalidInput(
            f"--generalisation needs --applications other than {SEEN_APPLICATIONS}, which training "
            f"saw (got {', '.join(applications)})"
        )
    return conditions(applications=applications, coolings=unseen)


def _trained(policies: Sequence[str]) -> tuple[str, ...]:
    """Those of the policies that are trained, and the oracle that they are compared with."""
    from rm.evaluation.generalisation import TRAINED
    from rm.evaluation.outcome import ORACLE

    trained = tuple(name for name in policies if name in TRAINED)
    if not trained or ORACLE not in policies:
        raise InvalidInput(
            f"--generalisation needs {ORACLE} and a trained policy ({', '.join(TRAINED)}) among "
            f"--policies (got {', '.join(policies)})"
        )
    return (*trained, ORACLE)


def _setups(
    boards: tuple["Board", "Board | None"],
    args: argparse.Namespace,
    policies: Sequence[str],
    coolings: Sequence[str],
    applications: Sequence[str],
    workload: WorkloadParameters,
) -> list["EpisodeSetup"]:
    from platforms.application_file import find_applications
    from rm.evaluation.episode import EpisodeSetup
    from rm.evaluation.selection import PolicyFiles
    from traces.experiment import check_applications

    board, plant = boards
    profiles = find_applications(applications)
    check_applications(plant or board, profiles)
    files = PolicyFiles.given(args.policy_file or [])
    return [
        EpisodeSetup(
            board=board,
            cooling=cooling,
            policy=policy,
            seed=seed,
            profiles=profiles,
            workload=workload,
            policy_file=files.of(policy),
            duration_s=args.duration_s,
            start_temp_c=args.start_temp_c,
            judge_s=args.judge_s or None,
            plant=plant,
        )
        for cooling in coolings
        for policy in policies
        for seed in range(args.seed_start, args.seed_start + args.seeds)
    ]


_Found = dict["Condition | None", tuple["Finished", ...]]


def _compare(plan: _Plan, kept: "KeptEpisodes", *, workers: int) -> _Found:
    from rm.evaluation.comparison import compare_keeping
    from traces.progress import counted

    numbers = itertools.count(1)
    with counted("episodes", sum(map(len, plan.values()))) as show:
        return {
            condition: compare_keeping(
                setups, kept=kept, workers=workers, on_done=lambda _: show(next(numbers))
            )
            for condition, setups in plan.items()
        }


def _generalise(found: _Found, policies: Sequence[str]) -> tuple["GeneralisationRow", ...]:
    from rm.evaluation.generalisation import TRAINED, generalise

    parts = [
        (condition, [finished.outcome for finished in part])
        for condition, part in found.items()
        if condition is not None
    ]
    return generalise(parts, [name for name in policies if name in TRAINED]) if parts else ()


def _check(args: argparse.Namespace) -> None:
    check_ranges(
        args,
        {
            "seeds": (1, 10**5),
            "seed_start": (0, 2**31),
            "duration_s": (1.0, 1e6),
            "start_temp_c": (-20.0, 120.0),
            "judge_s": (0.0, 1e6),
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
    others = {APPLICATIONS: {"scenario", *training_scenario.OPTIONS}, TRAINING: {"judge_s"}}
    left_out = {"run", "json", "jobs", "command", *others[args.scenario]}
    for name, value in sorted(vars(args).items()):
        if name in left_out or value is None or value is False:
            continue
        for item in value if isinstance(value, list) else [value]:
            words += [option(name)] if item is True else [option(name), str(item)]
    return shlex.join(words)


def print_summary(
    outcomes: Sequence["EpisodeOutcome"],
    *,
    as_json: bool,
    generalisation: Sequence["GeneralisationRow"] = (),
    times: Sequence["PolicyTimes"] = (),
) -> None:
    """Print the tables of outcomes, or the same as JSON."""
    from rich.console import Console

    from rm.evaluation import terminal
    from rm.evaluation.document import summary_json
    from rm.evaluation.outcome import ORACLE
    from rm.evaluation.regret import regrets
    from rm.evaluation.report import REFERENCES
    from rm.evaluation.summary import differences, summarise

    rows, regret_rows = summarise(outcomes), regrets(outcomes)
    present = {outcome.policy for outcome in outcomes}
    compared = [
        d for name in REFERENCES if name in present for d in differences(outcomes, reference=name)
    ]
    if as_json:
        found = summary_json(
            rows, compared, regret_rows, generalisation=generalisation, times=times
        )
        print(found)
        return
    console = Console()
    console.print(terminal.summary_table(rows))
    if regret_rows:
        console.print(terminal.regret_table(regret_rows, rows))
    if generalisation:
        console.print(terminal.generalisation_table(generalisation))
    more = [item for item in compared if not regret_rows or item.reference != ORACLE]
    if 0 < len(more) <= FEW_DIFFERENCES:
        console.print(terminal.difference_table(more))
    if times:
        console.print(terminal.times_table(times))
