"""``ilgov trace record``: the command line of the recorder."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.linux.root_option import add_root_option
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from platforms.application import ApplicationProfile
    from platforms.board import Board
    from traces.plan import Conduct, Plan
    from traces.recording import Recorded

DESCRIPTION = """\
Sweep applications over cores and operating points, and write traces: one row is one run of an
application of interest on a core, beside others on theirs, at an operating point per cluster.

A plan is drawn from --seed: --scenarios of an application and up to --max-background others. In
each, the application of interest visits every core that is free; there --design says which
operating points. Before the recording starts it is told how long it takes; --dry-run stops there.

Designs (N runs on each core instead of the whole grid; 'ilgov oracle labels --fill model' fills in
the rest; docs/recording.md has the errors of each, measured):
  full             every combination of the operating points
  corners          the lowest and the highest of every cluster
  axes             all of a cluster's, the other clusters at their lowest, one after the other
  latin:N          N points that cover every cluster's range evenly, others on each core
  corners+latin:N  both

A run: with --start-temp-c the board is heated or cooled until its first sensor shows it (or
--start-timeout-s has passed: the row then says start_reached false); it settles for --settle-s; the
sensor is read once a period over --window-s, or until the application has executed --instructions.
A run in which the kernel throttles, or that the board cannot hold, is no measurement: its row says
throttled. Of --repeats the good ones are averaged, the others counted (columns repeats, rejected).

Back ends (--on):
  simulated        the board's model; it jumps to its steady state unless --settle-s says how long
  linux            this machine, as root: programs from --programs FILE are started and pinned to
                   cores, clocks are set, and every knob is given back at the end, at Ctrl-C, and
                   by 'ilgov restore' (or the next start) after a kill. One recording at a time, and
                   not beside 'ilgov run'. The file has a table per program:
                     [[programs]]
                     name = "adi"
                     argv = ["/usr/local/bin/adi", "1000"]     # started again whenever it ends
                     cwd = "/tmp"                              # optional
                     env = { OMP_NUM_THREADS = "1" }           # optional, added to a bare one

Interrupted, by Ctrl-C or a kill, the same command goes on with what is there; at most a scenario
per job is lost, on linux a run.
"""

EPILOG = """\
Exit codes:
  0    done, or nothing to do
  1    some knob could not be given back; it is named on standard error
  2    something is wrong with what was asked, told in one line
  130  interrupted
"""

_REMEMBERED = (
    "on",
    "board",
    "cooling",
    "applications",
    "programs",
    "held_out_share",
    "scenarios",
    "max_background",
    "opps",
    "window_s",
    "instructions",
    "settle_s",
    "start_temp_c",
    "start_tolerance_k",
    "start_timeout_s",
    "repeats",
    "load_s",
    "variation",
    "diversity",
    "seed",
)
"""The options that decide over the plan, whatever the design."""


def record(parser: argparse.ArgumentParser) -> None:
    """Sweep applications over cores and operating points and write traces."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("--out", type=Path, required=True, help="the trace file to write (Parquet)")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be recorded and how long it takes"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="record everything again, unfinished work too"
    )
    parser.add_argument("--jobs", type=int, default=2, help="worker processes [%(default)s]")
    _add_plan_options(parser.add_argument_group("the plan"))
    _add_conduct_options(parser.add_argument_group("a run"))
    _add_simulated_options(parser.add_argument_group("on the simulated board"))
    _add_linux_options(parser.add_argument_group("on linux"))
    parser.set_defaults(run=_run)


def _add_plan_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--on", choices=("simulated", "linux"), default="simulated", help="where [%(default)s]"
    )
    group.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    group.add_argument("--cooling", default="fan", help="the board's cooling setup [%(default)s]")
    group.add_argument(
        "--applications",
        help="suites, application names or your own suite files (.toml), comma separated; on linux "
        "names of programs [cbench; on linux all programs]",
    )
    group.add_argument(
        "--held-out-share",
        type=float,
        default=0.3,
        help="share of the applications that appear only among themselves, for validation "
        "[%(default)s]",
    )
    group.add_argument("--scenarios", type=int, default=200, help="how many [%(default)s]")
    group.add_argument(
        "--max-background", type=int, default=6, help="most applications beside [%(default)s]"
    )
    group.add_argument(
        "--opps",
        type=int,
        default=None,
        help="operating points per cluster, evenly chosen, at least 2 [all]",
    )
    group.add_argument(
        "--design",
        default="full",
        help="which of their combinations: full, corners, axes, latin:N or corners+latin:N "
        "[%(default)s]",
    )
    group.add_argument(
        "--add-to",
        type=Path,
        metavar="FILE",
        help="take the runs of this recording over, of the same plan by another design, and record "
        "the others",
    )
    group.add_argument("--seed", type=int, default=0, help="draws the plan [%(default)s]")


