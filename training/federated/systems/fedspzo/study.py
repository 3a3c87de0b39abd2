"""The study: compute to equal accuracy where the change is near the input, and near the output."""

from collections.abc import Sequence

from training.federated.study import Outcome, PlainStudy, Size, Table
from training.federated.system import Setup
from training.federated.systems.fedspzo.options import METHODS

TASKS = ("labels", "tokens")
GRID = {"learning_rate": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)}


def setups(size: Size, seed: int) -> Sequence[Setup]:
    """All methods on both tasks, with equal layer-forwards in a round."""
    del size
    return [
        Setup(system="fedspzo", method=method, task=task, fleet="jetson80", devices=4, seed=seed)
        for task in TASKS
        for method in METHODS
    ]


def tables(size: Size, outcomes: Sequence[Outcome]) -> Sequence[Table]:
    """None yet."""
    del size, outcomes
    return ()


def study() -> PlainStudy:
    """The learning rate is tuned."""
    return PlainStudy(grid=GRID, make_setups=setups, make_tables=tables)
