"""What the commands that sweep share: their options, progress, what is said when one stops."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from platforms.errors import InvalidInput
from platforms.options import check_ranges

if TYPE_CHECKING:
    from oracle.sweep import Swept, SweptFile


def add_options(parser: argparse.ArgumentParser, *, shard_size: int) -> None:
    """The options of every sweep; by default a shard has `shard_size` scenarios."""
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="processes of this machine, or Ray (extra ilgov[ray]); the file is the same "
        "[%(default)s]",
    )
    parser.add_argument(
        "--ray-address",
        metavar="HOST:PORT",
        help="with --engine ray: a cluster that is running, whose machines have the same ilgov "
        "[start Ray on this machine]",
    )
    parser.add_argument("--jobs", type=int, default=2, help="shards at a time [%(default)s]")
    parser.add_argument(
        "--shard-size",
        type=int,
        default=shard_size,
        help="scenarios that are computed and kept together; a kill loses at most one shard per "
        "job [%(default)s]",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="compute everything again, unfinished work too"
    )


def check_options(args: argparse.Namespace) -> None:
    """Raise InvalidInput where an option of `add_options` cannot be meant, or Ray is missing."""
    check_ranges(args, {"jobs": (1, 10**4), "shard_size": (1, 10**6)})
    if args.ray_address is not None and args.engine != "ray":
        raise InvalidInput(f"--ray-address needs --engine ray (got --engine {args.engine})")
    if args.engine == "ray":
        import oracle.ray_engine  # noqa: F401  # tells before any work that Ray is not installed


def is_kept(file: "SweptFile", args: argparse.Namespace) -> bool:
    """Whether the file is there already; with --fresh it is not, and neither are its shards."""
    if args.fresh:
        file.parts.forget()
    return not args.fresh and file.is_made


def sweep_and_show(
    file: "SweptFile",
    function: Callable[[Any], bytes],
    job_of: Callable[[int], Any],
    args: argparse.Namespace,
    *,
    doing: str,
) -> "Swept":
    """`oracle.sweep.sweep` on the engine that the options name, with progress on a terminal."""
    from oracle.engines import engine_named
    from oracle.sweep import sweep
    from traces.progress import counted

    engine = engine_named(args.engine, workers=args.jobs, ray_address=args.ray_address)
    done = 0

    def count(scenarios: int) -> None:
        nonlocal done
        done = scenarios
        show(done)

    try:
        with counted(doing, file.scenarios) as show:
            return sweep(file, function, job_of, engine=engine, on_done=count)
    except KeyboardInterrupt:
        if done:
            kept = file.parts.folder
            print(f"{done} of {file.scenarios} scenarios are done, in {kept}", file=sys.stderr)
        raise