def _add_conduct_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--window-s", type=float, default=30.0, help="measured time per run, seconds [%(default)s]"
    )
    group.add_argument(
        "--instructions",
        type=float,
        help="end the window when the application of interest has executed so many; --window-s is "
        "the longest then",
    )
    group.add_argument(
        "--settle-s",
        type=float,
        help="time from the decision to the window, seconds [simulated: none, it jumps; linux: "
        "until 2 %% of the slowest change are left, by the board file's thermal network]",
    )
    group.add_argument(
        "--start-temp-c",
        type=float,
        help="heat or cool the board to this before each run, °C [runs follow each other]",
    )
    group.add_argument(
        "--start-tolerance-k", type=float, default=1.0, help="that is near enough [%(default)s]"
    )
    group.add_argument(
        "--start-timeout-s",
        type=float,
        default=300.0,
        help="longest heating, and longest cooling, seconds [%(default)s]",
    )
    group.add_argument(
        "--repeats", type=int, default=1, help="how often each run is made [%(default)s]"
    )


def _add_simulated_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--variation",
        type=float,
        default=0.15,
        help="applications vary by this share around their profile, on each core type "
        "[%(default)s]",
    )
    group.add_argument(
        "--diversity",
        type=float,
        default=0.4,
        help="applications stand for others whose speed, memory stalls and L2 accesses differ by "
        "this share, on all core types alike [%(default)s]",
    )


def _add_linux_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--programs", type=Path, metavar="FILE", help="the programs to run (TOML)")
    group.add_argument(
        "--load-s",
        type=float,
        default=5.0,
        help="time for programs to load when they were just started, seconds [%(default)s]",
    )
    group.add_argument(
        "--actuator",
        choices=("setspeed", "cap"),
        default="setspeed",
        help="clocks by the userspace governor, or by equal limits [%(default)s]",
    )
    group.add_argument(
        "--state-dir",
        type=Path,
        default=Path("/var/lib/ilgov"),
        metavar="DIR",
        help="where the undo journal lies; that of the daemon [%(default)s]",
    )
    add_root_option(group)


def _run(args: argparse.Namespace) -> int:
    from platforms.board_file import load_board
    from traces.output import check_output_file

    board = load_board(args.board)
    _check(args, [setup.name for setup in board.cooling if setup.then is None])
    check_output_file(args.out)
    _check_window(args.window_s, board.sensors[0].period_s)
    if args.on == "linux":
        from traces.linux.command import record_on_linux

        return record_on_linux(
            board, args, _plan_of, partial(announced, kind="real"), words_of(args)
        )
    return _run_simulated(board, args)


def _run_simulated(board: "Board", args: argparse.Namespace) -> int:
    from platforms.application_file import find_applications
    from traces import recording
    from traces.experiment import check_applications
    from traces.schema import applications_digest

    if args.programs is not None:
        raise InvalidInput(f"--programs needs --on linux (got --on {args.on})")
    wanted = "cbench" if args.applications is None else args.applications
    profiles = find_applications(comma_separated(wanted) or [""])
    check_applications(board, profiles)
    names = [profile.name for profile in profiles]
    plan = _plan_of(board, args, names, applications_digest(profiles))
    if args.fresh:
        recording.forget(args.out, plan)
    elif recording.is_recorded(args.out, plan):
        print(f"{args.out} holds this recording already (--fresh records it again)")
        return 0
    programs = {profile.name: profile for profile in profiles}
    print(announced(board, plan, kind="simulated"))
    print(_times(board, plan, programs, args.jobs))
    if args.dry_run:
        return 0
    done = _record(board, plan, programs, args)
    print(
        f"{args.out}: {done.runs} runs, {done.throttled} throttled (kept apart, not used as "
        f"measurements), {done.reused_parts} scenarios taken over from an earlier start"
    )
    return 0


