"""``ilgov board probe``: look at this machine, report, write the board file."""

import argparse
import json
from pathlib import Path

from platforms.atomic_file import replacing
from platforms.board_file import parse_board
from platforms.errors import InvalidInput
from platforms.linux.probe.board_match import shipped_board_of
from platforms.linux.probe.board_text import board_text
from platforms.linux.probe.probe import Probe, probe
from platforms.linux.probe.probe_report import file_head, probe_document, probe_lines
from platforms.linux.root_option import add_root_option

_MANUAL = """Find out what board this machine is, and describe it.

Looks at clusters, frequencies, voltages, sleep states, temperatures, cooling and other clocks.
What cannot be seen is assumed from a typical value; the report lists all of it, and in the file
every value names its source. Nothing is written but the file of --out. The voltages that the kernel
shows are for root alone to see."""

_EXIT_CODES = """exit codes:
  0    the board is described
  1    ilgov has a fault
  2    this machine can be no board, for example because it has no cpufreq; or a mistake in the
       command line, or a file that cannot be written"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.description = _MANUAL
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXIT_CODES
    add_root_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write the board file here; a file that is there is replaced only by a complete one",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="the board's name (default: from the machine's model)"
    )
    parser.add_argument(
        "--json", action="store_true", help="the report as JSON, the whole board file in it"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    """Report first, whatever is missing; then write, or say why not (InvalidInput, exit code 2)."""
    found = probe(args.root, name=args.name)
    shipped = shipped_board_of(args.root)
    if args.json:
        print(json.dumps(probe_document(found) | {"shipped_board": shipped}, indent=2))
    else:
        print("\n".join(probe_lines(found)))
    if found.board is None:
        raise InvalidInput("; ".join(found.problems))
    if args.out:
        _write(args.out, found)
    if not args.json:
        print("\n" + _last_words(args.out, shipped))
    return 0


def _write(out: Path, found: Probe) -> None:
    """The file appears only when it reads back as the board that was found."""
    if found.board is None:
        return
    text = board_text(found.board, head=file_head(found))
    if parse_board(text, origin=str(out)) != found.board:
        raise InvalidInput(f"{out}: must read back as it was probed; it was not written")
    with replacing(out) as temporary:
        temporary.write_text(text, "utf-8")


def _last_words(out: Path | None, shipped: str | None) -> str:
    words = (
        f"board file written to {out}" if out else "no board file written; ask for it with --out"
    )
    if shipped:
        words += (
            f"\nthis machine has the cores and frequencies of the shipped board {shipped}: its "
            f"power and heat are better known there, so prefer board = {shipped!r}, and the "
            "policies that are trained for it"
        )
    return words
