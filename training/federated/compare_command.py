"""``ilgov federated compare``."""

import argparse

from platforms.errors import InvalidInput


def compare(parser: argparse.ArgumentParser) -> None:
    """Not yet there."""
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    raise InvalidInput(f"not there yet ({args})")
