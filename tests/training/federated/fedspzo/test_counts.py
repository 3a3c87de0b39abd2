"""Layers run as often as the formula says, and a BERT in stages is the same BERT."""

import pytest
import torch

from tests.training.federated.fedspzo.toys import batch, layers_chain
from training.federated.models.load import load_model
from training.federated.systems.fedspzo.bert import bert_chain
from training.federated.systems.fedspzo.counts import (
    LayerCounter,
    central_forwards,
    forward_forwards,
    saving,
)
from training.federated.systems.fedspzo.estimate import central, forward, loss_of
from training.federated.systems.fedspzo.noise import Noise
from training.federated.systems.fedspzo.options import METHODS, Options
from training.federated.systems.fedspzo.plan import plan_of

WORDS = torch.tensor([[1, 5, 9, 3], [1, 8, 2, 60], [1, 7, 7, 4]])


@pytest.mark.parametrize(("layers", "first"), [(3, 0), (3, 2), (3, 3), (6, 5)])
@pytest.mark.parametrize("samples", [1, 2, 5])
def test_a_central_step_runs_as_many_layers_as_the_formula_says(
    layers: int, first: int, samples: int
) -> None:
    """2 (s + K (L - s)), counted by hooks."""
    chain, (inputs, labels) = layers_chain(layers), batch()
    with LayerCounter(chain) as counter:
        central(
            chain,
            chain.initial,
            inputs,
            loss_of(labels),
            seed=0,
            step=0,
            boundary=chain.boundary(first),
            samples=samples,
            eps=1e-3,
            noise=Noise(),
        )
    assert central_forwards(layers, first, samples) == counter.count


@pytest.mark.parametrize("samples", [1, 5])
def test_a_forward_step_runs_as_many_layers_as_the_formula_says(samples: int) -> None:
    """(K + 1) L, counted by hooks on a BERT."""
    chain = bert_chain(load_model("source-2:random", "", 4, 0))
    with LayerCounter(chain) as counter:
        forward(
            chain,
            chain.initial,
            WORDS,
            loss_of(torch.tensor([0, 1, 2])),
            seed=0,
            step=0,
            samples=samples,
            eps=1e-3,
            noise=Noise(),
        )
    assert forward_forwards(2, samples) == counter.count


@pytest.mark.parametrize(
    ("layers", "first", "row"),
    [
        (12, 6, (1.33, 1.60, 1.78, 1.88)),
        (12, 9, (1.60, 2.29, 2.91, 3.37)),
        (12, 11, (1.85, 3.20, 5.05, 7.11)),
    ],
)
def test_the_saving_is_that_of_the_reference_table(
    layers: int, first: int, row: tuple[float, ...]
) -> None:
    """K = 2, 4, 8, 16; the limit is L / (L - s)."""
    assert row == tuple(round(saving(layers, first, samples), 2) for samples in (2, 4, 8, 16))
    assert layers / (layers - first) == pytest.approx(saving(layers, first, 10**6), rel=1e-4)


def test_a_bert_in_stages_gives_the_same_logits() -> None:
    """With and without tokens that pad."""
    model = load_model("source-2:random", "", 4, 0).eval()
    padded = torch.cat([WORDS, torch.zeros(3, 2, dtype=torch.int64)], dim=1)
    with torch.no_grad():
        expected = model(input_ids=WORDS).logits
        expected_padded = model(input_ids=padded, attention_mask=padded.ne(0).long()).logits
    chain = bert_chain(model)
    assert sum(p.numel() for p in load_model("source-2:random", "", 4, 0).parameters()) == (
        chain.parameters
    )
    torch.testing.assert_close(chain.run(chain.initial, WORDS), expected)
    torch.testing.assert_close(chain.run(chain.initial, padded), expected_padded)
    torch.testing.assert_close(expected, expected_padded)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_spends_the_same_budget(method: str) -> None:
    """At 160 layer-forwards on 4 layers no method is more than a step away from it."""
    plan = plan_of(method, Options(), 4)
    assert 160 - plan.step_forwards < plan.round_forwards <= 160
