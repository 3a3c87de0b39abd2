"""What is measured of the joint choice: a grid of modelled devices, and runs under caps."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from training.federated.study import Job, Outcome, Size, Table
from training.federated.system import Setup
from training.federated.systems.joint_batch_frequency.erring import Erring
from training.federated.systems.joint_batch_frequency.experiment import Grid
from training.federated.systems.joint_batch_frequency.methods import METHODS
from training.federated.systems.joint_batch_frequency.study_tables import (
    batch_table,
    erring_table,
    federated_table,
    gain_table,
    halving_table,
    network_table,
    regret_table,
    samples_table,
)

DEVICES = 10
GRID = "grid"
ERRING = "erring"


class JointStudy:
    """See Study."""

    grid: Mapping[str, Sequence[Any]] = {"learning_rate": (0.1, 0.2, 0.3, 0.4, 0.6)}

    def setups(self, size: Size, seed: int) -> Sequence[Setup]:
        """Every method on ten boards of the papers' mix."""
        del size
        return [
            Setup(
                system="joint-batch-frequency",
                method=method,
                task="digits",
                fleet="jetson80",
                devices=DEVICES,
                seed=seed,
            )
            for method in METHODS
        ]

    def jobs(self, size: Size) -> Sequence[Job]:
        """The grid, with about twice the seeds of the runs: medians are taken, and cost little."""
        return [
            Job(
                name=GRID,
                call="training.federated.systems.joint_batch_frequency.experiment:grid",
                arguments={"seeds": 2 * size.seeds + 1},
            ),
            Job(
                name=ERRING,
                call="training.federated.systems.joint_batch_frequency.erring:erring",
                arguments={"seeds": 2 * size.seeds + 1, "draws": 2 * size.seeds},
            ),
        ]

    def tables(
        self, size: Size, outcomes: Sequence[Outcome], jobs: Mapping[str, Any]
    ) -> Sequence[Table]:
        """Samples, gains, what jointness adds, regret; then the federated runs."""
        del size
        found: list[Table] = []
        if GRID in jobs:
            counted = msgspec.convert(jobs[GRID], Grid, strict=False)
            found += [
                samples_table(counted),
                gain_table(counted),
                network_table(counted),
                halving_table(counted),
                batch_table(counted),
                regret_table(counted),
            ]
        if ERRING in jobs:
            found.append(erring_table(msgspec.convert(jobs[ERRING], list[Erring])))
        return [*found, *federated_table(outcomes)]
