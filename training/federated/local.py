"""A device's plain work: some steps of training on its examples, and how well a model does."""

from typing import Any, Literal

import torch
from msgspec import Struct
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from platforms.errors import InvalidInput
from training.federated.pace import new_pace
from training.federated.tasks.task import Examples

Optimiser = Literal["sgd", "adamw"]

_AT_ONCE = 256  # examples; more is not faster for tiny models


class Trained(Struct, frozen=True, kw_only=True):
    """What training was: mean loss over its steps (before each step), and examples seen."""

    loss: float
    samples: int


def logits(model: nn.Module, x: Tensor) -> Tensor:
    """What a model says of examples: token ids go to a BERT (0 pads), features to any module."""
    if x.dtype.is_floating_point:
        return _tensor(model(x))
    seen = x.ne(0)
    return _tensor(model(input_ids=x, attention_mask=None if seen.all() else seen.long()).logits)


def train_steps(
    model: nn.Module,
    examples: Examples,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    optimiser: Optimiser = "sgd",
    seed: int,
) -> Trained:
    """Train what of the model is not frozen, in place, on batches drawn from `seed`.

    The optimiser starts anew: SGD without momentum, or AdamW without decay of weights. One thread
    is used, so that the numbers are the same wherever it runs, unless a governor says otherwise
    (`pace`), of batches as well.
    """
    torch.set_num_threads(1)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    stepper = _optimiser(optimiser, trained, learning_rate)
    model.train()
    pace = new_pace()
    for rows in pace.batches(model, stepper, len(examples.y), batch=batch, steps=steps, seed=seed):
        loss = cross_entropy(
            logits(model, torch.from_numpy(examples.x[rows])), torch.from_numpy(examples.y[rows])
        )
        stepper.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        stepper.step()
        pace.step(loss.item(), len(rows))
    return Trained(loss=pace.loss_sum / max(pace.steps, 1), samples=pace.samples)


def accuracy(model: nn.Module, examples: Examples) -> float:
    """Share of right answers, 0 to 1."""
    torch.set_num_threads(1)
    model.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(examples.y), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            answers = logits(model, torch.from_numpy(examples.x[part])).argmax(-1)
            right += int((answers == torch.from_numpy(examples.y[part])).sum())
    return right / len(examples.y)


def _optimiser(name: str, trained: list[nn.Parameter], learning_rate: float) -> Any:
    if name == "sgd":
        return torch.optim.SGD(trained, lr=learning_rate)
    if name == "adamw":
        return torch.optim.AdamW(trained, lr=learning_rate, weight_decay=0.0)
    raise InvalidInput(f"optimiser must be sgd or adamw (got {name})")


def _tensor(value: Any) -> Tensor:
    found: Tensor = value
    return found
