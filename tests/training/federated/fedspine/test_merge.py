"""Tests of how factors of unequal rank become one set."""

from itertools import pairwise

import numpy as np
import pytest

from tests.training.federated.fedspine.adapted import factors
from training.federated.aggregation import product, rank_of, resized, stems
from training.federated.systems.fedspine.merge import lengthened, merge, moved
from training.federated.systems.fedspine.options import Merge

WAYS: tuple[Merge, ...] = ("residual", "svd", "pad")
STEMS = stems(factors())


@pytest.mark.parametrize("how", WAYS)
def test_equal_factors_of_equal_rank_come_out_as_they_went_in(how: Merge) -> None:
    """The identity: nothing was learnt, nothing changes."""
    whole = factors(rank=4)
    result = merge(how, whole, [(whole, 3.0), (whole, 1.0)])
    for stem in STEMS:
        np.testing.assert_allclose(product(whole, stem), product(result, stem), atol=1e-5)
    np.testing.assert_allclose(whole["head.weight"], result["head.weight"], atol=1e-6)


@pytest.mark.parametrize("how", WAYS)
def test_the_result_always_has_the_global_rank(how: Merge) -> None:
    """Whatever ranks came in."""
    whole = factors(rank=4)
    held = [(factors(rank=1, seed=1), 1.0), (factors(rank=2, seed=2), 1.0)]
    result = merge(how, whole, held)
    assert whole.keys() == result.keys()
    assert {4} == {rank_of(result, stem) for stem in STEMS}


def test_products_are_averaged_exactly_where_the_rank_suffices() -> None:
    """Two devices of rank 1 and 2 fit into rank 3."""
    first, second = factors(rank=1, seed=1), factors(rank=2, seed=2)
    result = merge("svd", factors(rank=3), [(first, 1.0), (second, 3.0)])
    for stem in STEMS:
        expected = 0.25 * product(first, stem) + 0.75 * product(second, stem)
        np.testing.assert_allclose(expected, product(result, stem), atol=1e-5)


def test_what_a_small_rank_did_not_train_stays_unless_zeros_stand_for_it() -> None:
    """A device that changed nothing of what it was sent changes nothing of the whole."""
    whole = merge("svd", factors(rank=4), [(factors(rank=4), 1.0)])  # its best directions first
    sent = resized(whole, dict.fromkeys(STEMS, 2))
    kept = merge("residual", whole, [(sent, 1.0)])
    lost = merge("svd", whole, [(sent, 1.0)])
    for stem in STEMS:
        np.testing.assert_allclose(product(whole, stem), product(kept, stem), atol=1e-5)
        assert np.abs(product(whole, stem) - product(lost, stem)).max() > 0.01
    assert moved(whole, lengthened(sent, whole)) == 0.0


def test_the_first_directions_are_those_with_most_weight() -> None:
    """A device of a small rank is sent the best part of the whole."""
    result = merge("residual", factors(rank=4), [(factors(rank=4, seed=5), 1.0)])
    for stem in STEMS:
        lengths = np.linalg.norm(result[f"{stem}.lora_B"], axis=0)
        assert all(first >= second - 1e-6 for first, second in pairwise(lengths))


def test_how_far_factors_moved_is_that_of_their_products() -> None:
    """Turning both factors against each other is no movement."""
    before = factors()
    turned = dict(before)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0].astype(np.float32)
    for stem in STEMS:
        turned[f"{stem}.lora_A"] = turn @ before[f"{stem}.lora_A"]
        turned[f"{stem}.lora_B"] = before[f"{stem}.lora_B"] @ turn.T
    assert moved(before, turned) < 1e-4
    assert moved(before, factors(seed=1)) > 1.0
