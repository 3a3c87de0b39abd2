"""Tests of the comparison's numbers, and of the tables that show them."""

import json

import pytest
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from platforms.errors import InvalidInput
from rm.evaluation.document import summary_json
from rm.evaluation.generalisation import conditions, generalise
from rm.evaluation.outcome import ApplicationOutcome, EpisodeOutcome
from rm.evaluation.regret import regrets
from rm.evaluation.summary import Interval, Spread, differences, interval, spread, summarise
from rm.evaluation.terminal import (
    difference_table,
    generalisation_table,
    regret_table,
    summary_table,
)
from tests.rm import fake_outcomes


def application(achieved: float, *, attainable: bool | None = True) -> ApplicationOutcome:
    """An application that achieved this share of its target."""
    return ApplicationOutcome(
        id=0,
        name="adi",
        arrival_s=0.0,
        end_s=None,
        target_ips=1e9,
        achieved_ips=achieved * 1e9,
        attainable=attainable,
    )


def episode(
    policy: str = "topil",
    *,
    cooling: str = "fan",
    seed: int = 1,
    mean_temp_c: float = 50.0,
    applications: tuple[ApplicationOutcome, ...] = (),
) -> EpisodeOutcome:
    """An episode of 100 s, a quarter of it throttled."""
    return EpisodeOutcome(
        policy=policy,
        cooling=cooling,
        seed=seed,
        duration_s=100.0,
        mean_temp_c=mean_temp_c,
        mean_hottest_c=mean_temp_c + 5.0,
        peak_temp_c=mean_temp_c + 10.0,
        energy_j=200.0 + seed,
        instructions=1e9,
        migrations=10 * seed,
        opp_changes=0,
        throttled_s=25.0,
        runaway_s=None,
        applications=applications,
        timeline=(),
    )


def rendered(table: Table, *, width: int) -> str:
    """What a terminal of this width shows."""
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_the_standard_deviation_divides_by_n_minus_one() -> None:
    """Three seeds are a sample, not everything there is."""
    assert Spread(mean=2.0, sd=1.0, n=3) == spread([1.0, 2.0, 3.0])


def test_a_single_seed_has_no_spread_and_no_interval() -> None:
    """Zero would claim a certainty that one seed cannot give."""
    assert Spread(mean=7.0, sd=None, n=1) == spread([7.0])
    assert Interval(mean=7.0, low=None, high=None, n=1) == interval([7.0])


def test_the_interval_is_students() -> None:
    """With three seeds the quantile is 4.303, more than twice the normal one."""
    found = interval([1.0, 2.0, 3.0])
    assert found.high == pytest.approx(2.0 + 4.302653 / 3**0.5)


def test_a_row_has_means_over_seeds() -> None:
    """Every figure of a row is over the same episodes."""
    (row,) = summarise([episode(seed=1, mean_temp_c=50.0), episode(seed=2, mean_temp_c=52.0)])
    assert (1, 2) == row.seeds
    assert Spread(mean=51.0, sd=pytest.approx(2**0.5), n=2) == row.mean_temp_c
    assert Spread(mean=61.0, sd=pytest.approx(2**0.5), n=2) == row.peak_temp_c
    assert 15.0 == row.migrations.mean
    assert 0.25 == row.throttled_share.mean


def test_misses_are_shares_of_all_applications_of_an_episode() -> None:
    """Four applications: met, just met, missed though attainable, missed and unattainable."""
    lives = (
        application(1.2),
        application(0.95),
        application(0.5),
        application(0.5, attainable=False),
    )
    (row,) = summarise([episode(applications=lives)])
    assert 0.5 == row.missed_share.mean
    assert row.missed_attainable_share is not None
    assert 0.25 == row.missed_attainable_share.mean
    assert (4, 2, 1) == (row.applications, row.missed, row.missed_attainable)


def test_who_missed_stayed_below_by_so_much_in_the_mean_and_at_worst() -> None:
    """Over all seeds; those that met their target, or nearly, do not count."""
    lives = (application(1.2), application(0.96), application(0.75), application(0.5))
    (row,) = summarise([episode(applications=lives), episode(seed=2, applications=lives[:1])])
    assert (pytest.approx(0.375), pytest.approx(0.5)) == (row.missed_by_mean, row.missed_by_worst)
    (calm,) = summarise([episode(applications=lives[:2])])
    assert (None, None) == (calm.missed_by_mean, calm.missed_by_worst)


