"""A comparison as one document: what was run, tuned, found under each protocol, and every run."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from rm.evaluation.summary import CONFIDENCE, Interval
from training.federated.compare.plan import DROP_SHARE
from training.federated.compare.protocols import (
    RESOURCES,
    TARGET_SHARE,
    Cost,
    Runs,
    Scene,
    Summary,
    scenes,
)
from training.federated.compare.run import Found
from training.federated.compare.tuning import SEED, Tuned
from training.federated.study import Outcome, Size, Study, Table
from training.federated.system import System

SCHEMA = 1


class Cheapest(Struct, frozen=True, kw_only=True):
    """The baseline that reached the target at the least cost, and its cost per that of the system.

    `baseline` is None where no baseline always reached the target, `ratio` where one of both did
    not. A ratio above 1 says that the system is cheaper.
    """

    resource: str
    baseline: str | None
    ratio: Interval | None


class Headline(Struct, frozen=True, kw_only=True):
    """A system against its strongest baselines in a scene.

    `baseline` has the highest validation accuracy of the final runs; `difference` is the system's
    test accuracy less that baseline's. `reached` counts the seeds in which the system reached the
    target.
    """

    system: str
    scene: str
    accuracy: Interval
    baseline: str | None
    difference: Interval | None
    reached: int
    seeds: int
    cheapest: tuple[Cheapest, ...]


class Compared(Struct, frozen=True, kw_only=True):
    """One system's study as it came out."""

    system: str
    paper: str
    summary: str
    leaves_device: str
    methods: tuple[str, ...]
    tuned: tuple[Tuned, ...]
    scenes: tuple[Scene, ...]
    headlines: tuple[Headline, ...]
    tables: tuple[Table, ...]
    outcomes: tuple[Outcome, ...]


class Document(Struct, frozen=True, kw_only=True):
    """The whole comparison."""

    schema: int = SCHEMA
    size: Size
    confidence: float = CONFIDENCE
    drop_share: float = DROP_SHARE
    target_share: float = TARGET_SHARE
    tuning_seed: int = SEED
    systems: tuple[Compared, ...]


def compared(system: System, study: Study, size: Size, found: Found) -> Compared:
    """A study's results under the three protocols, and its own tables."""
    parts = zip(found.contestants, found.final, found.robust, strict=True)
    runs = [Runs(contestant=one, final=final, robust=robust) for one, final, robust in parts]
    shown = scenes(runs, own=system.methods[0])
    return Compared(
        system=system.name,
        paper=system.paper,
        summary=system.summary.rstrip("."),
        leaves_device=system.leaves_device,
        methods=system.methods,
        tuned=found.tuned,
        scenes=shown,
        headlines=tuple(headline(system.name, scene) for scene in shown),
        tables=tuple(study.tables(size, found.outcomes(), found.jobs)),
        outcomes=tuple(found.outcomes()),
    )


def headline(system: str, scene: Scene) -> Headline:
    """The line of a scene in the overview."""
    own = next(one for one in scene.summary if one.contestant == scene.reference)
    others = [one for one in scene.summary if one is not own]
    best = max(others, key=lambda one: one.validation, default=None)
    reached = next(one for one in scene.cost if one.contestant == scene.reference)
    return Headline(
        system=system,
        scene=scene.name,
        accuracy=own.accuracy,
        baseline=best.contestant if best else None,
        difference=_turned(best),
        reached=reached.reached,
        seeds=reached.seeds,
        cheapest=tuple(_cheapest(scene, resource) for resource in RESOURCES),
    )


def _turned(best: Summary | None) -> Interval | None:
    """The system less the baseline, out of the baseline less the system."""
    if best is None or best.difference is None:
        return None
    found = best.difference
    low, high = (None if end is None else -end for end in (found.high, found.low))
    return Interval(mean=-found.mean, low=low, high=high, n=found.n)


def _cheapest(scene: Scene, resource: str) -> Cheapest:
    def cost(one: Cost) -> float:
        return one.cost.mean if one.cost else float("inf")

    others = [
        one
        for one in scene.cost
        if one.resource == resource and one.contestant != scene.reference and one.cost
    ]
    best = min(others, key=cost, default=None)
    return Cheapest(
        resource=resource,
        baseline=best.contestant if best else None,
        ratio=best.ratio if best else None,
    )


def document_json(document: Document, *, runs: bool) -> str:
    """The document as JSON; without `runs` the single runs are left out."""
    made: Any = msgspec.to_builtins(document)
    if not runs:
        for system in made["systems"]:
            del system["outcomes"]
    text = msgspec.json.encode(made).decode()
    return text if runs else msgspec.json.format(text, indent=2)


def headlines(document: Document) -> Sequence[Headline]:
    """The lines of all systems."""
    return [line for system in document.systems for line in system.headlines]
