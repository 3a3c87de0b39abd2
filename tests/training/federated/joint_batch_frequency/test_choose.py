"""The joint choice and its baselines, as pure functions of tables."""

from itertools import product
from typing import NamedTuple

import numpy as np
import pytest

from platforms.errors import InvalidInput
from training.federated.dice import dice
from training.federated.systems.joint_batch_frequency.choose import (
    NoPlace,
    batch_then_cap,
    choose_bf,
    energy_to_target,
    feasible,
    fixed_batch,
    samples_first,
    time_per_sample,
    time_to_target,
)
from training.federated.systems.joint_batch_frequency.methods import METHODS, chosen
from training.federated.systems.joint_batch_frequency.tables import Tables

BATCHES = (8, 16, 32, 64)
FREQS = (1, 2, 3, 4, 5)


def random_tables(seed: int) -> Tables[int]:
    """Anything positive: the choice must not lean on how devices usually are."""
    rng = dice(seed, "tables")
    pairs = list(product(BATCHES, FREQS))
    columns = [dict(zip(pairs, rng.uniform(0.1, 2.0, len(pairs)), strict=True)) for _ in range(3)]
    return Tables(*columns, "modelled")


def random_samples(seed: int) -> dict[int, float]:
    """Samples to the target by batch."""
    return dict(zip(BATCHES, dice(seed, "samples").uniform(100, 1000, 4), strict=True))


@pytest.mark.parametrize("seed", range(30))
def test_the_choice_is_the_best_of_all_pairs_under_the_cap(seed: int) -> None:
    """Against every pair, one by one."""
    tables, samples, cap_w = random_tables(seed), random_samples(seed), 1.0
    best = min(
        tables.sample_s[pair] * samples[pair[0]]
        for pair in tables.sample_s
        if tables.peak_w[pair] <= cap_w
    )
    pair = choose_bf(tables, samples, cap_w)
    assert tables.peak_w[pair] <= cap_w
    assert best == time_to_target(tables, pair, samples)
    assert tables.mean_w[pair] * best == energy_to_target(tables, pair, samples)


@pytest.mark.parametrize("seed", range(10))
def test_only_the_shape_of_the_proxys_samples_matters(seed: int) -> None:
    """A target that takes a constant times the proxy's samples has the same optimum."""
    tables, samples = random_tables(seed), random_samples(seed)
    scaled = {batch: 3.7 * count for batch, count in samples.items()}
    assert choose_bf(tables, samples, 1.0) == choose_bf(tables, scaled, 1.0)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("method", METHODS)
def test_every_method_holds_the_cap_and_none_beats_the_oracle(method: str, seed: int) -> None:
    """The least cap that leaves every batch a place; the others know only the proxy's samples."""
    tables, proxy, own = random_tables(seed), random_samples(seed), random_samples(seed + 100)
    least_w = [min(tables.peak_w[batch, freq] for freq in FREQS) for batch in BATCHES]
    cap_w = max(least_w)
    pair = chosen(method, tables, proxy, cap_w, own=own)
    best = chosen("oracle", tables, proxy, cap_w, own=own)
    assert tables.peak_w[pair] <= cap_w
    assert time_to_target(tables, best, own) <= time_to_target(tables, pair, own)


def device() -> Tables[str]:
    """A larger batch is faster per sample and draws more."""
    sample_s = {(8, "slow"): 2.0, (8, "fast"): 1.0, (64, "slow"): 1.2, (64, "fast"): 0.6}
    watts = {(8, "slow"): 3.0, (8, "fast"): 5.0, (64, "slow"): 4.0, (64, "fast"): 7.0}
    return Tables(sample_s, watts, watts, "modelled")


def test_each_baseline_does_what_its_name_says() -> None:
    """A cap between the two peaks of the large batch; the small batch needs half the samples."""
    samples = {8: 500.0, 64: 1000.0}
    assert (8, "fast") == choose_bf(device(), samples, 6.0)
    assert (64, "slow") == fixed_batch(device(), 64, 6.0)
    assert (8, "fast") == time_per_sample(device(), 6.0)
    assert (64, "fast") == time_per_sample(device(), 7.0)
    assert (8, "slow") == samples_first(device(), samples, 4.0)
    assert (8, "fast") == batch_then_cap(device(), samples, 6.0)


def test_jointness_matters_where_the_cap_changes_the_best_batch() -> None:
    """Without a cap the large batch is best; under it the small one, which its frequency allows."""
    samples = {8: 600.0, 64: 900.0}
    assert (64, "fast") == choose_bf(device(), samples, 7.0)
    assert (8, "fast") == choose_bf(device(), samples, 6.0)
    assert (64, "slow") == batch_then_cap(device(), samples, 6.0)


def test_a_batch_of_unknown_samples_is_not_chosen() -> None:
    """One with which the proxy never got there is left out."""
    assert (64, "fast") == choose_bf(device(), {64: 1e9}, 7.0)
    assert [(64, "slow")] == feasible(device(), 5.0, {64: 1e9})


def test_a_cap_below_everything_is_refused_with_the_least_peak() -> None:
    """So that a user knows what to allow."""
    with pytest.raises(NoPlace, match=r"power cap must be at least 3 W, .* \(got 2\)"):
        choose_bf(device(), {8: 1.0, 64: 1.0}, 2.0)
    with pytest.raises(NoPlace, match=r"batch 64 must have a place under 3\.5 W"):
        fixed_batch(device(), 64, 3.5)


def test_of_equal_times_the_one_that_draws_less_is_taken() -> None:
    """The rest of the power is somebody else's."""
    pairs = {(8, "a"): 1.0, (8, "b"): 1.0}
    watts = {(8, "a"): 3.0, (8, "b"): 2.0}
    assert (8, "b") == choose_bf(Tables(pairs, watts, watts, "measured"), {8: 1.0}, 9.0)


class Place(NamedTuple):
    """What a planner of CPUs would pass."""

    cluster: str
    opp: int
    cores: int


def test_a_place_may_be_a_cluster_with_operating_point_and_cores() -> None:
    """Nothing in the choice looks into a place."""
    big, little = Place("big", 3, 2), Place("little", 6, 4)
    sample_s = {(4, big): 1.0, (4, little): 1.5}
    watts = {(4, big): 3.0, (4, little): 1.0}
    tables = Tables(sample_s, watts, watts, "measured")
    assert (4, little) == choose_bf(tables, {4: 100.0}, 2.0)
    assert (4, big) == choose_bf(tables, {4: 100.0}, 3.0)


def test_tables_that_do_not_fit_together_are_refused() -> None:
    """Pairs must be the same, values finite and above zero."""
    one, other = {(8, 1): 1.0}, {(8, 2): 1.0}
    with pytest.raises(InvalidInput, match="peak_w must have the pairs of sample_s"):
        Tables(one, other, one, "modelled")
    with pytest.raises(InvalidInput, match=r"sample_s of \(8, 1\) must be above 0"):
        Tables({(8, 1): 0.0}, one, one, "modelled")
    with pytest.raises(InvalidInput, match="at least one pair"):
        Tables({}, {}, {}, "modelled")
    with pytest.raises(InvalidInput, match=r"mean_w of .* finite"):
        Tables(one, one, {(8, 1): np.nan}, "modelled")


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    """By name."""
    with pytest.raises(InvalidInput, match="method must be one of joint, fixed-batch"):
        chosen("best", device(), {8: 1.0}, 9.0, own={})