def test_the_judges_verdicts_are_shares_of_the_looks() -> None:
    """A mean over seeds, as all else; unknown where nobody judged."""
    seeds = [
        replace(episode(seed=1), judged=10, judged_within=8, steady_regret_k=0.5),
        replace(episode(seed=2), judged=20, judged_within=20, judged_proven=20),
    ]
    (row,) = summarise(seeds)
    assert row.within_share is not None
    assert pytest.approx(0.9) == row.within_share.mean
    assert Spread(mean=0.5, sd=None, n=1) == row.steady_regret_k
    assert (30, 20) == (row.judged, row.judged_proven)
    (unknown,) = summarise([episode()])
    assert (None, None, 0) == (unknown.within_share, unknown.steady_regret_k, unknown.judged)


def test_migrations_are_per_second_of_the_episode() -> None:
    """Episodes differ in length where one runs away."""
    (row,) = summarise([episode(seed=1), replace(episode(seed=2), duration_s=50.0)])
    assert pytest.approx((0.1 + 0.4) / 2) == row.migrations_per_s.mean


def test_the_terminal_shows_regret_generalisation_and_times() -> None:
    """With units, intervals and what the words mean; no number cut off at 80 columns."""
    outcomes = [
        replace(o, judged=4, judged_within=3, steady_regret_k=0.375)
        for o in fake_outcomes.outcomes(policies=("topil", "oracle"))
    ]
    found = regrets(outcomes)
    text = rendered(regret_table(found, summarise(outcomes)), width=80)
    for item in found:
        assert f"{item.regret_k.mean:+.2f}" in text
    for expected in ("passive", "over all cooling setups", "75.0", "+0.38", "95%"):
        assert expected in text
    parts = [
        (condition, [o for o in outcomes if o.cooling in condition.coolings])
        for condition in conditions(applications=("parsec",), coolings=("passive",))
    ]
    text = rendered(generalisation_table(generalise(parts, ["topil"])), width=80)
    for condition, _ in parts:
        assert condition.name in text
    assert max(map(len, text.splitlines())) <= 80
    assert "1 K, %" in text
    assert "…" not in text


def test_attainable_misses_are_unknown_where_one_miss_is_not_known() -> None:
    """Counting it as unattainable would flatter the policy."""
    lives = (application(0.5), application(0.5, attainable=None))
    (row,) = summarise([episode(applications=lives), episode(seed=2)])
    assert row.missed_attainable_share is None
    assert row.missed_attainable is None
    assert 0.5 == row.missed_share.mean


def test_a_met_target_need_not_be_known_as_attainable() -> None:
    """Where nothing was missed, nothing attainable was."""
    (row,) = summarise([episode(applications=(application(1.0, attainable=None),))])
    assert Spread(mean=0.0, sd=None, n=1) == row.missed_attainable_share


def test_rows_are_grouped_by_cooling_and_the_coolest_comes_first() -> None:
    """A reader compares policies under the same cooling."""
    rows = summarise(
        [
            episode("hot", mean_temp_c=70.0),
            episode("hot", cooling="passive", mean_temp_c=90.0),
            episode("cool", mean_temp_c=40.0),
            episode("cool", cooling="passive", mean_temp_c=60.0),
        ]
    )
    expected = [("fan", "cool"), ("fan", "hot"), ("passive", "cool"), ("passive", "hot")]
    assert expected == [(row.cooling, row.policy) for row in rows]


def test_a_seed_twice_is_refused() -> None:
    """It would count double and narrow the spread."""
    with pytest.raises(ValueError, match=r"topil under fan must have every seed once"):
        summarise([episode(), episode()])


