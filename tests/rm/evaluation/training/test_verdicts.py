"""What must hold of ilgov: judged on means over seeds, where there is something to compare with."""

from msgspec.structs import replace

from rm.evaluation.training.comparison import mark_attainable
from rm.evaluation.training.outcome import TrainingOutcome
from rm.evaluation.training.summary import all_differences, summarise
from rm.evaluation.training.verdicts import Verdict, verdicts
from tests.rm.evaluation.training.fakes import outcomes


def _verdicts(found: tuple[TrainingOutcome, ...]) -> list[Verdict]:
    return list(verdicts(summarise(found), all_differences(found), sensor_step_k=0.216))


def test_four_requirements_are_judged_per_cooling() -> None:
    """The fakes are 3 K cooler than nice, and pass the limit without a fan."""
    found = _verdicts(mark_attainable(outcomes()))
    assert ["fan"] * 4 + ["passive"] * 4 == [item.cooling for item in found]
    fan, passive = found[:4], found[4:]
    assert [True, True] == [fan[2].holds, fan[3].holds]
    assert "by 0.00 K at worst" == fan[2].found
    assert (False, "by 4.00 K at worst") == (passive[2].holds, passive[2].found)
    assert "-3.0 [-3.0, -3.0] K" == fan[3].found


def test_rounds_are_judged_against_those_that_the_exhaustive_policy_met() -> None:
    """Met or not by whoever else."""
    marked = mark_attainable(outcomes(coolings=("fan",)))
    mine = [item for o in marked if o.policy == "ilgov" for item in o.rounds]
    attainable = [item for item in mine if item.attainable]
    met = [item for item in attainable if not item.missed]
    verdict = _verdicts(marked)[1]
    assert f"{len(met)} of {len(attainable)}" == verdict.found
    assert (len(met) >= 0.98 * len(attainable)) == verdict.holds


def test_more_misses_of_the_foreground_are_seen() -> None:
    """Half a point is allowed."""
    worse = tuple(
        replace(o, applications=tuple(replace(app, achieved_ips=0.0) for app in o.applications))
        if o.policy == "ilgov"
        else o
        for o in outcomes()
    )
    assert [True, False] == [_verdicts(found)[0].holds for found in (outcomes(), worse)]


def test_what_was_not_compared_is_not_judged() -> None:
    """Without references only the limit is."""
    found = _verdicts(outcomes(policies=("ilgov",), coolings=("fan",)))
    assert ["limit of 50 °C never passed by more than the sensor's 0.216 K"] == [
        item.required for item in found
    ]
    assert [] == _verdicts(outcomes(policies=("nice", "none")))
