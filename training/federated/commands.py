"""``ilgov federated``: training on many devices, run by Flower, and its systems compared."""

import argparse

from training.federated.compare_command import compare
from training.federated.deploy_command import deploy
from training.federated.fleet_command import fleet
from training.federated.powercap_command import powercap
from training.federated.pretrain_command import pretrain
from training.federated.profile_command import profile
from training.federated.run_command import run


def federated(parser: argparse.ArgumentParser) -> None:
    """Train on many devices with published systems, run by Flower, and compare them."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, configure in (
        ("pretrain", pretrain),
        ("fleet", fleet),
        ("run", run),
        ("deploy", deploy),
        ("compare", compare),
        ("profile", profile),
        ("powercap", powercap),
    ):
        whole = configure.__doc__ or ""
        summary = whole.partition("\n")[0]
        configure(commands.add_parser(name, help=summary, description=whole, allow_abbrev=False))
