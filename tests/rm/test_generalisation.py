"""Tests of the generalisation table: what is changed, and what becomes of the regret."""

import pytest
from msgspec.structs import replace

from rm.evaluation.generalisation import conditions, generalise
from rm.evaluation.outcome import EpisodeOutcome
from rm.evaluation.workload import WorkloadParameters
from tests.rm import fake_outcomes

TEMPLATE = replace(fake_outcomes.episode("topil", "fan", 1), applications=(), timeline=())
CONDITIONS = conditions(applications=("parsec",), coolings=("passive", "fan-hot"))


def part(regret_k: float, coolings: tuple[str, ...]) -> list[EpisodeOutcome]:
    """Two seeds: a policy that is so much hotter than the oracle, 1 K more in the second seed."""
    return [
        replace(
            TEMPLATE,
            policy=policy,
            cooling=cooling,
            seed=seed,
            mean_hottest_c=40.0 + (regret_k + seed if policy == "topil" else 0.0),
            judged=10,
            judged_within=4 + seed,
            steady_regret_k=0.5,
        )
        for cooling in coolings
        for policy in ("topil", "oracle")
        for seed in (0, 1)
    ]


def test_each_change_comes_alone_and_then_all_together() -> None:
    """Otherwise nobody knows which of them does the harm."""
    seen, others, cooling, rate, two, everything = CONDITIONS
    assert (("cbench",), ("fan",), 1.0) == (seen.applications, seen.coolings, seen.rate_factor)
    assert replace(seen, name=others.name, applications=("parsec",)) == others
    assert replace(seen, name=cooling.name, coolings=("passive", "fan-hot")) == cooling
    assert replace(seen, name=rate.name, rate_factor=2.0) == rate
    assert replace(others, name=two.name, coolings=cooling.coolings) == two
    assert replace(two, name=everything.name, rate_factor=2.0) == everything


def test_a_higher_rate_brings_more_applications_in_the_same_time() -> None:
    """Else the second half of an episode would be idle."""
    seen = WorkloadParameters(arrivals=20, interarrival_s=30.0)
    assert seen == CONDITIONS[0].workload(seen)
    assert replace(seen, arrivals=40, interarrival_s=15.0) == CONDITIONS[3].workload(seen)


def test_a_row_says_how_much_more_the_regret_is_than_in_the_seen_condition() -> None:
    """Paired by seed, over all of the condition's cooling setups."""
    seen, _, cooling, *_ = CONDITIONS
    found = [(seen, part(0.5, seen.coolings)), (cooling, part(2.0, cooling.coolings))]
    first, second = generalise(found, ["topil"])
    assert (seen, cooling) == (first.condition, second.condition)
    assert first.more_than_seen_k is None
    assert second.more_than_seen_k is not None
    assert (pytest.approx(1.5), 2) == (second.more_than_seen_k.mean, second.more_than_seen_k.n)
    assert second.more_than_seen_k.low == pytest.approx(1.5)
    assert pytest.approx(2.5) == second.regret_k.mean
    assert (2, 4) == (first.episodes, second.episodes)
    assert pytest.approx((0.45, 0.5)) == (second.within_share, second.steady_regret_k)


def test_a_policy_that_did_not_run_has_no_row() -> None:
    """Rather than one that is empty."""
    seen = CONDITIONS[0]
    assert () == generalise([(seen, part(0.5, seen.coolings))], ["ilgov"])


def test_what_nobody_judged_is_not_known() -> None:
    """Neither is it zero."""
    seen = CONDITIONS[0]
    unjudged = [
        replace(o, judged=0, judged_within=0, steady_regret_k=None)
        for o in part(0.5, seen.coolings)
    ]
    (row,) = generalise([(seen, unjudged)], ["topil"])
    assert (None, None) == (row.within_share, row.steady_regret_k)