def test_differences_are_paired_by_seed() -> None:
    """A constant difference has no spread, however much the seeds differ."""
    outcomes = [
        *(episode("oracle", seed=s, mean_temp_c=40.0 + 7 * s) for s in (1, 2, 3)),
        *(episode("topil", seed=s, mean_temp_c=42.0 + 7 * s) for s in (3, 2, 1)),
    ]
    (found,) = differences(outcomes, reference="oracle")
    assert Interval(mean=2.0, low=2.0, high=2.0, n=3) == found.mean_temp_k
    assert ("topil", "fan", "oracle") == (found.policy, found.cooling, found.reference)


def test_only_seeds_of_both_policies_count_in_a_difference() -> None:
    """A seed that one of them did not run says nothing of the difference."""
    outcomes = [
        episode("oracle", seed=1, mean_temp_c=40.0),
        episode("topil", seed=1, mean_temp_c=41.0),
        episode("topil", seed=2, mean_temp_c=99.0),
        episode("topil", cooling="passive", seed=1),
    ]
    (found,) = differences(outcomes, reference="oracle")
    assert Interval(mean=1.0, low=None, high=None, n=1) == found.mean_temp_k


def test_an_unknown_reference_policy_is_refused_with_those_that_ran() -> None:
    """It comes from the user's command line."""
    with pytest.raises(InvalidInput, match=r"one of those evaluated, oracle, topil \(got 'best'\)"):
        differences([episode("topil"), episode("oracle")], reference="best")


@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_table_cuts_no_number(width: int) -> None:
    """A number with its last digits cut off is a wrong number."""
    rows = summarise(fake_outcomes.outcomes())
    text = rendered(summary_table(rows), width=width)
    assert "…" not in text
    for row in rows:
        assert row.policy in text
        assert row.cooling in text
        assert f"{row.mean_temp_c.mean:.1f}" in text
        assert f"{100 * row.missed_share.mean:.1f}" in text
        assert f"{row.energy_per_instruction_pj.mean:.0f}" in text
    assert "°C" in text


def test_the_terminal_table_says_what_its_numbers_are() -> None:
    """Temperatures are simulated, and a miss has a threshold."""
    text = " ".join(rendered(summary_table(summarise([episode()])), width=80).split())
    assert "Temperatures are simulated" in text
    assert "below 95% of its target" in text
    assert "over seeds, n = 1." in text


def test_the_difference_table_shows_intervals_and_pairs() -> None:
    """Without the number of pairs an interval cannot be judged."""
    outcomes = fake_outcomes.outcomes()
    found = differences(outcomes, reference="gts-ondemand")
    text = rendered(difference_table(found), width=80)
    assert "…" not in text
    assert "minus gts-ondemand, passive" in text
    assert f"{found[0].mean_temp_k.low:+.1f}" in text


def test_the_table_shows_runaways_only_where_there_are_any() -> None:
    """They are rare, and too grave to overlook."""
    calm = episode()
    assert "run" not in rendered(summary_table(summarise([calm])), width=100)
    hot = replace(calm, seed=2, runaway_s=30.0)
    assert "1 of 2" in rendered(summary_table(summarise([calm, hot])), width=100)


def test_markup_in_a_policys_name_is_shown_as_it_is() -> None:
    """A third party's policy may be called anything."""
    assert "[red]mine[/red]" in rendered(
        summary_table(summarise([episode("[red]mine[/red]")])), width=120
    )


def test_the_json_form_holds_rows_and_differences() -> None:
    """Machines read the same numbers as people, and that they are simulated."""
    outcomes = [
        episode("topil", mean_temp_c=41.0),
        episode("oracle", mean_temp_c=40.0),
    ]
    compared = differences(outcomes, reference="oracle")
    document = json.loads(summary_json(summarise(outcomes), compared, regrets(outcomes)))
    assert "simulated" == document["temperatures"]
    assert 0.95 == document["miss_below_share_of_target"]
    assert ["oracle", "topil"] == [row["policy"] for row in document["summary"]]
    assert {"mean": 41.0, "sd": None, "n": 1} == document["summary"][1]["mean_temp_c"]
    assert 1.0 == document["differences"][0]["mean_temp_k"]["mean"]
    assert ("topil", "fan") == tuple(document["regret"][0][key] for key in ("policy", "cooling"))
    assert 1.0 == document["regret"][0]["regret_k"]["mean"]