def _plan_of(
    board: "Board", args: argparse.Namespace, names: "Sequence[str]", digest: str
) -> "Plan":
    """The plan that the options draw of the applications `names`, described as `digest` says."""
    import numpy as np

    from traces.plan import Plan, draw_scenarios, opp_grid, split_pools
    from traces.schema import board_digest, cooling_digest

    rng = np.random.default_rng(args.seed)
    known, held_out = split_pools(names, held_out_share=args.held_out_share, rng=rng)
    pools = (known, held_out) if held_out else (known,)
    scenarios = draw_scenarios(
        board,
        pools,
        count=args.scenarios,
        most_background=args.max_background,
        rng=rng,
    )
    return Plan(
        board=board.name,
        board_sha256=board_digest(board),
        applications_sha256=digest,
        cooling=args.cooling,
        seed=args.seed,
        window_s=args.window_s,
        variation=args.variation,
        diversity=args.diversity,
        grid=opp_grid(board, args.opps),
        scenarios=scenarios,
        pools=pools,
        cooling_sha256=cooling_digest(board.cooling_named(args.cooling)),
        design=args.design,
        conduct=_conduct(args),
    )


def _conduct(args: argparse.Namespace) -> "Conduct":
    from traces.plan import Conduct, StartTemperature

    start = None
    if args.start_temp_c is not None:
        start = StartTemperature(
            temp_c=args.start_temp_c,
            tolerance_k=args.start_tolerance_k,
            timeout_s=args.start_timeout_s,
        )
    return Conduct(
        settle_s=args.settle_s,
        start=start,
        instructions=args.instructions,
        repeats=args.repeats,
        load_s=args.load_s,
    )


def announced(board: "Board", plan: "Plan", *, kind: str) -> str:
    """What will be recorded, in a line."""
    held_out = plan.pools[1] if len(plan.pools) > 1 else ()
    design = "" if plan.design == "full" else f" by design {plan.design}"
    return (
        f"{len(plan.scenarios)} scenarios, {plan.run_count(board)} {kind} runs on {board.name} "
        f"({plan.cooling}){design}; held out for validation: {', '.join(held_out) or 'none'}"
    )


def _times(
    board: "Board", plan: "Plan", programs: "Mapping[str, ApplicationProfile]", jobs: int
) -> str:
    """How long it takes here, by a run made to see, and how long on a real board."""
    from traces.estimate import duration, estimate
    from traces.experiment import open_simulated
    from traces.record import record_run

    first = plan.scenarios[0]
    run = next(plan.runs(first, board))
    experiment = open_simulated(board, plan, programs)(first)
    begin_s = time.perf_counter()
    record_run(board, plan, experiment, run)
    each_s = time.perf_counter() - begin_s
    here_s = each_s * plan.run_count(board) / min(jobs, len(plan.scenarios))
    return f"about {duration(here_s)} here; on a real board {estimate(board, plan)}"


def words_of(args: argparse.Namespace) -> list[str]:
    """The options that decide over a plan, as words of a command; the design is left out."""
    words = []
    for name in _REMEMBERED:
        value = getattr(args, name)
        if value is not None:
            words += ["--" + name.replace("_", "-"), str(value)]
    return words


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
    profiles: "Mapping[str, ApplicationProfile]",
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
    known = None if args.add_to is None else recording.known_runs(args.add_to, plan)
    try:
        with counted("recording", total) as show:
            return recording.record(
                board,
                plan,
                args.out,
                workers=args.jobs,
                on_done=count,
                profiles=profiles,
                known=known,
                words=words_of(args),
            )
    except KeyboardInterrupt:
        if done:
            kept = recording.parts_folder(args.out, plan)
            print(f"{done} of {total} scenarios are recorded, in {kept}", file=sys.stderr)
        raise


def _check(args: argparse.Namespace, cooling: list[str]) -> None:
    from traces.designs import check_design

    if args.cooling not in cooling:
        raise InvalidInput(f"--cooling must be one of {', '.join(cooling)} (got {args.cooling!r})")
    check_design(args.design)
    check_ranges(
        args,
        {
            "scenarios": (1, 10**6),
            "max_background": (0, 10**3),
            "opps": (2, 10**3),
            "window_s": (0.1, 1e5),
            "instructions": (1.0, 1e15),
            "settle_s": (0.0, 1e5),
            "start_temp_c": (0.0, 120.0),
            "start_tolerance_k": (0.05, 50.0),
            "start_timeout_s": (1.0, 1e5),
            "repeats": (1, 1000),
            "load_s": (0.0, 1e4),
            "variation": (0.0, 0.9),
            "diversity": (0.0, 0.9),
            "held_out_share": (0.0, 0.9),
            "seed": (0, 2**32 - 1),
            "jobs": (1, 10**4),
        },
    )
