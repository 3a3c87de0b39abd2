"""``ilgov status``: what the running daemon sees, decides and has done."""

import argparse
import sys
from pathlib import Path

import msgspec

from rm.daemon.configuration.settings import DEFAULT_SOCKET
from rm.status_reader import (
    NoAnswer,
    NoDaemon,
    decode_status,
    read_status_line,
)
from rm.status_text import status_text

EXIT_NO_DAEMON = 3
EXIT_CODE_LINES = f"""
of this command:
  1    a daemon runs, but does not answer
  {EXIT_NO_DAEMON}    no daemon runs"""


def configure(parser: argparse.ArgumentParser) -> None:
    """What the running daemon sees, decides and has done.

    The exit code tells whether a daemon answers; whether all is well with it stands in ``state``.
    """
    add_socket_option(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="everything, as JSON: frequencies in Hz, temperatures in degC, times and ages in s",
    )
    parser.set_defaults(run=_run)


def add_socket_option(parser: argparse.ArgumentParser) -> None:
    """Where the daemon is, and the exit codes of who asks it."""
    parser.add_argument(
        "--socket",
        type=Path,
        default=DEFAULT_SOCKET,
        metavar="PATH",
        help="the daemon's socket [%(default)s]",
    )
    parser.epilog = f"{parser.epilog or ''}{EXIT_CODE_LINES}"


def told_in_vain(error: NoDaemon | NoAnswer) -> int:
    """Say why there is no status; the exit code."""
    print(f"ilgov: {error}", file=sys.stderr)
    return EXIT_NO_DAEMON if isinstance(error, NoDaemon) else 1


def _run(args: argparse.Namespace) -> int:
    try:
        line = read_status_line(args.socket)
        status = decode_status(line, args.socket)
    except (NoDaemon, NoAnswer) as error:
        return told_in_vain(error)
    print(_indented(line) if args.json else status_text(status))
    return 0


def _indented(line: bytes) -> str:
    """As it came, with the fields that this version does not know."""
    return msgspec.json.format(line, indent=2).decode()
