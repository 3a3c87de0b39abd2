"""``ilgov trace record``: the command line of the recorder."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from platforms.application import ApplicationProfile
    from platforms.board import Board
    from traces.plan import Plan
    from traces.recording import Recorded


def record(parser: argparse.ArgumentParser) -> None:
    """Sweep applications over cores and operating points and write traces."""
    parser.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    parser.add_argument("--cooling", default="fan", help="the board's cooling setup [%(default)s]")
    parser.add_argument("--out", type=Path, required=True, help="the trace file to write (Parquet)")
    parser.add_argument(
        "--applications",
        default="cbench",
        help="suites, application names or your own suite files (.toml), comma separated "
        "[%(default)s]",
    )
    parser.add_argument(
        "--held-out-share",
        type=float,
        default=0.3,
        help="share of the applications that appear only among themselves, for validation "
        "[%(default)s]",
    )
    parser.add_argument("--scenarios", type=int, default=200, help="how many [%(default)s]")
    parser.add_argument(
        "--max-background", type=int, default=6, help="most applications beside [%(default)s]"
    )
    parser.add_argument(
        "--opps",
        type=int,
        default=None,
        help="operating points per cluster, evenly chosen, at least 2 [all]",
    )
    parser.add_argument(
        "--window-s", type=float, default=30.0, help="measured time per run, seconds [%(default)s]"
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
        default=0.4,
        help="applications stand for others whose speed, memory stalls and L2 accesses differ by "
        "this share, on all core types alike [%(default)s]",
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the plan [%(default)s]")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes [%(default)s]")
    parser.add_argument(
        "--fresh", action="store_true", help="record everything again, unfinished work too"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    import numpy as np

    from platforms.application_file import find_applications
    from platforms.board_file import load_board
    from traces import recording
    from traces.experiment import check_applications
    from traces.output import check_output_file
    from traces.plan import Plan, draw_scenarios, opp_grid, split_pools
    from traces.schema import applications_digest, board_digest, cooling_digest

    board = load_board(args.board)
    _check(args, [setup.name for setup in board.cooling if setup.then is None])
    check_output_file(args.out)
    _check_window(args.window_s, board.sensors[0].period_s)
    profiles = find_applications(comma_separated(args.applications) or [""])
    check_applications(board, profiles)
    rng = np.random.default_rng(args.seed)
    names = [profile.name for profile in profiles]
    known, held_out = split_pools(names, held_out_share=args.held_out_share, rng=rng)
    pools = (known, held_out) if held_out else (known,)
    scenarios = draw_scenarios(
        board,
        pools,
        count=args.scenarios,
        most_background=args.max_background,
        rng=rng,
    )
    plan = Plan(
        board=board.name,
        board_sha256=board_digest(board),
        applications_sha256=applications_digest(profiles),
        cooling=args.cooling,
        seed=args.seed,
        window_s=args.window_s,
        variation=args.variation,
        diversity=args.diversity,
        grid=opp_grid(board, args.opps),
        scenarios=scenarios,
        pools=pools,
        cooling_sha256=cooling_digest(board.cooling_named(args.cooling)),
    )
    if args.fresh:
        recording.forget(args.out, plan)
    elif recording.is_recorded(args.out, plan):
        print(f"{args.out} holds this recording already (--fresh records it again)")
        return 0
    print(
        f"{len(scenarios)} scenarios, {plan.run_count(board)} simulated runs on {board.name} "
        f"({args.cooling}); held out for validation: {', '.join(held_out) or 'none'}"
    )
    done = _record(board, plan, {profile.name: profile for profile in profiles}, args)
    print(
        f"{args.out}: {done.runs} runs, {done.throttled} throttled (kept apart, not used as "
        f"measurements), {done.reused_parts} scenarios taken over from an earlier start"
    )
    return 0


def _check_window(window_s: float, period_s: float) -> None:
    """A window is read once a sensor period: another length would be rounded behind one's back."""
    samples = window_s / period_s
    if samples < 1 or abs(samples - round(samples)) > 1e-6:
        raise InvalidInput(
            f"--window-s must be a whole multiple of the sensor's period of {period_s} s "
            f"(got {window_s})"
        )


def _record(
    board: "Board",
    plan: "Plan",
    profiles: dict[str, "ApplicationProfile"],
    args: argparse.Namespace,
) -> "Recorded":
    from traces import recording
    from traces.progress import counted

    done = 0

    def count(scenarios: int) -> None:
        nonlocal done
        done = scenarios
        show(done)

    total = len(plan.scenarios)
    try:
        with counted("recording", total) as show:
            return recording.record(
                board, plan, args.out, workers=args.jobs, on_done=count, profiles=profiles
            )
    except KeyboardInterrupt:
        if done:
            kept = recording.parts_folder(args.out, plan)
            print(f"{done} of {total} scenarios are recorded, in {kept}", file=sys.stderr)
        raise


def _check(args: argparse.Namespace, cooling: list[str]) -> None:
    if args.cooling not in cooling:
        raise InvalidInput(f"--cooling must be one of {', '.join(cooling)} (got {args.cooling!r})")
    check_ranges(
        args,
        {
            "scenarios": (1, 10**6),
            "max_background": (0, 10**3),
            "opps": (2, 10**3),
            "window_s": (0.1, 1e5),
            "variation": (0.0, 0.9),
            "diversity": (0.0, 0.9),
            "held_out_share": (0.0, 0.9),
            "seed": (0, 2**32 - 1),
            "jobs": (1, 10**4),
        },
    )
