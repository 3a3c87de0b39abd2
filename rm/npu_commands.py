"""``ilgov npu``: a policy on this board's accelerator: convert it, check it, time it."""

import argparse
from importlib import import_module

_COMMANDS = {
    "convert": "rm.npu.convert_command",
    "check": "rm.npu.check_command",
    "bench": "rm.npu.bench_command",
}


def npu(parser: argparse.ArgumentParser) -> None:
    """A policy on this board's accelerator: convert it, check it, time it."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        configure = import_module(module).configure
        summary = (configure.__doc__ or "").partition("\n")[0]
        configure(commands.add_parser(name, help=summary, description=summary, allow_abbrev=False))
