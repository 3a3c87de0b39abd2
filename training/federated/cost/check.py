"""Hold the cost model against PyTorch's own counts, on a model that does the work."""

from typing import Any

import torch
from msgspec import Struct

from training.federated.cost.flops import forward_flops, step_flops
from training.federated.cost.measure import measured_flops, measured_peak_bytes
from training.federated.cost.memory import inference_peak_bytes, peak_bytes
from training.federated.cost.work import Work
from training.federated.dice import dice
from training.federated.local import logits, train_steps
from training.federated.tasks.task import Examples

STEPS = 2
"""Steps that are measured: in the second the gradients of the one before are there too."""


class Compared(Struct, frozen=True, kw_only=True):
    """What the model says and what PyTorch counted."""

    said: float
    counted: float

    @property
    def error(self) -> float:
        """The model's error relative to the count: above 0 where it says too much."""
        return self.said / self.counted - 1


class Checked(Struct, frozen=True, kw_only=True):
    """A work's costs, said and counted: FLOPs, and the most bytes held."""

    step_flops: Compared
    forward_flops: Compared
    peak_bytes: Compared
    inference_bytes: Compared


def check(work: Work, model: Any) -> Checked:
    """Let `model` (pruned and prepared as `work` says) train and infer, and count.

    Memory is counted with fused attention, FLOPs with eager attention, because PyTorch's counter
    does not see fused attention on a CPU.
    """
    texts = _texts(work)
    x = torch.from_numpy(texts.x)
    peak = measured_peak_bytes(model, lambda: _train(model, texts, work, STEPS))
    for parameter in model.parameters():
        parameter.grad = None
    inference = measured_peak_bytes(model, lambda: _infer(model, x.clone()))
    model.set_attn_implementation("eager")
    forward = measured_flops(lambda: _infer(model, x))
    step = measured_flops(lambda: _train(model, texts, work, 1))
    model.set_attn_implementation("sdpa")
    return Checked(
        step_flops=Compared(said=step_flops(work), counted=step),
        forward_flops=Compared(said=forward_flops(work), counted=forward),
        peak_bytes=Compared(said=peak_bytes(work), counted=peak),
        inference_bytes=Compared(said=inference_peak_bytes(work), counted=inference),
    )


def _texts(work: Work) -> Examples:
    """A batch; where it is padded, the last quarter of every text is padding."""
    rng, shape = dice(0, "check"), work.shape
    x = rng.integers(1, shape.vocabulary, (work.batch, work.tokens))
    if work.padded:
        x[:, -(-3 * work.tokens // 4) :] = 0
    return Examples(x=x, y=rng.integers(0, shape.classes, work.batch))


def _train(model: Any, texts: Examples, work: Work, steps: int) -> None:
    train_steps(
        model,
        texts,
        steps=steps,
        batch=work.batch,
        learning_rate=1e-4,
        optimiser=work.optimiser,
        seed=0,
    )


def _infer(model: Any, x: torch.Tensor) -> None:
    model.eval()
    with torch.no_grad():
        logits(model, x)
