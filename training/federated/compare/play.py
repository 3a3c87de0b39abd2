"""Do one piece of a study: a run of a cell, or another job."""

import importlib
import sys
from typing import Any

from platforms.errors import InvalidInput
from training.federated.engine.inprocess import LOST, InProcess
from training.federated.fleet import load_fleet
from training.federated.registry import find_system
from training.federated.rounds import Looks, Record, run_rounds
from training.federated.study import Cell, Job, Outcome
from training.federated.system import Played

LOOKS = {
    "tune": Looks(validation=1, test=sys.maxsize),
    "final": Looks(validation=5, test=1),
    "robust": Looks(validation=5, test=5),
}
"""How often a stage needs accuracies: tuning asks for no test accuracy, robustness for the end."""

UNSOUND = "unsound replies"
"""The note that counts replies that were left out though no device was lost: training diverged."""


def play_cell(cell: Cell) -> Outcome:
    """Play a cell's rounds in this process."""
    system = find_system(cell.setup.system)
    fleet = load_fleet(cell.setup.fleet, cell.setup.devices)
    exchange = InProcess(system, cell.setup, drop_share=cell.drop_share)

    def count(record: Record, played: Played) -> None:
        del played
        exchange.round = record.rounds + 1

    record = run_rounds(
        system.server(cell.setup),
        exchange,
        fleet,
        rounds=cell.rounds,
        seed=cell.setup.seed,
        looks=LOOKS[cell.stage],
        on_round=count,
    )
    unsound = sum(failure.reason != LOST for failure in exchange.failures)
    notes = record.notes | ({UNSOUND: float(unsound)} if unsound else {})
    return Outcome(cell=cell, points=record.points, peak_bytes=record.peak_bytes, notes=notes)


def do_job(job: Job) -> Any:
    """The result of a study's other work."""
    module, _, name = job.call.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidInput(f"job {job.name}: {job.call} cannot be loaded: {error}") from error
    return function(**job.arguments)
