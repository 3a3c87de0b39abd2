"""``ilgov train-toprl``: the Q-table that the policy `toprl` starts from."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated, option

if TYPE_CHECKING:
    from rich.table import Table

    from rm.policies.q_learning import LearningParameters
    from training.reinforcement.episode import Course
    from training.reinforcement.pretrain import CurvePoint, PretrainingOptions, Snapshot
    from training.reinforcement.report import PretrainingReport

HELD_OUT_SHARE = 0.3
"""Share of the applications that validate, as in `ilgov trace record`."""

_CONSTANTS = {
    "learning_rate": "how much a turn changes the table, once the policy runs",
    "discount": "what the next turn's worth counts",
    "exploration": "share of random actions, once the policy runs",
    "reference_temp_c": "the reward is this minus the temperature, degC",
    "missed_reward": "the reward where the target is missed",
    "met_from": "share of its target from which on an application meets it",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Pre-train the table of the policy toprl (Q-learning) on the simulated board.

    The applications are split as 'ilgov trace record' does with the same seed; those held out
    validate. Beside the table stands a report with the learning curve.
    """
    parser.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    parser.add_argument("--cooling", default="fan", help="the board's cooling setup [%(default)s]")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.npz",
        help="the table; FILE.training.json is written beside it",
    )  # fmt: skip
    parser.add_argument(
        "--applications",
        default="cbench",
        help="suites, application names or your own suite files (.toml), comma separated "
        "[%(default)s]",
    )
    for name, default, text in (
        ("--episodes", 1600, "how long to train"),
        ("--validation-episodes", 24, "how many judge each point of the learning curve; 0: none"),
        ("--seed", 0, "draws the split, the workloads and the exploration"),
        ("--jobs", 2, "worker processes of the validation; training is one chain"),
    ):
        parser.add_argument(name, type=int, default=default, help=f"{text} [%(default)s]")
    for name, value, text in (
        ("--duration-s", 600.0, "simulated time of an episode, seconds"),
        ("--training-exploration", 0.3, "share of random actions during the training"),
    ):
        parser.add_argument(name, type=float, default=value, help=f"{text} [%(default)s]")
    _add_constants(parser)
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=_run)


def _add_constants(parser: argparse.ArgumentParser) -> None:
    from rm.policies.q_learning import LearningParameters

    group = parser.add_argument_group("constants of TOP-RL, which go into the table")
    defaults = LearningParameters()
    for name, text in _CONSTANTS.items():
        group.add_argument(
            option(name), type=float, default=getattr(defaults, name), help=f"{text} [%(default)s]"
        )


def _check(args: argparse.Namespace) -> None:
    from rm.policies.q_learning import RANGES
    from rm.policies.q_table import SUFFIX
    from traces.output import check_output_file

    if args.out.suffix != SUFFIX:
        raise InvalidInput(f"--out must be a file that ends in {SUFFIX} (got {args.out})")
    check_output_file(args.out)
    ranges = {
        "episodes": (1, 10**6),
        "validation_episodes": (0, 10**5),
        "seed": (0, 2**32 - 1),
        "jobs": (1, 10**4),
        "duration_s": (1.0, 1e6),
        "training_exploration": (0.0, 1.0),
    }
    check_ranges(args, ranges | RANGES)


def _run(args: argparse.Namespace) -> int:
    from rm.policies.q_learning import LearningParameters
    from rm.policies.q_table import write_q_table
    from training.reinforcement.pretrain import PretrainingOptions, table_of
    from training.reinforcement.report import PretrainingReport, as_json, write_report

    _check(args)
    course, held_out = _courses(args)
    parameters = LearningParameters(**{name: getattr(args, name) for name in _CONSTANTS})
    options = PretrainingOptions(
        episodes=args.episodes, exploration=args.training_exploration, seed=args.seed
    )
    snapshots = _pretrain(course, parameters, options)
    curve = _curve(held_out, parameters, snapshots, args)
    table = table_of(snapshots[-1], course, parameters, options)
    report = PretrainingReport(
        metadata=table.metadata,
        validation_applications=tuple(sorted(profile.name for profile in held_out.profiles)),
        validation_episodes=args.validation_episodes,
        states=len(table.values),
        states_visited=int((table.values != 0.0).any(axis=1).sum()),
        curve=curve,
    )
    write_q_table(args.out, table)
    write_report(args.out, report)
    if args.json:
        print(as_json(report), end="")
    else:
        _print(report, args.out)
    return 0


def _courses(args: argparse.Namespace) -> tuple["Course", "Course"]:
    """The training's applications, and those that validate."""
    import numpy as np

    from platforms.application_file import find_applications
    from platforms.board_file import load_board
    from traces.experiment import check_applications
    from traces.plan import split_pools
    from training.reinforcement.episode import Course

    board = load_board(args.board)
    lasting = [setup.name for setup in board.cooling if setup.then is None]
    if args.cooling not in lasting:
        raise InvalidInput(f"--cooling must be one of {', '.join(lasting)} (got {args.cooling!r})")
    profiles = find_applications(comma_separated(args.applications) or [""])
    check_applications(board, profiles)
    rng = np.random.default_rng(args.seed)
    names = [profile.name for profile in profiles]
    pools = split_pools(names, held_out_share=HELD_OUT_SHARE, rng=rng)
    if not pools[1]:
        raise InvalidInput(
            f"--applications must name two or more, as some validate (got {', '.join(names)})"
        )
    known, held_out = (
        Course(
            board=board,
            cooling=args.cooling,
            profiles=tuple(profile for profile in profiles if profile.name in pool),
            duration_s=args.duration_s,
        )
        for pool in pools
    )
    return known, held_out


def _pretrain(
    course: "Course", parameters: "LearningParameters", options: "PretrainingOptions"
) -> list["Snapshot"]:
    from traces.progress import counted
    from training.reinforcement.pretrain import pretrain

    with counted("training episodes", options.episodes) as show:
        return pretrain(course, parameters, options, on_episode=show)


def _curve(
    course: "Course",
    parameters: "LearningParameters",
    snapshots: list["Snapshot"],
    args: argparse.Namespace,
) -> tuple["CurvePoint", ...]:
    from traces.progress import counted
    from training.reinforcement.pretrain import learning_curve

    if args.validation_episodes == 0:
        return ()
    with counted("validation episodes", len(snapshots) * args.validation_episodes) as show:
        return learning_curve(
            course,
            parameters,
            snapshots,
            episodes=args.validation_episodes,
            seed=args.seed,
            jobs=args.jobs,
            on_episode=show,
        )


def _print(report: "PretrainingReport", out: Path) -> None:
    from rich.console import Console

    from training.reinforcement.report import report_path

    console = Console(highlight=False, soft_wrap=True)
    if report.curve:
        console.print(_curve_table(report))
    console.print(
        f"{report.states_visited} of {report.states} states visited; "
        f"wrote {out} ({out.stat().st_size} bytes) and {report_path(out)}",
        markup=False,
    )


def _curve_table(report: "PretrainingReport") -> "Table":
    from rich.table import Table

    title = f"{report.validation_episodes} episodes with applications that were held out"
    table = Table(title=title, title_justify="left")
    for header in ("episodes", "reward/turn", "mean °C", "missed %", "moves/episode"):
        table.add_column(header, justify="right")
    for point in report.curve:
        table.add_row(
            str(point.episodes),
            f"{point.reward:.2f}",
            f"{point.mean_temp_c:.2f}",
            f"{100 * point.missed_share:.1f}",
            f"{point.migrations_per_episode:.0f}",
        )
    return table
