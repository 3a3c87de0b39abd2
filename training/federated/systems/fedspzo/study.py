"""The study: compute to equal accuracy where the change is near the output, and near the input."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.federated.study import Job, Outcome, Size, Table
from training.federated.system import Setup
from training.federated.systems.fedspzo import study_tables

TASKS = ("renamed", "tokens")
METHODS = ("fedspzo", "mezo-1", "mezo-k", "decomfl", "fedkseed")
"""FedMeZO steps as mezo-1 does with directions of each device's own: it has no runs of its own."""

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
SPLITS = (1, 2)
STEP_RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
ESTIMATORS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "fedspzo, half": ("fedspzo", {"split": 1}),
    "fedspzo, head": ("fedspzo", {"split": 2}),
    "mezo-1": ("mezo-1", {}),
    "mezo-k": ("mezo-k", {}),
    "decomfl": ("decomfl", {}),
}
"""Estimators of one step; fedspzo's first block is half of two layers, or both of them."""

WARM_STEPS = (0, 60)

_SMALL = {"model": "source-2", "samples": 4, "batch": 8}
_RUNS = {
    "smoke": {"devices": 3, "budget": 16},
    "default": {"devices": 4, "budget": 48},
    "full": {"devices": 8, "budget": 320},
}
_ESTIMATES = {"smoke": 8, "default": 64, "full": 256}


class ZerothOrderStudy:
    """Runs on the virtual clock, and the worth of single steps."""

    grid: Mapping[str, Sequence[Any]] = {"learning_rate": RATES, "split": SPLITS}

    def setups(self, size: Size, seed: int) -> Sequence[Setup]:
        """All methods on both tasks, with equal layer-forwards in a round."""
        return [_setup(method, task, size, seed) for task in TASKS for method in METHODS]

    def jobs(self, size: Size) -> Sequence[Job]:
        """The worth of a step of each estimator; at size full also from half-way."""
        tasks = TASKS[:1] if size.name == "smoke" else TASKS
        warm = WARM_STEPS if size.name == "full" else WARM_STEPS[:1]
        return [
            _job(name, task, steps, size) for task in tasks for steps in warm for name in ESTIMATORS
        ]

    def tables(
        self, size: Size, outcomes: Sequence[Outcome], jobs: Mapping[str, Any]
    ) -> Sequence[Table]:
        """See Study."""
        del size
        final = [outcome for outcome in outcomes if outcome.cell.stage == "final"]
        return [
            study_tables.steps(),
            study_tables.one_step(jobs),
            *(table for task in TASKS for table in study_tables.to_accuracy(final, task)),
            study_tables.wire(final),
        ]


def _setup(method: str, task: str, size: Size, seed: int) -> Setup:
    sized = _RUNS[size.name]
    options: dict[str, Any] = {**_SMALL, "budget": sized["budget"], "pool": 256}
    if method in ("fedspzo", "mezo-1", "mezo-k"):
        options["own_seeds"] = True
    if method != "fedspzo":
        options["split"] = -1  # they have none: nothing to tune
    return Setup(
        system="fedspzo",
        method=method,
        task=task,
        fleet="jetson80",
        devices=sized["devices"],
        seed=seed,
        options=options,
    )


def _job(name: str, task: str, warm_steps: int, size: Size) -> Job:
    method, options = ESTIMATORS[name]
    return Job(
        name=f"{task}/{warm_steps}/{name}",
        call="training.federated.systems.fedspzo.one_step:measure",
        arguments={
            "method": method,
            "task": task,
            "options": {**_SMALL, **options},
            "rates": list(STEP_RATES),
            "estimates": _ESTIMATES[size.name],
            "examples": 128,
            "warm_steps": warm_steps,
        },
    )


def study() -> ZerothOrderStudy:
    """The study of FedSPZO and its baselines."""
    return ZerothOrderStudy()
