"""What is measured of MergeSFL: label skew, selection, other clocks; tuned, and at one rate."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from training.federated.study import Job, Outcome, Size, Table
from training.federated.system import Setup
from training.federated.systems.mergesfl.experiment import EQUAL_RATE
from training.federated.systems.mergesfl.methods import METHODS
from training.federated.systems.mergesfl.study_tables import tables

RATES = (0.05, 0.1, 0.2, 0.4, 0.8)
ALPHAS = (1.0, 0.1)
DEVICES = 10
LINE_BYTES_PER_S = 8e6
"""Assumed: so that about two thirds of the regulated workers fit it."""

ALEXNET = "alexnet-cifar10"
CLOCKS = (("classes20", ALEXNET), ("jetson80", ALEXNET))
"""Fleets and networks that stand behind the second look at time."""

CLOCK_METHODS = ("mergesfl", "merge-only", "splitfed-v1", "splitfed-v2", "fedavg")
BY_BATCH = "mergesfl, rates by batch"
"""MergeSFL with the bottoms' rates by batch, as recalled of the paper, instead of averages."""


class MergeStudy:
    """See Study."""

    grid: Mapping[str, Sequence[Any]] = {"learning_rate": RATES}

    def setups(self, size: Size, seed: int) -> Sequence[Setup]:
        """Every method at both label skews."""
        del size
        return [setup_of(method, alpha, seed=seed) for alpha in ALPHAS for method in METHODS]

    def jobs(self, size: Size) -> Sequence[Job]:
        """Contests over twice the rounds, where slow methods arrive too; and the selections."""
        skews = [
            _contest(f"skew/{alpha:g}/{method}", setup_of(method, alpha), size, EQUAL_RATE)
            for alpha in ALPHAS
            for method in METHODS
        ]
        by_batch = [
            _contest(
                f"skew/{alpha:g}/{BY_BATCH}",
                setup_of("mergesfl", alpha, bottom_rate="by-batch"),
                size,
                EQUAL_RATE,
            )
            for alpha in ALPHAS
        ]
        clocks = [
            _contest(
                f"clock/{fleet}/{method}",
                setup_of(method, ALPHAS[-1], fleet=fleet, stand_in=stand_in),
                size,
                None,
            )
            for fleet, stand_in in CLOCKS
            for method in CLOCK_METHODS
        ]
        return [*skews, *by_batch, *clocks, *(_selection(alpha, size) for alpha in ALPHAS)]

    def tables(
        self, size: Size, outcomes: Sequence[Outcome], jobs: Mapping[str, Any]
    ) -> Sequence[Table]:
        """See `study_tables`."""
        del size, outcomes
        return tables(jobs)


def setup_of(
    method: str,
    alpha: float,
    *,
    seed: int = 0,
    fleet: str = "classes20",
    stand_in: str = "",
    **options: Any,
) -> Setup:
    """Ten devices on digits; the line is bounded where the network is taken as it is."""
    return Setup(
        system="mergesfl",
        method=method,
        task="digits",
        fleet=fleet,
        devices=DEVICES,
        alpha=alpha,
        seed=seed,
        stand_in=stand_in,
        options={**({} if stand_in else {"line_bytes_per_s": LINE_BYTES_PER_S}), **options},
    )


def _contest(name: str, setup: Setup, size: Size, equal_rate: float | None) -> Job:
    return Job(
        name=name,
        call="training.federated.systems.mergesfl.experiment:contest",
        arguments={
            "setup": msgspec.to_builtins(setup),
            "rates": list(RATES) if size.grid_points > 1 else [0.4],
            "equal_rate": equal_rate,
            "seeds": list(range(1, size.seeds + 1)),
            "rounds": 2 * size.rounds,
        },
    )


def _selection(alpha: float, size: Size) -> Job:
    return Job(
        name=f"selection/{alpha:g}",
        call="training.federated.systems.mergesfl.selection_quality:selection_quality",
        arguments={"alpha": alpha, "draws": 40 * size.seeds},
    )
