"""Tests of the identities that aggregation of unequal updates keeps."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from training.federated.aggregation import (
    Held,
    layerwise,
    normalised,
    padded,
    product,
    rank_of,
    refactorised,
    resized,
    shares,
    stems,
    weighted_mean,
)

NAMES = ("layer.0.w", "layer.1.w", "head.weight")
STEM = "layer.0.query"
seeds = st.integers(0, 2**32 - 1)
weights = st.floats(1e-3, 1e3)
quick = settings(max_examples=50, deadline=None)


def devices(seed: int, holding: list[tuple[list[str], float]]) -> list[Held]:
    """Devices that hold these names, with these weights."""
    rng = np.random.default_rng(seed)
    return [
        ({name: rng.normal(size=(3, 2)) for name in names}, weight) for names, weight in holding
    ]


def factors(rng: np.random.Generator, rank: int) -> dict[str, NDArray[Any]]:
    """A pair of factors of a 5 x 7 weight."""
    return {
        f"{STEM}.lora_A": rng.normal(size=(rank, 7)),
        f"{STEM}.lora_B": rng.normal(size=(5, rank)),
    }


holdings = st.lists(
    st.tuples(st.lists(st.sampled_from(NAMES), unique=True, min_size=1), weights),
    min_size=1,
    max_size=6,
)
ranked = st.lists(st.tuples(st.integers(1, 4), weights), min_size=1, max_size=4)


@given(st.lists(weights, min_size=1))
def test_normalised_weights_sum_to_one(given_weights: list[float]) -> None:
    """Whatever the devices' numbers of samples are."""
    assert 1 == pytest.approx(sum(normalised(given_weights)))


@pytest.mark.parametrize("wrong", [[], [0.0], [1.0, -1.0], [float("inf")], [float("nan")]])
def test_weights_that_cannot_be_normalised_are_refused(wrong: list[float]) -> None:
    """A mean without weight would be 0/0."""
    with pytest.raises(InvalidInput, match="weights must be 0 or more and not all 0"):
        normalised(wrong)


@quick
@given(seeds, holdings, st.randoms(use_true_random=False))
def test_the_order_of_devices_does_not_matter(
    seed: int, holding: list[tuple[list[str], float]], shuffle: Any
) -> None:
    """Replies come as they come."""
    held = devices(seed, holding)
    shuffled = list(held)
    shuffle.shuffle(shuffled)
    expected, actual = weighted_mean(held), weighted_mean(shuffled)
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(value, actual[name], rtol=1e-9, atol=1e-12)


@quick
@given(seeds, holdings, st.floats(1e-3, 1e3))
def test_the_scale_of_weights_does_not_matter(
    seed: int, holding: list[tuple[list[str], float]], factor: float
) -> None:
    """Samples and shares of samples give the same model."""
    held = devices(seed, holding)
    scaled = [(arrays, weight * factor) for arrays, weight in held]
    for name, value in weighted_mean(held).items():
        np.testing.assert_allclose(value, weighted_mean(scaled)[name], rtol=1e-9, atol=1e-12)


@quick
@given(seeds, holdings)
def test_a_mean_lies_among_those_who_hold_the_name(
    seed: int, holding: list[tuple[list[str], float]]
) -> None:
    """Who does not hold a name has no part in it."""
    held = devices(seed, holding)
    for name, mean in weighted_mean(held).items():
        copies = np.stack([arrays[name] for arrays, _ in held if name in arrays])
        assert (mean >= copies.min(axis=0) - 1e-12).all()
        assert (mean <= copies.max(axis=0) + 1e-12).all()


@quick
@given(seeds, holdings)
def test_layerwise_moves_a_name_by_the_share_of_its_holders(
    seed: int, holding: list[tuple[list[str], float]]
) -> None:
    """Names move to r * mean + (1 - r) * old; names that nobody holds stay, to the bit."""
    held = devices(seed, holding)
    old = {name: np.full((3, 2), 2.0) for name in NAMES}
    new = layerwise(old, held)
    part, mean = shares(held), weighted_mean(held)
    for name in NAMES:
        if name in part:
            expected = part[name] * mean[name] + (1 - part[name]) * old[name]
            np.testing.assert_allclose(expected, new[name], rtol=1e-9, atol=1e-12)
        else:
            assert new[name] is old[name]


def test_without_share_a_name_becomes_the_mean_of_its_holders() -> None:
    """One device of two holds it: half way with share, all the way without."""
    old = {"w": np.zeros(1, np.float32), "v": np.zeros(1, np.float32)}
    held: list[Held] = [({"w": np.ones(1, np.float32)}, 1.0), ({"v": np.ones(1, np.float32)}, 1.0)]
    assert 0.5 == layerwise(old, held)["w"][0]
    assert 1.0 == layerwise(old, held, share=False)["w"][0]


def test_where_all_hold_all_layerwise_is_the_plain_mean() -> None:
    """Federated averaging is the special case, and the model's type is kept."""
    old = {"w": np.full(2, 9, np.float32)}
    held: list[Held] = [
        ({"w": np.array([0, 4], np.float32)}, 3.0),
        ({"w": np.array([4, 0], np.float32)}, 1.0),
    ]
    new = layerwise(old, held)["w"]
    np.testing.assert_array_equal(np.array([1, 3], np.float32), new)
    assert np.float32 == new.dtype


