"""Tests of LEGEND's ranks, capacities and depths."""

from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.errors import InvalidInput
from training.federated.systems.legend.capacity import (
    Capacity,
    observed,
    predicted_s,
    smoothed,
)
from training.federated.systems.legend.configure import (
    Times,
    choose_depths,
    configuration,
    deadlines,
)
from training.federated.systems.legend.ranks import Course, distribute_ranks
from training.federated.systems.legend.spread import spread_ranks
from training.federated.systems.suffix_tuning.load import Load

quick = settings(max_examples=60, deadline=None)
courses = st.sampled_from(["increasing", "flat", "decreasing"])


def times_of(layers: int, speeds: list[tuple[float, float]]) -> Times:
    """Devices that take so long for a forward pass, and for each trained layer."""
    return {
        f"device-{index}": [forward + backward * depth for depth in range(1, layers + 1)]
        for index, (forward, backward) in enumerate(speeds)
    }


fleets = st.builds(
    times_of,
    st.integers(1, 4),
    st.lists(st.tuples(st.floats(0.1, 10), st.floats(0.1, 10)), min_size=1, max_size=4),
)


@quick
@given(courses, st.integers(1, 12), st.integers(0, 3), st.integers(0, 100))
def test_every_course_spends_the_whole_budget_in_its_direction(
    course: Course, layers: int, step: int, extra: int
) -> None:
    """Equal budgets are what makes increasing, flat and decreasing comparable."""
    budget = layers + step * layers * (layers - 1) // 2 + extra
    ranks = distribute_ranks(course, layers=layers, budget=budget, step=step)
    assert budget == sum(ranks)
    assert layers == len(ranks)
    assert 1 <= min(ranks)
    upwards = ranks[::-1] if course == "decreasing" else ranks
    assert all(lower <= upper for lower, upper in pairwise(upwards))


def test_decreasing_is_increasing_turned_round() -> None:
    """The same ranks, in other places."""
    given_ranks = {"layers": 5, "budget": 33, "step": 2}
    assert distribute_ranks("increasing", **given_ranks)[::-1] == distribute_ranks(
        "decreasing", **given_ranks
    )


def test_a_budget_that_leaves_a_layer_without_rank_is_refused() -> None:
    """1 + 3 + 5 = 9 is the least of three layers in steps of 2."""
    with pytest.raises(InvalidInput, match=r"at least 9 for 3 layers in steps of 2 \(got 8\)"):
        distribute_ranks("increasing", layers=3, budget=8, step=2)


def test_a_capacity_predicts_the_round_that_it_was_observed_in() -> None:
    """Time is linear in work."""
    load = Load(flops=4e9, up_bytes=10**6, down_bytes=2 * 10**6)
    capacity = observed(load, compute_s=2.0, up_s=0.5, down_s=0.25)
    assert 2.75 == pytest.approx(predicted_s(capacity, load))


def test_smoothing_comes_to_a_new_speed_by_a_fifth_of_what_is_missing_each_round() -> None:
    """Keep 0.8: after n rounds 0.8^n of the difference is left."""
    estimate = Capacity(compute=3.0, up=1.0, down=1.0)
    for _ in range(10):
        estimate = smoothed(estimate, Capacity(compute=1.0, up=1.0, down=1.0), keep=0.8)
    assert 1 + 2 * 0.8**10 == pytest.approx(estimate.compute)
    assert (1.0, 1.0) == pytest.approx((estimate.up, estimate.down))


def test_the_fastest_trains_all_layers_and_the_others_what_they_can_meanwhile() -> None:
    """Speeds 1:2:4 with a deadline that the fastest sets: 4 layers take it 6 s."""
    times = times_of(4, [(2, 1), (2, 2), (2, 4)])
    chosen = choose_depths(times)
    assert {"device-0": 4, "device-1": 2, "device-2": 1} == chosen.depths
    assert 6.0 == chosen.deadline_s == chosen.round_s
    assert 0.0 == chosen.waiting_share


def test_where_the_slowest_sets_the_pace_the_others_go_as_deep_as_that_allows() -> None:
    """Its single layer takes 20 s."""
    chosen = choose_depths(times_of(2, [(1, 1), (10, 10)]))
    assert {"device-0": 2, "device-1": 1} == chosen.depths
    assert (20.0, (1 - 3 / 20) / 2) == pytest.approx((chosen.round_s, chosen.waiting_share))


@quick
@given(fleets)
def test_everybody_takes_part_and_the_fastest_at_its_full_depth(times: Times) -> None:
    """At the first deadline nobody is later than it."""
    chosen = choose_depths(times)
    assert times.keys() == chosen.depths.keys()
    fastest = min(times, key=lambda device: times[device][0])
    assert len(times[fastest]) == chosen.depths[fastest]
    assert chosen.round_s <= chosen.deadline_s


@quick
@given(fleets)
def test_no_assignment_within_the_deadline_trains_more_layers(times: Times) -> None:
    """Against all assignments."""
    chosen = choose_depths(times)
    offers = [range(1, len(seconds) + 1) for seconds in times.values()]
    within = [
        depths
        for depths in product(*offers)
        if all(
            seconds[depth - 1] <= chosen.deadline_s
            for seconds, depth in zip(times.values(), depths, strict=True)
        )
    ]
    assert max(map(sum, within)) == sum(chosen.depths.values())


@quick
@given(fleets, st.floats(0, 1))
def test_the_bound_on_waiting_is_kept_by_the_earliest_deadline_that_can(
    times: Times, bound: float
) -> None:
    """Or, where none can, by the one that comes nearest."""
    chosen = choose_depths(times, waiting_bound=bound)
    tried = [configuration(times, deadline_s) for deadline_s in deadlines(times)]
    keeping = [each for each in tried if each.waiting_share <= bound]
    if keeping:
        assert min(each.deadline_s for each in keeping) == chosen.deadline_s
    else:
        assert min(each.waiting_share for each in tried) == chosen.waiting_share


@pytest.mark.parametrize("wrong", [{}, {"device": []}])
def test_a_fleet_without_depths_is_refused(wrong: Times) -> None:
    """Nobody could take part."""
    with pytest.raises(InvalidInput, match="times must name a device, and a depth each"):
        choose_depths(wrong)


@quick
@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=5), st.integers(1, 4), st.integers(0, 9))
def test_hetlora_gives_faster_devices_no_lower_rank_within_its_bounds(
    quarter: list[float], lowest: int, more: int
) -> None:
    """A fleet that is divisible by four has the mean that LEGEND has."""
    mean = lowest + 3 * more
    seconds = {str(index): value for index, value in enumerate(quarter * 4)}
    ranks = spread_ranks(seconds, mean=mean, lowest=lowest)
    assert mean == sum(ranks.values()) / len(ranks)
    assert lowest == min(ranks.values())
    assert all(
        ranks[fast] >= ranks[slow]
        for fast in seconds
        for slow in seconds
        if seconds[fast] < seconds[slow]
    )


def test_a_lowest_rank_above_the_mean_is_refused() -> None:
    """The highest would be below it."""
    with pytest.raises(InvalidInput, match=r"lie in 1 \.\.\. 4, the mean \(got 5\)"):
        spread_ranks({"a": 1.0}, mean=4, lowest=5)
