"""Tests of importance from gradients of the LoRA factors."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.training.federated.fedspine.adapted import RANK, factors, shape
from tests.training.federated.fedspine.bert import (
    FFN,
    HEAD_COUNT,
    HIDDEN,
    LAYERS,
    importance,
    small_bert,
    texts,
)
from training.federated.models.names import parameters_of
from training.federated.suffix import SCALING
from training.federated.systems.fedspine.importance import (
    Watcher,
    group_scores,
    renewed,
    unknown,
)
from training.federated.systems.fedspine.models import Workbench
from training.federated.systems.fedspine.structure import (
    CHANNELS,
    HEADS,
    Kept,
    choose_kept,
    everything,
)

WHOLE = everything(LAYERS, HEAD_COUNT, FFN)


def with_gradients(kept: Kept = WHOLE, seed: int = 0) -> dict[str, torch.nn.Parameter]:
    """The parameters of a model with LoRA after one backward pass."""
    model = Workbench(small_bert(seed=seed), RANK, seed=0).tunable(factors(seed=seed), kept)
    answers = torch.arange(6) % 5
    cross_entropy(model(texts(seed=seed)).logits, answers).backward()
    return parameters_of(model)


def direction(parameters: dict[str, torch.nn.Parameter], stem: str) -> np.ndarray:
    """Where a small step of gradient moves the product of two factors, by taking that step."""
    step = 1e-5
    a, b = (parameters[f"{stem}.lora_{x}"].detach().double() for x in "AB")
    ga, gb = (parameters[f"{stem}.lora_{x}"].grad.double() for x in "AB")
    return ((b @ a - (b - step * gb) @ (a - step * ga)) / step).numpy()


def effect(parameters: dict[str, torch.nn.Parameter], stem: str) -> np.ndarray:
    """Squares of weight times direction, weights with LoRA in them."""
    a, b = (parameters[f"{stem}.lora_{x}"].detach().double() for x in "AB")
    weight = parameters[f"{stem}.weight"].detach().double() + SCALING * b @ a
    return np.square(weight.numpy() * direction(parameters, stem))


@pytest.mark.parametrize("ratio", [0.0, 0.4])
def test_a_groups_score_is_the_sum_over_all_its_rows_and_columns(ratio: float) -> None:
    """By loops over groups, with the direction found by taking a step."""
    kept = choose_kept(importance(), ratio)
    parameters = with_gradients(kept)
    size = HIDDEN // HEAD_COUNT
    scores = group_scores(parameters, shape())
    for layer in range(LAYERS):
        stem = f"layer.{layer}."
        heads = []
        for head in range(len(kept.heads[layer])):
            own = slice(head * size, (head + 1) * size)
            parts = ("query", "key", "value")
            rows = sum(effect(parameters, f"{stem}attention.{p}")[own].sum() for p in parts)
            heads.append(rows + effect(parameters, f"{stem}attention.output")[:, own].sum())
        expected = np.array(heads) / sum(heads)
        np.testing.assert_allclose(expected, scores[HEADS][layer], rtol=1e-3)
        channels = effect(parameters, f"{stem}ffn.in").sum(1)
        channels += effect(parameters, f"{stem}ffn.out").sum(0)
        np.testing.assert_allclose(channels / channels.sum(), scores[CHANNELS][layer], rtol=1e-3)


def test_no_gradient_of_a_full_matrix_is_needed() -> None:
    """Scores come from the factors: the base has no gradients at all."""
    parameters = with_gradients()
    assert all(p.grad is None for n, p in parameters.items() if n not in factors())
    assert (LAYERS, HEAD_COUNT) == group_scores(parameters, shape())[HEADS].shape


def test_a_group_that_does_nothing_scores_nothing() -> None:
    """A channel whose row and column are 0, LoRA included."""
    arrays = factors()
    arrays["layer.1.ffn.in.lora_B"][7] = 0
    arrays["layer.1.ffn.out.lora_A"][:, 7] = 0
    model = small_bert()
    with torch.no_grad():
        model.base_model.encoder.layer[1].intermediate.dense.weight[7] = 0
        model.base_model.encoder.layer[1].output.dense.weight[:, 7] = 0
    tuned = Workbench(model, RANK, seed=0).tunable(arrays, WHOLE)
    tuned(texts()).logits.square().sum().backward()
    scores = group_scores(parameters_of(tuned), shape())[CHANNELS][1]
    assert 0.0 == scores[7]
    assert (np.delete(scores, 7) > 0).all()


def test_a_watcher_smooths_over_the_steps_of_any_loop() -> None:
    """It sees each backward pass once, and none after it is closed."""
    model = Workbench(small_bert(), RANK, seed=0).tunable(factors(), WHOLE)
    watcher = Watcher(model, shape(), momentum=0.75)
    seen = []
    for number in range(3):
        model.zero_grad()
        model(texts(seed=number)).logits.square().sum().backward()
        seen.append(group_scores(parameters_of(model), shape()))
    found = watcher.close()
    for name in (HEADS, CHANNELS):
        expected = 0.75 * (0.75 * seen[0][name] + 0.25 * seen[1][name]) + 0.25 * seen[2][name]
        np.testing.assert_allclose(expected, found[name])
    before = {name: scores.copy() for name, scores in found.items()}
    model(texts(seed=9)).logits.square().sum().backward()
    assert all(np.array_equal(before[name], found[name]) for name in before)


def test_shares_of_pruned_groups_stay_and_the_rest_is_divided_anew() -> None:
    """Smaller gradients later on do not bring pruned groups back."""
    old = unknown(shape())
    kept = choose_kept(importance(), 0.4)
    rng = np.random.default_rng(0)
    measured = {
        name: rng.dirichlet(np.ones(len(index[0])), LAYERS)
        for name, index in ((HEADS, kept.heads), (CHANNELS, kept.channels))
    }
    new = renewed(old, measured, kept)
    for name, index in ((HEADS, kept.heads), (CHANNELS, kept.channels)):
        np.testing.assert_allclose(np.ones(LAYERS), new[name].sum(1))
        for layer in range(LAYERS):
            pruned = np.setdiff1d(np.arange(old[name].shape[1]), index[layer])
            assert np.array_equal(old[name][layer, pruned], new[name][layer, pruned])
            part = new[name][layer, list(index[layer])]
            np.testing.assert_allclose(measured[name][layer], part / part.sum())


def test_pruning_what_matters_least_changes_answers_less_than_pruning_what_matters_most() -> None:
    """Over drawn models, on texts that the scores have not seen."""
    least, most = [], []
    for seed in range(4):
        bench, arrays = Workbench(small_bert(seed=seed), RANK, seed=0), factors(seed=seed)
        model = bench.tunable(arrays, WHOLE)
        cross_entropy(model(texts(seed=seed)).logits, torch.arange(6) % 5).backward()
        scores = group_scores(parameters_of(model), shape())
        upside_down = {name: -values for name, values in scores.items()}
        with torch.no_grad():
            whole = model(texts(32, 77)).logits
            for found, order in ((least, scores), (most, upside_down)):
                pruned = bench.tunable(arrays, choose_kept(order, 0.25))(texts(32, 77)).logits
                found.append(float((pruned - whole).square().mean()))
    assert np.mean(least) < 0.8 * np.mean(most)