def test_a_round_without_replies_leaves_the_model() -> None:
    """All devices failed."""
    old = {"w": np.ones(2)}
    assert old == layerwise(old, [])


def test_a_name_that_the_model_does_not_have_is_refused() -> None:
    """It would grow the model."""
    with pytest.raises(InvalidInput, match=r"arrays must be of the model's \(got x\)"):
        layerwise({"w": np.ones(1)}, [({"x": np.ones(1)}, 1.0)])


def test_copies_of_unequal_shape_are_refused() -> None:
    """Numpy would broadcast (1,) with (2,) without a word."""
    with pytest.raises(InvalidInput, match=r"one shape \(got \(2,\), \(1,\)\)"):
        weighted_mean([({"w": np.ones(2)}, 1.0), ({"w": np.ones(1)}, 1.0)])


def test_stems_are_what_has_factors() -> None:
    """Heads and layers trained as they are have none."""
    assert (STEM,) == stems([*factors(np.random.default_rng(0), 2), "head.weight"])


def test_factors_that_do_not_fit_are_refused() -> None:
    """A of rank 2, B of rank 3."""
    arrays = {f"{STEM}.lora_A": np.ones((2, 7)), f"{STEM}.lora_B": np.ones((5, 3))}
    with pytest.raises(InvalidInput, match=r"must agree \(got 2, 3\)"):
        rank_of(arrays, STEM)


@quick
@given(seeds, ranked)
def test_filling_up_ranks_leaves_every_product(
    seed: int, devices_: list[tuple[int, float]]
) -> None:
    """Zeros add nothing; all ranks are then equal, and cutting back gives the same factors."""
    rng = np.random.default_rng(seed)
    held: list[Held] = [(factors(rng, rank), weight) for rank, weight in devices_]
    largest = max(rank for rank, _ in devices_)
    for (before, weight), (after, same_weight) in zip(held, padded(held), strict=True):
        assert weight == same_weight
        assert largest == rank_of(after, STEM)
        np.testing.assert_allclose(product(before, STEM), product(after, STEM))
        back = resized(after, {STEM: rank_of(before, STEM)})
        assert all((before[name] == back[name]).all() for name in before)


@quick
@given(seeds, ranked)
def test_refactorised_gives_the_mean_product_where_the_rank_allows(
    seed: int, devices_: list[tuple[int, float]]
) -> None:
    """The rank of a sum is at most the sum of ranks."""
    rng = np.random.default_rng(seed)
    held: list[Held] = [(factors(rng, rank), weight) for rank, weight in devices_]
    share = normalised([weight for _, weight in held])
    expected = sum(
        part * product(arrays, STEM) for part, (arrays, _) in zip(share, held, strict=True)
    )
    new = refactorised(held, {STEM: sum(rank for rank, _ in devices_)})
    np.testing.assert_allclose(expected, product(new, STEM), atol=1e-9)


@quick
@given(seeds, st.integers(1, 4), st.lists(weights, min_size=1, max_size=4))
def test_of_equal_devices_padding_and_factorising_both_give_their_product(
    seed: int, rank: int, device_weights: list[float]
) -> None:
    """Equal factors, equal ranks: nothing is lost either way."""
    one = factors(np.random.default_rng(seed), rank)
    held: list[Held] = [(one, weight) for weight in device_weights]
    for new in (weighted_mean(padded(held)), refactorised(held, {STEM: rank})):
        np.testing.assert_allclose(product(one, STEM), product(new, STEM), atol=1e-9)


@quick
@given(seeds, ranked, st.integers(1, 3))
def test_refactorised_is_the_best_of_its_rank(
    seed: int, devices_: list[tuple[int, float]], rank: int
) -> None:
    """What is lost are the singular values that are left out (Eckart and Young)."""
    rng = np.random.default_rng(seed)
    held: list[Held] = [(factors(rng, own), weight) for own, weight in devices_]
    mean = product(refactorised(held, {STEM: 5}), STEM)
    lost = np.linalg.svd(mean, compute_uv=False)[rank:]
    cut = product(refactorised(held, {STEM: rank}), STEM)
    assert np.sqrt((lost**2).sum()) == pytest.approx(float(np.linalg.norm(mean - cut)), abs=1e-9)


def test_refactorised_keeps_rows_of_a_at_length_one_even_without_weight() -> None:
    """B is 0 at the beginning of training; were A 0 too, no gradient would ever reach either."""
    start = factors(np.random.default_rng(0), 3)
    start[f"{STEM}.lora_B"] *= 0
    new = refactorised([(start, 1.0)], {STEM: 3})
    np.testing.assert_allclose(np.ones(3), np.linalg.norm(new[f"{STEM}.lora_A"], axis=1))
    np.testing.assert_allclose(0, new[f"{STEM}.lora_B"], atol=1e-12)


def test_mean_of_factors_is_not_the_mean_of_products() -> None:
    """Why FlexLoRA multiplies out: the two differ where devices differ."""
    rng = np.random.default_rng(0)
    held: list[Held] = [(factors(rng, 2), 1.0), (factors(rng, 2), 1.0)]
    by_factors = product(weighted_mean(padded(held)), STEM)
    by_products = product(refactorised(held, {STEM: 4}), STEM)
    assert 0.1 < np.linalg.norm(by_factors - by_products) / np.linalg.norm(by_products)
