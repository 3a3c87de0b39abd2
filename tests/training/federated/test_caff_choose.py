"""Tests of CAFF's choices, against exhaustive search among them."""

import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.errors import InvalidInput
from training.federated.fleet import load_fleet
from training.federated.systems.caff.choose import (
    Architecture,
    Cost,
    Limits,
    choose_architecture,
    choose_depth,
    fits,
    trained_layers,
)
from training.federated.systems.caff.limits import limits_of
from training.federated.systems.caff.methods import METHODS, offers
from training.federated.systems.caff.planner import family_of

quick = settings(max_examples=60, deadline=None)


def family(weight: float, activations: float) -> list[Architecture]:
    """Models of 2, 4 and 6 layers: so much memory per layer, and so much per trained layer."""
    return [
        Architecture(
            name=f"tiny-{layers}",
            layers=layers,
            costs={
                depth: Cost(
                    memory_bytes=weight * layers + activations * depth,
                    flops=layers + 2 * depth,
                    up_bytes=1 + depth,
                )
                for depth in range(layers + 1)
            },
        )
        for layers in (2, 4, 6)
    ]


limits = st.builds(
    Limits,
    memory_bytes=st.one_of(st.just(math.inf), st.floats(0, 40)),
    flops=st.one_of(st.just(math.inf), st.floats(2, 20)),
    up_bytes=st.one_of(st.just(math.inf), st.floats(1, 8)),
)
fleets = st.lists(limits, min_size=1, max_size=5)


@quick
@given(limits)
def test_the_depth_fits_and_the_next_does_not(given_limits: Limits) -> None:
    """The most that a device can train, under all limits at once."""
    costs = family(1, 3)[2].costs
    depth = choose_depth(costs, given_limits)
    if depth is None:
        assert not any(fits(cost, given_limits) for cost in costs.values())
    else:
        assert fits(costs[depth], given_limits)
        assert not any(fits(costs[more], given_limits) for more in range(depth + 1, 7))


@quick
@given(fleets, st.floats(0.1, 5), st.floats(0.1, 5))
def test_the_architecture_is_the_best_of_all_assignments(
    fleet: list[Limits], weight: float, activations: float
) -> None:
    """Against every architecture with every depth for every device."""
    choices = family(weight, activations)
    if not any(fits(c.costs[0], one) for c in choices for one in fleet):
        with pytest.raises(InvalidInput, match="none can"):
            choose_architecture(choices, fleet)
        return
    best = max(
        sum(depths) / len(fleet)
        for each in choices
        for depths in product(range(each.layers + 1), repeat=len(fleet))
        if all(
            depth == 0 or fits(each.costs[depth], one)
            for depth, one in zip(depths, fleet, strict=True)
        )
    )
    assert best == pytest.approx(trained_layers(choose_architecture(choices, fleet), fleet))


def test_without_limits_the_deepest_model_is_trained_in_full() -> None:
    """Six layers are more than four."""
    chosen = choose_architecture(family(1, 3), [Limits()])
    assert "tiny-6" == chosen.name
    assert 6 == choose_depth(chosen.costs, Limits())


def test_heavy_frozen_layers_make_a_shallower_model_train_more() -> None:
    """Memory 24 at 4 per layer: of six layers none can be trained besides, of four there are 4."""
    fleet = [Limits(memory_bytes=24)]
    chosen = choose_architecture(family(4, 2), fleet)
    assert "tiny-4" == chosen.name
    assert 4 == choose_depth(chosen.costs, fleet[0])


def test_of_equals_the_cheaper_architecture_is_taken() -> None:
    """Two layers are trained whichever model it is."""
    assert "tiny-2" == choose_architecture(family(1, 3), [Limits(up_bytes=3)]).name


def test_who_cannot_take_part_counts_as_no_layer() -> None:
    """One of two devices trains 6 layers, the other none: 3 on average."""
    all_or_nothing = Architecture(name="all", layers=6, costs={6: family(1, 3)[2].costs[6]})
    assert 3.0 == trained_layers(all_or_nothing, [Limits(), Limits(memory_bytes=1)])


def test_an_empty_fleet_is_refused() -> None:
    """There would be no average."""
    with pytest.raises(InvalidInput, match=r"must not be empty \(got 3 architectures, 0 devices\)"):
        choose_architecture(family(1, 3), [])


FULL = Cost(memory_bytes=1000, flops=500, up_bytes=100)


def test_limits_are_shares_of_full_training_as_devices_differ() -> None:
    """Memories of the fleet are as 1:2:5, bandwidths as 1:10."""
    devices = load_fleet("classes20").devices
    found = limits_of(devices, FULL, memory=1.5, upload=0.5, flops=0)
    assert {300, 600, 1500} == {limit.memory_bytes for limit in found.values()}
    assert {5, 50} == {limit.up_bytes for limit in found.values()}
    assert {math.inf} == {limit.flops for limit in found.values()}


def test_a_negative_share_is_refused() -> None:
    """Nobody could take part."""
    with pytest.raises(InvalidInput, match="shares must be 0 or more"):
        limits_of(load_fleet("classes20").devices, FULL, memory=-1, upload=0, flops=0)


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_offers_has_the_depth_that_it_is_offered_as(method: str) -> None:
    """Depths of layers and of LoRA alike."""
    assert all(depth == suffix.depth for depth, suffix in offers(method, 4, 8).items())


def test_a_familys_members_are_chosen_from_and_a_model_without_family_stands_alone() -> None:
    """Depth is then all there is to choose."""
    assert ("tiny-2", "tiny-6") == family_of("tiny-4", (2, 6))
    assert ("minilm",) == family_of("minilm", (2, 6))
    with pytest.raises(InvalidInput, match="task must be of texts"):
        family_of("", (2, 6))
