"""Tests of what of a model is trained."""

from typing import Any

import numpy as np
import peft
import pytest
import torch

from platforms.errors import InvalidInput
from training.federated.local import train_steps
from training.federated.models.build import build, config
from training.federated.models.names import parameters_of
from training.federated.models.shape import Shape, shape_of
from training.federated.models.weights import drawn
from training.federated.suffix import (
    SCALING,
    Suffix,
    arrays_of,
    load_arrays,
    merged,
    names_and_shapes,
    prepare,
    whole,
)
from training.federated.tasks.task import Examples

SHAPE = Shape(layers=3, hidden=16, heads=2, ffn=24, vocabulary=40, positions=12, types=2, classes=3)
SUFFIXES = [
    Suffix(0),
    Suffix(1),
    Suffix(3),
    Suffix(3, embeddings=True),
    Suffix(0, ()),
    Suffix(1, (2,)),
    Suffix(2, (1, 5)),
    Suffix(3, (4, 4, 4)),
    Suffix(3, (1, 2, 3), embeddings=True),
]
TOKENS = torch.arange(2, 34).reshape(4, 8)


def model_of(shape: Shape = SHAPE, seed: int = 0) -> Any:
    """A small model."""
    return build(config(shape), drawn(shape, seed))


def moved(model: Any, suffix: Suffix, seed: int = 1) -> dict[str, Any]:
    """All that the suffix trains, at random, and put into the model."""
    rng = np.random.default_rng(seed)
    arrays = {
        name: rng.normal(0, 0.3, size).astype(np.float32)
        for name, size in names_and_shapes(shape_of(model), suffix).items()
    }
    load_arrays(model, arrays)
    return arrays


def said(model: Any) -> torch.Tensor:
    """Its logits on fixed tokens."""
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=TOKENS).logits
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_counted_without_a_model_is_what_a_model_trains(suffix: Suffix) -> None:
    """Names, shapes and their order; Order.returns relies on it."""
    model = prepare(model_of(), suffix)
    trained = {
        name: tuple(parameter.shape)
        for name, parameter in parameters_of(model).items()
        if parameter.requires_grad
    }
    assert names_and_shapes(SHAPE, suffix) == trained
    assert list(names_and_shapes(SHAPE, suffix)) == list(arrays_of(model, suffix))


@pytest.mark.parametrize("rank", [1, 4])
def test_lora_by_pefts_own_wrapping_has_as_many_parameters_as_we_count(rank: int) -> None:
    """PEFT is asked in its own words, by the short names of the matrices."""
    targets = ["query", "key", "value", "output.dense", "intermediate.dense"]
    settings = peft.LoraConfig(r=rank, target_modules=targets, layers_to_transform=[1, 2])
    wrapped = peft.inject_adapter_in_model(settings, model_of())
    theirs = sum(p.numel() for n, p in wrapped.named_parameters() if ".lora_" in n)
    ours = names_and_shapes(SHAPE, Suffix(2, (rank, rank)))
    assert theirs == sum(int(np.prod(size)) for name, size in ours.items() if ".lora_" in name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_arrays_go_out_of_one_model_and_into_another(suffix: Suffix) -> None:
    """The second model then says what the first one says."""
    one, other = prepare(model_of(), suffix), prepare(model_of(), suffix)
    moved(one, suffix)
    assert not torch.equal(said(one), said(other))
    load_arrays(other, arrays_of(one, suffix))
    assert torch.equal(said(one), said(other))


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s.ranks])
def test_a_model_with_lora_and_its_merged_plain_model_say_the_same(suffix: Suffix) -> None:
    """To within rounding of single floats."""
    adapted, plain = prepare(model_of(), suffix), model_of()
    trained = moved(adapted, suffix)
    load_arrays(plain, merged(arrays_of(plain, whole(SHAPE)), trained))
    torch.testing.assert_close(said(adapted), said(plain), atol=2e-5, rtol=1e-4)
    assert not torch.allclose(said(adapted), said(model_of()), atol=1e-2)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_preparing_changes_nothing_that_a_model_says(suffix: Suffix) -> None:
    """LoRA's B begins at 0."""
    assert torch.equal(said(model_of()), said(prepare(model_of(), suffix)))


def test_layers_1_11_and_21_have_their_own_ranks_and_all_one_scaling() -> None:
    """PEFT matches patterns at the end of names, and scales by alpha over rank."""
    deep = Shape(**{**_values(SHAPE), "layers": 22})
    ranks = tuple(1 + layer % 7 for layer in range(22))
    model = prepare(model_of(deep), Suffix(22, ranks))
    for layer, rank in enumerate(ranks):
        for name in ("attention.self.query", "attention.output.dense", "output.dense"):
            module = model.get_submodule(f"bert.encoder.layer.{layer}.{name}")
            assert (rank, SCALING) == (module.r["default"], module.scaling["default"])


