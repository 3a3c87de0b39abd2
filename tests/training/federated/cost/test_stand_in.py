"""A small model stands for a large one on the virtual clock."""

import pytest

from platforms.errors import InvalidInput
from training.federated.cost.flops import forward_flops
from training.federated.cost.parameters import all_parameters
from training.federated.cost.stand_in import AS_IT_IS, STAND_INS, factors
from training.federated.cost.work import Work
from training.federated.models.shape import Shape
from training.federated.suffix import Suffix

TINY = Shape(
    layers=4, hidden=64, heads=4, ffn=256, vocabulary=1000, positions=128, types=1, classes=2
)


def test_nothing_stands_for_nothing() -> None:
    """The model as it is."""
    assert AS_IT_IS == factors(TINY, 24, "")


def test_roberta_base_has_its_published_size() -> None:
    """125 M parameters are printed for it; with a pooler and our head in place of its own."""
    large = STAND_INS["roberta-base"]
    work = Work(shape=large.shape, suffix=Suffix(0), batch=1, tokens=large.tokens)
    assert 124_647_170 == all_parameters(work)


def test_flops_are_scaled_to_the_larger_model_on_its_longer_texts() -> None:
    """By the ratio of forward passes."""
    large = STAND_INS["roberta-base"]
    found = factors(TINY, 24, "roberta-base")
    ours = forward_flops(Work(shape=TINY, suffix=Suffix(0), batch=1, tokens=24))
    theirs = forward_flops(Work(shape=large.shape, suffix=Suffix(0), batch=1, tokens=128))
    assert theirs == pytest.approx(found.flops * ours)


def test_bytes_are_scaled_so_that_a_layer_stays_the_same_share() -> None:
    """All layers of the small one travel as long as all layers of the large one."""
    found = factors(TINY, 24, "roberta-base")
    per_layer = 7_087_872  # RoBERTa-base's encoder layer: 4 h (h + 1) + 2 h f + f + h + 4 h
    ours = 49_984
    assert 12 * per_layer == pytest.approx(found.bytes * 4 * ours)


def test_a_model_as_large_as_that_stands_for_itself() -> None:
    """Factors of one."""
    large = STAND_INS["roberta-base"]
    found = factors(large.shape, large.tokens, "roberta-base")
    assert (1, 1, 1) == (found.flops, found.bytes, found.memory)


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    """A typing error must not silently be free of charge."""
    with pytest.raises(InvalidInput, match="nothing or one of roberta-base"):
        factors(TINY, 24, "roberta-large")
