"""FLOPs and memory as the cost model has them, against what PyTorch counts of the same work.

``python benchmarks/federated_cost.py`` prints a larger table.
"""

from typing import Any

import pytest
import torch

from training.federated.cost.check import check
from training.federated.cost.memory import peak_bytes
from training.federated.cost.work import Work
from training.federated.models.build import build, config
from training.federated.models.shape import Shape
from training.federated.models.weights import drawn
from training.federated.suffix import Suffix, prepare, whole
from training.federated.systems.fedspine.prune import prune_model
from training.federated.systems.fedspine.structure import Kept

FLOPS_TOLERANCE = 0.001
MEMORY_TOLERANCE = 0.01
"""Far within what is promised (2 % and 10 %): what has been reached is held."""


def tiny(layers: int) -> Shape:
    """The tiny family's sizes."""
    return Shape(
        layers=layers,
        hidden=64,
        heads=4,
        ffn=256,
        vocabulary=1000,
        positions=128,
        types=1,
        classes=4,
    )


def built(work: Work) -> Any:
    """A model of that shape, pruned and prepared as the work says."""
    model = build(config(work.shape), drawn(work.shape, 0))
    layers = work.shape.layers
    kept = Kept(
        heads=(tuple(range(work.heads)),) * layers,
        channels=(tuple(range(work.ffn)),) * layers,
    )
    return prepare(prune_model(model, kept), work.suffix)


def works() -> list[Work]:
    """Depths, ranks, batches, lengths, optimisers, pruning, padding."""
    suffixes = [
        (2, Suffix(0)),
        (4, Suffix(1)),
        (4, Suffix(4)),
        (2, whole(tiny(2))),
        (4, Suffix(1, (4,))),
        (4, Suffix(2, (2, 16))),
        (4, Suffix(4, (32,) * 4)),
    ]
    sizes = [(1, 24, "sgd"), (16, 24, "adamw")]
    plain = [
        Work(shape=tiny(n), suffix=suffix, batch=batch, tokens=tokens, optimiser=optimiser)
        for n, suffix in suffixes
        for batch, tokens, optimiser in sizes
    ]
    pruned = [
        Work(
            shape=tiny(4),
            suffix=suffix,
            batch=16,
            tokens=24,
            optimiser="adamw",
            kept_heads=0.5,
            kept_ffn=0.6,
        )
        for suffix in (Suffix(4), Suffix(4, (8,) * 4))
    ]
    padded = [
        Work(shape=tiny(4), suffix=suffix, batch=8, tokens=128, optimiser="sgd", padded=True)
        for suffix in (Suffix(1), Suffix(4, (8,) * 4))
    ]
    return plain + pruned + padded


def named(work: Work) -> str:
    """A work as the table names it."""
    ranks = "layers" if work.suffix.ranks is None else f"ranks {list(work.suffix.ranks)}"
    pruned = " pruned" * (work.kept_heads < 1) + " padded" * work.padded
    return (
        f"{work.depth}/{work.shape.layers} {ranks}{' + embeddings' * work.suffix.embeddings}"
        f"{pruned}, {work.batch} x {work.tokens}, {work.optimiser}"
    )


@pytest.mark.parametrize("work", works(), ids=named)
def test_costs_are_those_that_pytorch_counts(work: Work) -> None:
    """Training and inference, memory and FLOPs."""
    found = check(work, built(work))
    assert abs(found.step_flops.error) < FLOPS_TOLERANCE
    assert abs(found.forward_flops.error) < FLOPS_TOLERANCE
    assert abs(found.peak_bytes.error) < MEMORY_TOLERANCE
    assert abs(found.inference_bytes.error) < MEMORY_TOLERANCE


def test_the_measured_peak_sees_what_is_held_and_what_is_given_back() -> None:
    """The ruler itself: 4 MB held, then 4 MB more for a moment, then 4 MB anew: 8 MB at most."""
    from training.federated.cost.measure import measured_peak_bytes

    def call() -> None:
        held = torch.zeros(1_000_000)
        moment = torch.zeros(1_000_000)
        del moment
        again = torch.zeros(1_000_000)
        del held, again

    assert 8_000_000 == pytest.approx(measured_peak_bytes(torch.nn.Module(), call), rel=0.01)


def test_a_model_that_forgot_the_optimiser_would_be_found_out() -> None:
    """AdamW's state is a tenth and more of a small batch's peak."""
    adamw = Work(shape=tiny(4), suffix=Suffix(4), batch=1, tokens=24, optimiser="adamw")
    forgot = Work(shape=tiny(4), suffix=Suffix(4), batch=1, tokens=24, optimiser="sgd")
    assert peak_bytes(forgot) < 0.9 * peak_bytes(adamw)
