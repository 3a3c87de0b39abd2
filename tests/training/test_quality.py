"""Tests of the judgement of choices, on rows made by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.imitation.dataset import Demonstrations, Task
from training.imitation.quality import (
    Figures,
    Quality,
    at_random,
    best_constant,
    constant,
    estimate,
    highest,
    judge,
)

NAN = float("nan")
NOTHING = Figures(rows=0, scenarios=0, hit_rate=None, mean_excess_k=None, infeasible_share=None)


def given(
    temp_c: list[list[float]],
    status: list[list[int]],
    *,
    labels: list[list[float]] | None = None,
    scenario: list[int] | None = None,
) -> Demonstrations:
    """Demonstrations with these columns; a scenario of its own for every row."""
    count = len(temp_c)
    nobody = np.empty(count, object)
    return Demonstrations(
        task=Task(
            board="toy", board_sha256="ab", cooling="fan", oracle={}, features=(), outputs=()
        ),
        scenario=np.array(scenario or range(count), np.int32),
        application=nobody,
        background=nobody,
        features=np.zeros((count, 1)),
        labels=np.array(labels or temp_c, float),
        temp_c=np.array(temp_c, float),
        status=np.array(status, np.int8),
    )


def judged(*rows: tuple[list[float], list[float], list[int]]) -> Quality:
    """Judge a network's rows of (scores, temp_c, status)."""
    scores, temp_c, status = zip(*rows, strict=True)
    demonstrations = given(list(temp_c), list(status))
    return judge(highest(np.array(scores, np.float32), demonstrations), demonstrations)


def value(figures: Figures, name: str) -> float:
    """The value of an estimate that must be there."""
    found = getattr(figures, name)
    assert found is not None
    number: float = found.value
    return number


@pytest.mark.parametrize(
    ("temp_c", "hit_rate", "excess_k"),
    [([40.0, 45.0], 1.0, 0.0), ([41.0, 40.0], 1.0, 1.0), ([41.01, 40.0], 0.0, 1.01)],
)
def test_a_hit_is_at_most_one_kelvin_above_the_coolest(
    temp_c: list[float], hit_rate: float, excess_k: float
) -> None:
    """The limit itself still counts, as in 'within 1 K'."""
    figures = judged(([0.9, 0.1], temp_c, [0, 0])).choice
    assert hit_rate == value(figures, "hit_rate")
    assert pytest.approx(excess_k) == value(figures, "mean_excess_k")


def test_an_occupied_core_is_never_chosen() -> None:
    """The governor cannot go there, however high the score."""
    figures = judged(([9.0, 0.1, 0.2], [NAN, 50.0, 40.0], [2, 0, 0])).choice
    assert (1.0, 0.0) == (value(figures, "hit_rate"), value(figures, "mean_excess_k"))
    assert 0.0 == figures.infeasible_share


def test_a_core_that_misses_the_target_is_a_miss_and_has_no_excess() -> None:
    """Its temperature may be low for the wrong reason."""
    figures = judged(
        ([0.9, 0.1, 0.2], [NAN, 50.0, 40.0], [1, 0, 0]),
        ([0.1, 0.9, 0.2], [NAN, 43.0, 40.0], [1, 0, 0]),
    ).choice
    assert (0.0, 3.0) == (value(figures, "hit_rate"), value(figures, "mean_excess_k"))
    assert 0.5 == figures.infeasible_share


def test_rows_with_one_feasible_core_are_reported_apart() -> None:
    """They are easy, and many of them would make the figure look good."""
    quality = judged(
        ([0.9, 0.1], [45.0, 40.0], [0, 0]),
        ([0.9, 0.1], [45.0, NAN], [0, 2]),
        ([0.9, 0.1], [45.0, NAN], [0, 1]),
    )
    assert (1, 0.0) == (quality.choice.rows, value(quality.choice, "hit_rate"))
    assert (2, 1.0) == (quality.single.rows, value(quality.single, "hit_rate"))


