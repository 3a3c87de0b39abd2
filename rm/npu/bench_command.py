"""``ilgov npu bench``: how long a policy's network takes on every back end that is here."""

import argparse
import json
import logging
from importlib import import_module
from pathlib import Path

from npu_runtime.policy_file import read_policy_file
from platforms.errors import InvalidInput
from rm.npu.policy_option import add_policy_arguments, chosen_policy

_MANUAL = """
Hot calls tell the back ends apart, cold ones are what a governor pays, many times as much. All
times are also told as multiples of numpy's bare matrix products of the network's sizes, measured in
the same run. An isolated back end is timed with its process. Processor time includes that process,
but not a vendor's own daemon.

Measure on a quiet machine; where it is not, trust the multiples, and processor time, more than wall
time.

exit codes:
  0    measured
  1    a back end that was named was not timed; the reason is told
  2    a mistake in the command line or in a file"""

_DEFAULT_S, _PERIOD_S = 30.0, 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    """Time the network on every back end, hot, and once a period as the governor asks."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _MANUAL
    add_policy_arguments(parser)
    parser.add_argument(
        "--period-s",
        type=float,
        default=_PERIOD_S,
        metavar="S",
        help="time from one cold call of a back end to its next, s [%(default)s]",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=_DEFAULT_S,
        metavar="S",
        help="how long cold calls are measured; each of six batches has a sixth of the periods "
        "[%(default)s]",
    )
    parser.add_argument(
        "--gap",
        choices=("sleep", "busy"),
        default="sleep",
        help="what the thread does between cold calls [%(default)s]",
    )
    parser.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw latency against batch: .html, or .png with Chromium",
    )
    parser.add_argument("--json", action="store_true", help="what was measured as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    import msgspec

    from rm.npu.benched import bench
    from rm.npu.checked import names_of_all
    from rm.npu.latency_table import lines

    for option, value in (("--period-s", args.period_s), ("--seconds", args.seconds)):
        if not 0.0 < value <= 86400.0:
            raise InvalidInput(f"{option} must be above 0 and at most 86400 (got {value:g})")
    if args.plot is not None and args.plot.suffix not in (".html", ".png"):
        raise InvalidInput(f"--plot must be a file .html or .png (got {args.plot})")
    if args.plot is not None:
        import_module("plotly")  # first, since it may not be installed
    logging.getLogger("npu_runtime").setLevel(logging.CRITICAL)  # reasons are in the table
    file = read_policy_file(chosen_policy(args))
    names = args.backend or names_of_all(file)
    found = bench(file, names, period_s=args.period_s, seconds=args.seconds, gap=args.gap)
    print(
        json.dumps(msgspec.to_builtins(found), indent=2) if args.json else "\n".join(lines(found))
    )
    if args.plot is not None:
        from rm.npu.latency_figure import write_figure

        write_figure(found, args.plot)
    return 1 if args.backend and found.left_out else 0
