"""A device of FedSpine: prune by importance, tune what is left, measure importance on the way."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from training.federated.dice import seed_for
from training.federated.exchange import Order, Reply
from training.federated.fleet import load_fleet
from training.federated.local import train_steps
from training.federated.models.load import shape_of_name
from training.federated.registry import options_of
from training.federated.suffix import arrays_of
from training.federated.system import Setup
from training.federated.systems.fedspine.factors import cut, put_back
from training.federated.systems.fedspine.importance import Scores, Watcher, renewed
from training.federated.systems.fedspine.models import Workbench, workbench
from training.federated.systems.fedspine.options import Options
from training.federated.systems.fedspine.plan import Stage, suffix_of
from training.federated.systems.fedspine.structure import (
    CHANNELS,
    HEADS,
    Kept,
    choose_kept,
    kept_arrays,
)
from training.federated.tasks.load import load_task


class FedSpineClient:
    """One device; it keeps nothing from order to order but its examples and the base model."""

    def __init__(self, setup: Setup, device: str) -> None:
        """The device of this name in the setup's fleet."""
        task = load_task(setup)
        self._options = options_of(setup, Options)
        self._setup, self._device, self._task = setup, device, task
        self._examples = task.parts[load_fleet(setup.fleet, setup.devices).index(device)]
        self._shape = shape_of_name(task.model, setup.models, task.classes)

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """Prune and tune in turn, as often as the order says."""
        del memory
        rank, round_ = number_in(order, "rank"), number_in(order, "round")
        full = {name: order.arrays[name] for name in order.arrays if not name.startswith("imp")}
        scores: Scores = {name: order.arrays[name].astype(np.float64) for name in (HEADS, CHANNELS)}
        bench = self._workbench(rank)
        loss = samples = 0.0
        for number, stage in enumerate(stages_of(order)):
            kept = choose_kept(scores, stage.ratio)
            model = bench.tunable(full, kept)
            watcher = Watcher(model, self._shape, momentum=self._options.momentum)
            trained = train_steps(
                model,
                self._examples,
                steps=stage.steps,
                batch=self._options.batch,
                learning_rate=self._options.learning_rate,
                optimiser=self._options.optimiser,
                seed=seed_for(self._setup.seed, "train", self._device, round_, number),
            )
            scores = renewed(scores, watcher.close(), kept)
            part = arrays_of(model, suffix_of(self._shape, rank))
            full = put_back(part, full, kept, self._shape)
            loss += trained.loss * stage.steps
            samples += trained.samples
        arrays = cut(full, kept, self._shape) | kept_arrays(kept) | _scores_of(scores, kept)
        steps = sum(stage.steps for stage in stages_of(order))
        return Reply(arrays=arrays, metrics={"samples": samples, "loss": loss / steps})

    def _workbench(self, rank: int) -> Workbench:
        task, setup = self._task, self._setup
        return workbench(task.model, setup.models, task.classes, setup.seed, rank)


def number_in(order: Order, name: str) -> int:
    """A whole number that an order names."""
    return int(cast(int, order.settings[name]))


def stages_of(order: Order) -> tuple[Stage, ...]:
    """The stages that an order names."""
    ratios = cast(list[float], order.settings["ratios"])
    steps = cast(list[int], order.settings["steps"])
    return tuple(Stage(float(r), int(s)) for r, s in zip(ratios, steps, strict=True))


def _scores_of(scores: Scores, kept: Kept) -> dict[str, NDArray[Any]]:
    """The shares of what is left, as they travel."""
    return {
        name: np.stack(
            [layer[list(i)] for layer, i in zip(scores[name], index, strict=True)]
        ).astype(np.float32)
        for name, index in ((HEADS, kept.heads), (CHANNELS, kept.channels))
    }
