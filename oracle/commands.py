"""``ilgov oracle``: labels from traces, joint optima of drawn scenarios, single solutions."""

import argparse
from importlib import import_module
from importlib.util import find_spec

_COMMANDS = ("labels", "joint", "solve", "scaling")
"""Each is the function of this name in `oracle.NAME_command`."""


def oracle(parser: argparse.ArgumentParser) -> None:
    """Search the optimal decisions: from traces, or for drawn and given scenarios."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in _COMMANDS:
        module = f"oracle.{name}_command"
        if find_spec(module) is None:
            continue
        configure = getattr(import_module(module), name)
        summary = (configure.__doc__ or "").partition("\n")[0]
        configure(commands.add_parser(name, help=summary, description=summary, allow_abbrev=False))
