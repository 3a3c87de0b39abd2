"""What is measured of FedSpine: runs on one fleet, bandits in virtual worlds, memory and work."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.federated.study import Job, Outcome, Size, Table
from training.federated.system import Setup
from training.federated.systems.fedspine.bandit import POLICIES
from training.federated.systems.fedspine.options import METHODS
from training.federated.systems.fedspine.regret import WORLDS
from training.federated.systems.fedspine.study_tables import tables

COMPARED = ("fedspine", "fixed", "random", "ucb1", "oracle", "unpruned")
RATIOS = (0.0, 0.1, 0.3, 0.5)

_CALL = "training.federated.systems.fedspine"


class FedSpineStudy:
    """See Study."""

    grid: Mapping[str, Sequence[Any]] = {"learning_rate": (1e-3, 3e-3, 1e-2, 2e-2, 3e-2)}

    def setups(self, size: Size, seed: int) -> Sequence[Setup]:
        """Unlike devices on permuted tokens; the full size adds the papers' boards and the rest."""
        if size.name != "full":
            return [setup_of(method, seed=seed) for method in COMPARED]
        return [
            setup_of(method, seed=seed, fleet=fleet, task=task, model="source-4", devices=10)
            for fleet in ("classes20", "jetson80")
            for task in ("labels", "tokens")
            for method in METHODS
        ]

    def jobs(self, size: Size) -> Sequence[Job]:
        """Contests of bandits, and what a step needs."""
        return [*_contests(size), _footprint("source-2", 24), _footprint("tiny-4", 128)]

    def tables(
        self, size: Size, outcomes: Sequence[Outcome], jobs: Mapping[str, Any]
    ) -> Sequence[Table]:
        """See `study_tables`."""
        del size
        return tables(outcomes, jobs)


def setup_of(
    method: str,
    *,
    seed: int = 0,
    fleet: str = "classes20",
    task: str = "tokens",
    model: str = "source-2",
    devices: int = 6,
) -> Setup:
    """Small models on unlike devices, that stand for RoBERTa-base on the virtual clock."""
    return Setup(
        system="fedspine",
        method=method,
        task=task,
        fleet=fleet,
        devices=devices,
        seed=seed,
        stand_in="roberta-base",
        options={"model": model},
    )


def _contests(size: Size) -> list[Job]:
    rounds = 200 if size.seeds > 2 else 60
    return [
        Job(
            name=f"regret/{world.name}/{policy}",
            call=f"{_CALL}.contest:contest",
            arguments={
                "world": world.name,
                "policy": policy,
                "rounds": rounds,
                "seeds": list(range(1, 2 * size.seeds + 1)),
                "early": 20,
            },
        )
        for world in WORLDS
        for policy in POLICIES
    ]


def _footprint(model: str, tokens: int) -> Job:
    return Job(
        name=f"footprint/{model}, {tokens} tokens",
        call=f"{_CALL}.footprint:footprint",
        arguments={"model": f"{model}:random", "tokens": tokens, "ratios": list(RATIOS)},
    )