def test_rows_where_any_choice_is_a_hit_are_not_among_those_that_matter() -> None:
    """Most rows of a board whose cores are alike are so; they hide what a network is worth."""
    quality = judged(
        ([0.9, 0.1], [41.0, 40.0], [0, 0]),
        ([0.9, 0.1], [41.1, 40.0], [0, 0]),
        ([0.9, 0.1], [49.0, NAN], [0, 1]),
    )
    assert (2, 0.5) == (quality.choice.rows, value(quality.choice, "hit_rate"))
    assert (1, 0.0) == (quality.wide.rows, value(quality.wide, "hit_rate"))


def test_rows_without_a_feasible_core_are_left_out_and_counted() -> None:
    """No choice was right there."""
    quality = judged(([0.9, 0.1], [NAN, NAN], [1, 2]), ([0.9, 0.1], [NAN, NAN], [2, 2]))
    assert Quality(choice=NOTHING, wide=NOTHING, single=NOTHING, rows_without_feasible=2) == quality


def test_a_random_choice_is_judged_by_what_to_expect_of_it() -> None:
    """Two of four free cores are within 1 K, one misses; the occupied one is no choice."""
    rows = given([[40.0, 40.5, 45.0, NAN, NAN]], [[0, 0, 0, 1, 2]])
    figures = judge(at_random(rows), rows).choice
    assert (0.5, 0.25) == (value(figures, "hit_rate"), figures.infeasible_share)
    assert pytest.approx(5.5 / 3) == value(figures, "mean_excess_k")


def test_the_constant_order_follows_the_mean_label_of_free_cores() -> None:
    """Labels of occupied cores are a constant that says nothing of the core."""
    training = given(
        [[40.0, 41.0, NAN]] * 2, [[0, 0, 2], [2, 0, 2]], labels=[[0.9, 0.5, 0.0], [0.0, 0.7, 0.0]]
    )
    order = best_constant(training)
    assert [0.9, 0.6, -np.inf] == pytest.approx(order.tolist())
    rows = given([[45.0, 40.0, 40.0], [NAN, 43.0, 40.0]], [[0, 0, 0], [2, 0, 0]])
    figures = judge(constant(order, rows), rows).choice
    assert (0.0, 4.0) == (value(figures, "hit_rate"), value(figures, "mean_excess_k"))


def test_equal_scores_choose_the_lowest_core() -> None:
    """Ties are decided the same way everywhere."""
    figures = judged(([0.5, 0.5], [45.0, 40.0], [0, 0])).choice
    assert 5.0 == value(figures, "mean_excess_k")


def test_copies_of_rows_within_a_scenario_make_no_figure_more_certain() -> None:
    """One scenario gives hundreds of rows that are nearly the same."""
    rng = np.random.default_rng(0)
    hits, scenario = rng.integers(0, 2, 12).astype(float), np.arange(12)
    once = estimate(hits, np.ones(12), scenario)
    copied = estimate(np.repeat(hits, 50), np.ones(600), np.repeat(scenario, 50))
    assert once is not None
    assert copied is not None
    assert once.low is not None
    assert copied.low == pytest.approx(once.low)
    assert copied.high == pytest.approx(once.high)


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """In 95 of 100 studies, with scenarios of unlike size and unlike difficulty."""
    rng = np.random.default_rng(1)
    inside = [_holds(rng.uniform(0.2, 0.8, 25), rng) for _ in range(600)]
    assert 0.91 < np.mean(inside) < 0.98


def _holds(chances: NDArray[np.float64], rng: np.random.Generator) -> bool:
    scenario = np.repeat(np.arange(25), rng.integers(5, 40, 25))
    hits = (rng.random(len(scenario)) < chances[scenario]).astype(float)
    found = estimate(hits, np.ones(len(hits)), scenario)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    return found.low <= 0.5 <= found.high


def test_scenarios_that_do_not_differ_have_no_interval() -> None:
    """Nothing is known of how others would; '100 % [100-100]' would claim certainty."""
    found = estimate(np.array([1.0, 0.0]), np.ones(2), np.array([4, 4]))
    assert found is not None
    assert (0.5, None, None) == (found.value, found.low, found.high)
    found = estimate(np.ones(30), np.ones(30), np.arange(30))
    assert found is not None
    assert (1.0, None, None) == (found.value, found.low, found.high)
    assert estimate(np.zeros(2), np.zeros(2), np.array([4, 4])) is None
