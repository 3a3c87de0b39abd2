"""Tests of the regret: paired with the oracle by seed, and over cooling setups as well."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rm.evaluation.outcome import EpisodeOutcome
from rm.evaluation.regret import regret_by_seed, regrets
from rm.evaluation.summary import interval
from tests.rm import fake_outcomes

TEMPLATE = replace(fake_outcomes.episode("topil", "fan", 1), applications=(), timeline=())


def episode(
    policy: str, seed: int, hottest_c: float, *, cooling: str = "fan", sensor_c: float = 40.0
) -> EpisodeOutcome:
    """An episode of these mean temperatures."""
    return replace(
        TEMPLATE,
        policy=policy,
        cooling=cooling,
        seed=seed,
        mean_hottest_c=hottest_c,
        mean_temp_c=sensor_c,
    )


def test_the_regret_is_of_the_hottest_core_and_the_sensors_stands_beside() -> None:
    """The oracle minimises the first; both are paired, so equal differences leave no doubt."""
    outcomes = [
        *(episode("oracle", seed, 40.0 + 9 * seed) for seed in (1, 2, 3)),
        *(episode("ilgov", seed, 40.5 + 9 * seed, sensor_c=40.25) for seed in (3, 2, 1)),
    ]
    (row,) = regrets(outcomes)
    assert ("ilgov", "fan") == (row.policy, row.cooling)
    for found, expected in ((row.regret_k, 0.5), (row.sensor_regret_k, 0.25)):
        assert (pytest.approx(expected), 3) == (found.mean, found.n)
        assert found.low == pytest.approx(found.high)


def test_over_all_cooling_setups_a_seed_counts_once() -> None:
    """Seven setups of one seed are no seven independent samples."""
    outcomes = [
        episode(policy, seed, 40.0 + more, cooling=cooling)
        for seed in (1, 2)
        for cooling, k in (("fan", 1.0), ("passive", 3.0))
        for policy, more in (("oracle", 0.0), ("topil", k + seed))
    ]
    fan, passive, over_all = regrets(outcomes)
    assert ["fan", "passive", None] == [fan.cooling, passive.cooling, over_all.cooling]
    assert interval([3.0, 4.0]) == over_all.regret_k


def test_a_seed_that_one_of_them_did_not_run_is_left_out() -> None:
    """Of the seed itself, and of the mean over all setups."""
    outcomes = [
        *(episode("oracle", seed, 40.0, cooling=c) for c in ("fan", "passive") for seed in (1, 2)),
        *(episode("topil", seed, 41.0) for seed in (1, 2, 3)),
        episode("topil", 2, 45.0, cooling="passive"),
    ]
    assert {1: 1.0, 2: 1.0} == regret_by_seed(outcomes, "topil", ["fan"])
    assert {2: 3.0} == regret_by_seed(outcomes, "topil", ["fan", "passive"])
    assert {} == regret_by_seed(outcomes, "topil", ["heatsink"])


def test_without_the_oracle_there_is_no_regret() -> None:
    """It is not the difference to whoever is coolest."""
    assert () == regrets([episode("topil", 1, 41.0), episode("ilgov", 1, 40.0)])


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "oracle"]),
        st.lists(st.floats(20.0, 90.0), min_size=3, max_size=3),
        min_size=2,
    )
)
def test_the_least_regret_comes_first_and_no_policy_twice(temps: dict[str, list[float]]) -> None:
    """Whatever the temperatures are."""
    outcomes = [
        episode(policy, seed, temp_c)
        for policy, temps_c in temps.items()
        for seed, temp_c in enumerate(temps_c)
    ]
    found = regrets(outcomes)
    means = [row.regret_k.mean for row in found]
    assert sorted(means) == means
    expected = set(temps) - {"oracle"} if "oracle" in temps else set()
    assert expected == {row.policy for row in found}
    assert len(expected) == len(found)
