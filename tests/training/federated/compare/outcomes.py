"""Made-up outcomes, for tests of what is worked out from them."""

from collections.abc import Sequence
from typing import Any

from training.federated.compare.contestants import Contestant
from training.federated.compare.protocols import Runs
from training.federated.study import Cell, Outcome, Point, Stage
from training.federated.system import Setup


def outcome(
    tests: Sequence[float],
    *,
    step: float = 1.0,
    seed: int = 1,
    stage: Stage = "final",
    validations: Sequence[float] | None = None,
    **setup: Any,
) -> Outcome:
    """A run with these test accuracies; each round takes `step` of every resource, 10 of bytes."""
    made = Setup(**{"system": "s", "method": "own", "task": "t", "seed": seed} | setup)
    points = [
        Point(
            round=i,
            time_s=step * i,
            waiting_s=0.0,
            energy_j=step * i,
            up_bytes=round(4 * step * i),
            down_bytes=round(6 * step * i),
            flops=step * i,
            validation=validation,
            test=test,
        )
        for i, (test, validation) in enumerate(zip(tests, validations or tests, strict=True))
    ]
    cell = Cell(stage=stage, setup=made, rounds=len(tests) - 1)
    return Outcome(cell=cell, points=tuple(points), peak_bytes=100, notes={})


def runs(
    name: str,
    tests: Sequence[Sequence[float]],
    *,
    step: float = 1.0,
    robust: Sequence[Sequence[float]] | None = None,
) -> Runs:
    """A contestant with a run per seed, seeds from 1."""
    return Runs(
        contestant=Contestant(scene="t", name=name, method=name),
        final=tuple(outcome(own, step=step, seed=i) for i, own in enumerate(tests, 1)),
        robust=tuple(
            outcome(own, step=step, seed=i, stage="robust")
            for i, own in enumerate(robust if robust is not None else tests, 1)
        ),
    )
