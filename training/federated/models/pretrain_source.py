"""Pre-training on the synthetic source, of which there is no end."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from training.federated.dice import dice
from training.federated.local import accuracy, logits
from training.federated.models.build import build, config
from training.federated.models.family import Member, shape_of_member
from training.federated.models.made import Made
from training.federated.models.progress import Told
from training.federated.models.steps import Stepper
from training.federated.models.weights import HEAD, drawn
from training.federated.suffix import arrays_of, whole
from training.federated.tasks import source
from training.federated.tasks.task import Examples

STEPS = 800
_BATCH = 32
_LEARNING_RATE = 2e-3
_HELD_OUT = 2000


def pretrain_source(found: Member, *, seed: int, steps: int, told: Told) -> Made:
    """A member of the family `source`: the class of a text and both its subjects are learnt.

    Classes alone are learnt by no amount of training at this size: a subject by itself says
    nothing about them. What tells the subjects is left out of the result.
    """
    rng = dice(seed, "pretrain", found.name)
    wide = shape_of_member(found, source.CLASSES + source.SUBJECTS**2)
    model = build(config(wide), drawn(wide, seed))
    stepper = Stepper(model.parameters(), learning_rate=_LEARNING_RATE, steps=steps)
    for step in range(steps):
        x, subjects = source.texts(_BATCH, rng)
        said = logits(model, torch.from_numpy(x))
        pairs = subjects[:, 0] * source.SUBJECTS + subjects[:, 1]
        stepper.step(
            _loss(said[:, : source.CLASSES], source.sums(subjects))
            + _loss(said[:, source.CLASSES :], pairs)
        )
        told(found.name, step + 1, steps)
    arrays = arrays_of(model, whole(wide))
    for name in HEAD:
        arrays[name] = arrays[name][: source.CLASSES].copy()
    shape = shape_of_member(found, source.CLASSES)
    return Made(
        shape=shape,
        arrays=arrays,
        quality=_quality(build(config(shape), arrays), rng),
        origin={"seed": seed, "steps": steps},
    )


def _quality(model: nn.Module, rng: np.random.Generator) -> dict[str, float]:
    x, subjects = source.texts(_HELD_OUT, rng)
    held_out = Examples(x=x, y=source.sums(subjects))
    best = float((source.likeliest(x) == held_out.y).mean())
    return {"accuracy": accuracy(model, held_out), "best_accuracy": best}


def _loss(said: Tensor, wanted: NDArray[Any]) -> Tensor:
    return cross_entropy(said, torch.from_numpy(wanted))