def test_lora_goes_into_the_suffix_alone() -> None:
    """A suffix of layers 1 and 2 leaves layer 0, the pooler and the head without."""
    model = prepare(model_of(), Suffix(2, (2, 3)))
    layers = {name.split(".")[1] for name in parameters_of(model) if ".lora_" in name}
    assert {"1", "2"} == layers


def test_a_smaller_ranks_first_matrix_is_the_beginning_of_a_larger_ones() -> None:
    """Devices of unequal rank then start alike."""
    small = arrays_of(prepare(model_of(), Suffix(1, (2,))), Suffix(1, (2,)))
    large = arrays_of(prepare(model_of(), Suffix(3, (1, 1, 5))), Suffix(3, (1, 1, 5)))
    name = "layer.2.ffn.in.lora_A"
    np.testing.assert_array_equal(large[name][:2], small[name])


def test_the_seed_draws_lora_and_torchs_own_dice_are_left_alone() -> None:
    """Whoever else draws from torch draws the same as before."""
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    suffix = Suffix(1, (2,))
    one, other = (arrays_of(prepare(model_of(), suffix, seed=s), suffix) for s in (0, 1))
    assert torch.equal(expected, torch.rand(2))
    assert not np.array_equal(one["layer.2.ffn.in.lora_A"], other["layer.2.ffn.in.lora_A"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_training_moves_all_of_the_suffix_and_nothing_else(suffix: Suffix) -> None:
    """Two steps, since LoRA's A has no gradient while its B is 0."""
    model = prepare(model_of(), suffix)
    before = {name: p.detach().clone() for name, p in parameters_of(model).items()}
    examples = Examples(x=TOKENS.numpy(), y=np.array([0, 1, 2, 0]))
    train_steps(model, examples, steps=2, batch=4, learning_rate=0.5, seed=0)
    changed = {n for n, p in parameters_of(model).items() if not torch.equal(p, before[n])}
    expected = set(names_and_shapes(SHAPE, suffix))
    # Softmax does not see what is added to all scores of a query: no gradient but rounding.
    keys = {name for name in expected if name.endswith("attention.key.bias")}
    assert expected - keys == changed - keys


def test_arrays_are_copies() -> None:
    """A server that keeps them does not see the model move on."""
    model, suffix = prepare(model_of(), Suffix(1)), Suffix(1)
    kept = arrays_of(model, suffix)
    expected = kept["head.weight"].copy()
    moved(model, suffix)
    np.testing.assert_array_equal(expected, kept["head.weight"])


def test_some_arrays_leave_the_others_as_they_are() -> None:
    """Any subset may come."""
    model = prepare(model_of(), Suffix(1, (2,)))
    before = arrays_of(model, Suffix(1, (2,)))
    load_arrays(model, {"layer.0.ffn.in.bias": np.ones(24, np.float32)})
    after = arrays_of(model, Suffix(1, (2,)))
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert torch.equal(torch.ones(24), parameters_of(model)["layer.0.ffn.in.bias"])


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("layer.9.ffn.in.bias", 24, "layer.9.ffn.in.bias: must be a parameter of the model"),
        ("layer.2.ffn.in.lora_A", 24, "layer.2.ffn.in.lora_A: must be a parameter of the model"),
        ("head.bias", 4, r"head.bias: must be of shape \(3,\) \(got \(4,\)\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_and_none_is_taken(
    name: str, size: int, reason: str
) -> None:
    """The sound array that stands before is not taken either."""
    model = model_of()
    sound = {"pooler.bias": np.ones(16, np.float32)}
    with pytest.raises(InvalidInput, match=reason):
        load_arrays(model, sound | {name: np.ones(size, np.float32)})
    assert torch.equal(torch.zeros(16), parameters_of(model)["pooler.bias"])


@pytest.mark.parametrize(
    ("depth", "ranks", "embeddings", "reason"),
    [
        (-1, None, False, r"depth must be 0 or more layers \(got -1\)"),
        (2, (1,), False, r"ranks must be one for each of the 2 layers \(got \[1\]\)"),
        (1, (0,), False, r"ranks must be 1 or more \(got \[0\]\); less depth leaves layers out"),
        (4, None, False, r"depth must be at most the model's 3 layers \(got 4\)"),
        (2, None, True, r"embeddings are trained only with all 3 layers \(got depth 2\)"),
    ],
)
def test_a_suffix_that_cannot_be_is_refused(
    depth: int, ranks: tuple[int, ...] | None, embeddings: bool, reason: str
) -> None:
    """By itself, or where it meets the model."""
    with pytest.raises(InvalidInput, match=reason):
        names_and_shapes(SHAPE, Suffix(depth, ranks, embeddings))


def test_a_model_is_not_given_lora_twice() -> None:
    """PEFT would nest it or keep the old ranks."""
    model = prepare(model_of(), Suffix(1, (2,)))
    with pytest.raises(InvalidInput, match="model must have no LoRA yet"):
        prepare(model, Suffix(1, (2,)))


def _values(shape: Shape) -> dict[str, int]:
    return {name: getattr(shape, name) for name in shape.__struct_fields__}
