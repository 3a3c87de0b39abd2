"""Tests of LoRA on pruned matrices: cut out of full coordinates, and put back."""

import copy

import numpy as np
import pytest
import torch

from tests.training.federated.fedspine.adapted import RANK, factors, shape
from tests.training.federated.fedspine.bert import importance, masked, small_bert, texts
from training.federated.models.names import parameters_of
from training.federated.suffix import load_arrays, merged, names_and_shapes
from training.federated.systems.fedspine.factors import cut, cut_shapes, put_back
from training.federated.systems.fedspine.models import Workbench, deployed
from training.federated.systems.fedspine.plan import suffix_of
from training.federated.systems.fedspine.prune import prune_model
from training.federated.systems.fedspine.structure import choose_kept

KEPT = choose_kept(importance(), 0.4)


def test_what_is_cut_and_put_back_is_as_it_was() -> None:
    """Nothing is lost on the way into a pruned device and out of it."""
    whole = factors()
    back = put_back(cut(whole, KEPT, shape()), whole, KEPT, shape())
    assert whole.keys() == back.keys()
    assert all(np.array_equal(whole[name], back[name]) for name in whole)


def test_a_pruned_coordinate_has_not_moved_and_every_other_is_the_devices() -> None:
    """What a device has pruned stays as the server has it."""
    whole, device = factors(seed=0), factors(seed=1)
    back = put_back(cut(device, KEPT, shape()), whole, KEPT, shape())
    for name in whole:
        is_whole, is_device = back[name] == whole[name], back[name] == device[name]
        assert (is_whole ^ is_device).all(), name
        share = is_device.mean()
        pruned = cut(whole, KEPT, shape())[name].size / whole[name].size
        assert pytest.approx(pruned) == share, name


def test_shapes_are_known_before_anything_is_pruned() -> None:
    """The server says what a sound reply is from the ratio alone."""
    for ratio in (0.0, 0.1, 0.4, 0.9):
        kept = choose_kept(importance(), ratio)
        expected = {name: a.shape for name, a in cut(factors(), kept, shape()).items()}
        shapes = names_and_shapes(shape(), suffix_of(shape(), RANK))
        assert expected == cut_shapes(shapes, ratio, shape())


def test_weights_are_cut_as_the_model_is_pruned() -> None:
    """One rule for matrices and for the factors beside them."""
    whole = {name: p.detach().numpy() for name, p in parameters_of(small_bert()).items()}
    pruned = parameters_of(prune_model(small_bert(), KEPT))
    found = cut(whole, KEPT, shape())
    assert pruned.keys() == found.keys()
    assert all(np.array_equal(pruned[n].detach().numpy(), found[n]) for n in found)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_pruned_lora_equals_lora_merged_and_masked(attention: str) -> None:
    """The model a device tunes, the one that is deployed, and a full-size one with masks."""
    arrays, base = factors(), small_bert(attention)
    full = copy.deepcopy(base)
    load_arrays(
        full, merged({n: p.detach().numpy() for n, p in parameters_of(base).items()}, arrays)
    )
    bench = Workbench(copy.deepcopy(base), RANK, seed=0)
    with torch.no_grad():
        expected = masked(full, KEPT)(texts()).logits
        tuned = bench.tunable(arrays, KEPT).eval()(texts()).logits
        plain = deployed(base, arrays, KEPT)(texts()).logits
    torch.testing.assert_close(expected, tuned, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(expected, plain, rtol=1e-4, atol=1e-4)


def test_a_workbench_takes_on_one_structure_after_the_other() -> None:
    """What was trained before leaves no trace, gradients included."""
    bench, arrays = Workbench(small_bert(), RANK, seed=0), factors()
    first = bench.tunable(arrays, KEPT)
    first(texts()).logits.sum().backward()
    with torch.no_grad():
        for parameter in first.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    again = bench.tunable(arrays, choose_kept(importance(3), 0.1))
    fresh = Workbench(small_bert(), RANK, seed=9).tunable(arrays, choose_kept(importance(3), 0.1))
    assert all(parameter.grad is None for parameter in again.parameters())
    with torch.no_grad():
        assert torch.equal(fresh(texts()).logits, again(texts()).logits)


def test_only_lora_pooler_and_head_are_trained() -> None:
    """The base is frozen, pruned or not."""
    model = Workbench(small_bert(), RANK, seed=0).tunable(factors(), KEPT)
    trained = {n for n, p in parameters_of(model).items() if p.requires_grad}
    assert factors().keys() == trained
