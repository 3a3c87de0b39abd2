"""Tests of the three protocols on made-up runs."""

import math

import pytest

from rm.evaluation.summary import Interval
from tests.training.federated.compare.outcomes import outcome, runs
from training.federated.compare.document import headline
from training.federated.compare.protocols import Cost, Scene, budget, reaching, scenes, within

OWN = runs("own", [[0.2, 0.6, 0.8, 0.8], [0.2, 0.4, 0.8, 0.84]], step=1.0)
SLOW = runs("slow", [[0.2, 0.6, 0.8, 0.8], [0.2, 0.4, 0.8, 0.84]], step=3.0)
POOR = runs("poor", [[0.2, 0.3, 0.4, 0.5], [0.2, 0.3, 0.4, 0.9]], step=0.5)


def scene() -> Scene:
    """All three compared."""
    (found,) = scenes([SLOW, OWN, POOR], own="own")
    return found


def test_the_systems_own_method_is_the_reference() -> None:
    """Wherever it stands; differences to itself are none."""
    assert "own" == scene().reference
    assert [False, True, False] == [one.difference is None for one in scene().summary]


def test_the_budget_is_what_every_run_has_spent() -> None:
    """Nobody's course is drawn out beyond its end."""
    assert 1.5 == budget([OWN, SLOW, POOR], "time")
    assert 15 == budget([OWN, SLOW, POOR], "bytes")


def test_only_rounds_that_ended_within_the_budget_count() -> None:
    """A round that is half done has changed nothing yet."""
    assert 0.6 == within(OWN.final[0], "time", 1.5).test
    assert 0.2 == within(SLOW.final[0], "time", 1.5).test
    assert 0.5 == within(POOR.final[0], "time", 1.5).test


def test_quality_under_budget_is_compared_seed_by_seed() -> None:
    """Own: 0.6 and 0.4 at 1.5 s; the poor one: 0.5 and 0.9."""
    found = {(one.contestant, one.resource): one for one in scene().quality}
    assert 0.5 == pytest.approx(found["own", "time"].accuracy.mean)
    difference = found["poor", "time"].difference
    assert difference is not None
    assert 0.2 == pytest.approx(difference.mean)
    half = 12.7062 * math.sqrt(0.18) / math.sqrt(2)
    assert 0.2 - half == pytest.approx(difference.low, abs=1e-4)


def test_the_target_lies_between_the_start_and_the_best_end() -> None:
    """Nine tenths of the way from 0.2 to 0.82."""
    assert 0.2 == pytest.approx(scene().start)
    assert 0.758 == pytest.approx(scene().target)


def test_the_target_is_reached_when_it_is_first_passed() -> None:
    """Whatever comes after."""
    run = outcome([0.1, 0.8, 0.3, 0.9])
    point = reaching(run, 0.8)
    assert point is not None
    assert 1 == point.round
    assert reaching(run, 0.95) is None


def cost(name: str, resource: str) -> Cost:
    """A contestant's cost."""
    return next(o for o in scene().cost if (o.contestant, o.resource) == (name, resource))


def test_cost_to_target_is_a_multiple_of_the_references() -> None:
    """The slow one's rounds cost three times as much."""
    assert Interval(mean=2.0, low=2.0, high=2.0, n=2) == cost("own", "time").cost
    assert cost("own", "time").ratio is None
    assert 6.0 == cost("slow", "flops").cost.mean  # type: ignore[union-attr]
    ratio = cost("slow", "time").ratio
    assert ratio is not None
    assert 3.0 == pytest.approx(ratio.mean)


def test_who_does_not_always_reach_the_target_has_no_cost() -> None:
    """A mean over those seeds that did would flatter it."""
    found = cost("poor", "time")
    assert (1, 2, None, None) == (found.reached, found.seeds, found.cost, found.ratio)


def test_robustness_is_the_change_on_the_same_seeds() -> None:
    """One robust run stands beside the final run of its own seed, not beside the mean."""
    hurt = runs("own", [[0.2, 0.8], [0.2, 0.4]], robust=[[0.2, 0.7]])
    other = runs("other", [[0.2, 0.5], [0.2, 0.5]], robust=[[0.2, 0.6]])
    (found,) = scenes([hurt, other], own="own")
    own, beside = found.robustness
    assert -0.1 == pytest.approx(own.change.mean)
    assert own.difference is None
    assert 0.1 == pytest.approx(beside.change.mean)
    assert -0.1 == pytest.approx(beside.difference.mean)  # type: ignore[union-attr]


def test_scenes_are_never_compared_with_each_other() -> None:
    """Another task is another thing."""
    other = runs("own", [[0.1, 0.2]])
    moved = type(other)(
        contestant=type(other.contestant)(scene="u", name="own", method="own"),
        final=other.final,
        robust=other.robust,
    )
    assert ["t", "u"] == [one.name for one in scenes([OWN, moved, SLOW], own="own")]


def test_the_headline_takes_the_strongest_baselines() -> None:
    """The most accurate by validation, and for each cost the cheapest that always got there."""
    line = headline("s", scene())
    assert ("slow", 2, 2) == (line.baseline, line.reached, line.seeds)
    assert line.difference is not None
    assert 0.0 == line.difference.mean
    assert {"slow"} == {one.baseline for one in line.cheapest}
    assert all(one.ratio is not None and one.ratio.mean > 2.9 for one in line.cheapest)


def test_the_headlines_difference_is_positive_where_the_system_is_better() -> None:
    """In the tables it is the baseline less the system."""
    (found,) = scenes(
        [runs("own", [[0.1, 0.8], [0.1, 0.9]]), runs("base", [[0.1, 0.6]] * 2)], own="own"
    )
    difference = headline("s", found).difference
    assert difference is not None
    assert difference.low is not None
    assert difference.high is not None
    assert 0.25 == pytest.approx(difference.mean)
    assert difference.low < difference.mean < difference.high


def test_a_system_without_baselines_has_a_headline_too() -> None:
    """It says that there is nothing to compare with."""
    (found,) = scenes([OWN], own="own")
    line = headline("s", found)
    assert line.baseline is None
    assert line.difference is None
    assert {None} == {one.baseline for one in line.cheapest}
