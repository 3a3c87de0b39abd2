"""The option ``--root`` of the commands that look at a machine or steer it, and what it means."""

import argparse
from pathlib import Path

from platforms.errors import InvalidInput


def add_root_option(parser: argparse._ActionsContainer) -> None:
    """Which file system is the machine's."""
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="the root of the machine's file system (its /sys, /proc, /run, /var); another one for "
        "tests and inspection [%(default)s]",
    )


def must_be_a_root(root: Path) -> None:
    """Refuse what is no Linux system's root; raises InvalidInput."""
    if not (root / "proc").is_dir():
        message = f"--root must be the root of a Linux system, with a folder proc (got {root})"
        raise InvalidInput(message)


def under(root: Path, path: Path) -> Path:
    """An absolute path of the machine, as it is reached from here.

    >>> str(under(Path("/fake"), Path("/run/ilgov/socket")))
    '/fake/run/ilgov/socket'
    """
    return root / str(path).lstrip("/")
