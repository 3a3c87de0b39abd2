"""Tests of pruning to smaller dense matrices."""

import copy

import numpy as np
import pytest
import torch

from tests.training.federated.fedspine.bert import (
    FFN,
    HEAD_COUNT,
    HIDDEN,
    LAYERS,
    importance,
    masked,
    small_bert,
    texts,
)
from training.federated.systems.fedspine.prune import prune_model
from training.federated.systems.fedspine.structure import (
    Kept,
    choose_kept,
    everything,
    kept_arrays,
    kept_of,
    left,
)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5, 0.9])
def test_the_pruned_dense_model_equals_the_masked_model(attention: str, ratio: float) -> None:
    """What is gone from the matrices is what a mask sets to nothing."""
    model, kept = small_bert(attention), choose_kept(importance(), ratio)
    with torch.no_grad():
        expected = masked(copy.deepcopy(model), kept)(texts()).logits
        whole = model(texts()).logits
        got = prune_model(model, kept)(texts()).logits
    torch.testing.assert_close(expected, got, rtol=1e-5, atol=1e-5)
    assert (whole - got).abs().max() > 0.01


def test_a_text_shorter_than_its_row_gives_the_masked_models_answer() -> None:
    """The attention mask does not depend on how many heads there are."""
    kept = choose_kept(importance(), 0.5)
    mask = torch.ones_like(texts())
    mask[:, 5:] = 0
    with torch.no_grad():
        expected = masked(small_bert(), kept)(texts(), attention_mask=mask).logits
        got = prune_model(small_bert(), kept)(texts(), attention_mask=mask).logits
    torch.testing.assert_close(expected, got, rtol=1e-5, atol=1e-5)


def test_nothing_pruned_leaves_every_weight_as_it_was() -> None:
    """Ratio 0 is the model itself, bit for bit."""
    whole = small_bert().state_dict()
    same = prune_model(small_bert(), everything(LAYERS, HEAD_COUNT, FFN)).state_dict()
    assert whole.keys() == same.keys()
    assert all(torch.equal(whole[name], same[name]) for name in whole)


def test_matrices_of_a_dependency_group_shrink_together() -> None:
    """A head's rows of query, key and value and its columns of the output; a channel's likewise."""
    kept = Kept(heads=((0, 2), (1,), (0, 1, 3)), channels=((0, 5), (1,), (2, 3, 47)))
    model = prune_model(small_bert(), kept)
    size = HIDDEN // HEAD_COUNT
    for number, layer in enumerate(model.base_model.encoder.layer):
        width, ffn = len(kept.heads[number]) * size, len(kept.channels[number])
        attention = layer.attention
        for part in ("query", "key", "value"):
            linear = getattr(attention.self, part)
            assert ((width, HIDDEN), (width,)) == (linear.weight.shape, linear.bias.shape)
        assert (HIDDEN, width) == attention.output.dense.weight.shape
        assert (ffn, HIDDEN) == layer.intermediate.dense.weight.shape
        assert (HIDDEN, ffn) == layer.output.dense.weight.shape
        assert len(kept.heads[number]) == attention.self.num_attention_heads
        assert width == attention.self.all_head_size


def test_pruning_twice_equals_pruning_at_once() -> None:
    """Numbers count in the model as it comes in."""
    once = Kept(heads=((1,), (3,), (0,)), channels=((4,), (7,), (9,)))
    first = Kept(heads=((1, 2), (0, 3), (0, 1)), channels=((4, 5), (6, 7), (8, 9)))
    then = Kept(heads=((0,), (1,), (0,)), channels=((0,), (1,), (1,)))
    expected = prune_model(small_bert(), once).state_dict()
    got = prune_model(prune_model(small_bert(), first), then).state_dict()
    assert all(torch.equal(expected[name], got[name]) for name in expected)


def test_the_pruned_model_holds_fewer_numbers() -> None:
    """Half of the heads and channels: half of every matrix of a layer."""

    def inner(model: torch.nn.Module) -> int:
        layers = model.base_model.encoder.layer
        return sum(p.numel() for p in layers.parameters() if p.dim() == 2)

    whole, half = small_bert(), prune_model(small_bert(), choose_kept(importance(), 0.5))
    assert inner(whole) == 2 * inner(half)


def test_every_layer_loses_as_many_and_never_all() -> None:
    """Unequal layers would make the cost depend on more than the ratio."""
    for ratio in (0.0, 0.2, 0.5, 0.9, 1.0):
        kept = choose_kept(importance(), ratio)
        assert {left(HEAD_COUNT, ratio)} == {len(heads) for heads in kept.heads}
        assert {left(FFN, ratio)} == {len(channels) for channels in kept.channels}


def test_structures_of_a_higher_ratio_are_among_those_of_a_lower_one() -> None:
    """Devices with unlike ratios train parts of one another."""
    low, high = (choose_kept(importance(), ratio) for ratio in (0.2, 0.5))
    assert all(set(b) <= set(a) for a, b in zip(low.heads, high.heads, strict=True))
    assert all(set(b) <= set(a) for a, b in zip(low.channels, high.channels, strict=True))


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("kept.heads", [[0, 4], [0, 1], [0, 1]]),
        ("kept.heads", [[-1, 1], [0, 1], [0, 1]]),
        ("kept.heads", [[1, 1], [0, 1], [0, 1]]),
        ("kept.channels", [[5, 3], [0, 1], [0, 1]]),
        ("kept.channels", [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]]),
    ],
)
def test_structures_that_a_device_makes_up_are_not_believed(
    name: str, numbers: list[list[float]]
) -> None:
    """Out of range, twice, out of order, or no whole numbers."""
    sound = kept_arrays(choose_kept(importance(), 0.5))
    assert kept_of(sound, HEAD_COUNT, FFN) is not None
    assert kept_of(sound | {name: np.array(numbers)}, HEAD_COUNT, FFN) is None
