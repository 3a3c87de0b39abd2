"""``ilgov board from-floorplan``: its options."""

import argparse
from pathlib import Path

from platforms.options import comma_separated

_MANUAL = """Make a thermal network from a chip's geometry, by HotSpot's block model.

Reads HotSpot's floorplan (.flp), package configuration and list of materials as they are. --out
writes the network: as the sections of a board file, or with --board as a whole board file in which
all but the heat is another board's. With a power trace it computes what HotSpot computes, in
HotSpot's formats: steady temperatures of the mean power, and the temperatures at the end of each
step. What changes HotSpot's block model in ways that are not built here (secondary path, fan model)
and all that needs its grid model is refused."""

_EXIT_CODES = """exit codes:
  0    done
  1    ilgov has a fault
  2    a file is wrong: the message says where. Nothing was written"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description, parser.epilog = _MANUAL, _EXIT_CODES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    geometry = parser.add_argument_group("geometry")
    geometry.add_argument(
        "--flp", required=True, metavar="FILE", help="the floorplan, or a shipped one: hikey970"
    )
    geometry.add_argument(
        "--config", type=Path, metavar="FILE", help="the package (shipped floorplans bring theirs)"
    )
    geometry.add_argument(
        "--materials", type=Path, metavar="FILE", help="the list of materials, where it names any"
    )
    board = parser.add_argument_group("board file")
    board.add_argument("--out", type=Path, metavar="FILE", help="write the network here")
    board.add_argument(
        "--board", metavar="NAME", help="write a whole board: all but the heat as this board's"
    )
    board.add_argument(
        "--cores",
        type=comma_separated,
        metavar="BLOCKS",
        help="the cores' blocks in the cores' order (default: blocks core0, core1, ...)",
    )
    board.add_argument(
        "--cluster-block",
        metavar="BLOCK",
        help="the block of the clusters' shared power (default: the largest that is no core)",
    )
    traces = parser.add_argument_group("temperatures")
    traces.add_argument("--ptrace", type=Path, metavar="FILE", help="power trace, W per block")
    traces.add_argument(
        "--init", type=Path, metavar="FILE", help="start from this .steady file (default: config's)"
    )
    traces.add_argument(
        "--steady", type=Path, metavar="FILE", help="write the steady temperatures (K) here"
    )
    traces.add_argument(
        "--ttrace", type=Path, metavar="FILE", help="write the blocks' temperatures (K) here"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from platforms.floorplan.run_command import run

    return run(args)
