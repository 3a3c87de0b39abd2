"""Rows and differences of comparisons with training."""

import pytest

from platforms.errors import InvalidInput
from rm.evaluation.summary import interval
from rm.evaluation.training.comparison import mark_attainable
from rm.evaluation.training.summary import all_differences, differences, summarise
from rm.evaluation.training.table import attainable_text, over_text, rounds_text, told_text
from tests.rm.evaluation.training.fakes import outcomes

ALL = mark_attainable(outcomes())
ROWS = {(row.policy, row.cooling): row for row in summarise(ALL)}


def test_there_is_a_row_per_policy_and_cooling_the_coolest_first() -> None:
    """Coolings as they first occur."""
    keys = [(row.cooling, row.policy) for row in summarise(ALL)]
    coolest_first = ["none", "ilgov", "exhaustive", "nice"]
    assert [(c, p) for c in ("fan", "passive") for p in coolest_first] == keys


def test_rounds_are_counted_over_all_seeds() -> None:
    """Missed, missed though attainable, told of early."""
    for (policy, cooling), row in ROWS.items():
        rounds = [r for o in ALL if (o.policy, o.cooling) == (policy, cooling) for r in o.rounds]
        assert (6, len([r for r in rounds if r.missed])) == (row.rounds, row.missed_rounds)
        attainable = [r for r in rounds if r.attainable]
        assert len(attainable) == row.attainable_rounds
        assert len([r for r in attainable if r.missed]) == row.missed_attainable_rounds
        assert len([r for r in rounds if r.missed and r.told_early]) == row.told_rounds
        assert 0 == row.false_alarms
    assert 0 == ROWS["exhaustive", "fan"].missed_attainable_rounds


def test_what_missed_rounds_did_does_not_bring_the_goal_nearer() -> None:
    """Nothing was met, nothing is near."""
    row = ROWS["none", "fan"]
    assert (None, None) == (row.samples_to_target, row.time_to_target_s)
    useful = [o for o in ALL if (o.policy, o.cooling) == ("nice", "fan")]
    seconds = [
        o.goal_samples / (o.reference_samples - o.lost_samples) * o.duration_s
        for o in useful
        if o.reference_samples > o.lost_samples
    ]
    found = ROWS["nice", "fan"].time_to_target_s
    assert found is not None
    assert sum(seconds) / len(seconds) == pytest.approx(found.mean)


def test_differences_are_paired_by_seed() -> None:
    """Against every reference that was evaluated."""
    assert {"nice", "none"} == {item.reference for item in all_differences(ALL)}
    (found,) = [
        item
        for item in differences(ALL, reference="nice")
        if (item.policy, item.cooling) == ("ilgov", "fan")
    ]
    of = {(o.policy, o.cooling, o.seed): o.mean_temp_c for o in ALL}
    pairs = [of["ilgov", "fan", seed] - of["nice", "fan", seed] for seed in (1, 2, 3)]
    assert interval(pairs) == found.mean_temp_k
    assert -50.0 == found.missed_percent.mean


def test_a_reference_that_was_not_evaluated_is_told() -> None:
    """With those that were."""
    with pytest.raises(InvalidInput, match=r"evaluated, exhaustive, ilgov.*\(got 'swan'\)"):
        differences(ALL, reference="swan")


def test_a_seed_that_occurs_twice_is_refused() -> None:
    """It would count twice."""
    with pytest.raises(ValueError, match="every seed once"):
        summarise((*ALL, ALL[0]))


def test_cells_say_what_is_not_known() -> None:
    """And count what is."""
    unmarked = {row.policy: row for row in summarise(outcomes())}
    assert "–" == attainable_text(unmarked["nice"])
    assert "–" == rounds_text(unmarked["none"]) == told_text(unmarked["none"])
    nice = ROWS["nice", "passive"]
    assert f"{nice.missed_rounds} of 6" == rounds_text(nice)
    assert "3 of 3, 7.0" == over_text(nice)
