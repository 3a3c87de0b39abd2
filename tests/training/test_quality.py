"""Tests of the judgement of choices, on rows made by hand."""

import numpy as np
import pytest

from training.imitation.quality import Figures, Quality, judge

NAN = float("nan")


def judged(*rows: tuple[list[float], list[float], list[int]]) -> Quality:
    """Judge rows of (scores, temp_c, status)."""
    scores, temp_c, status = zip(*rows, strict=True)
    return judge(
        np.array(scores, np.float32),
        temp_c=np.array(temp_c, float),
        status=np.array(status, np.int8),
    )


@pytest.mark.parametrize(
    ("temp_c", "hit_rate", "excess_k"),
    [([40.0, 45.0], 1.0, 0.0), ([41.0, 40.0], 1.0, 1.0), ([41.01, 40.0], 0.0, 1.01)],
)
def test_a_hit_is_at_most_one_kelvin_above_the_coolest(
    temp_c: list[float], hit_rate: float, excess_k: float
) -> None:
    """The limit itself still counts, as in 'within 1 K'."""
    figures = judged(([0.9, 0.1], temp_c, [0, 0])).choice
    assert hit_rate == figures.hit_rate
    assert figures.mean_excess_k == pytest.approx(excess_k)


def test_an_occupied_core_is_never_chosen() -> None:
    """The governor cannot go there, however high the score."""
    quality = judged(([9.0, 0.1, 0.2], [NAN, 50.0, 40.0], [2, 0, 0]))
    assert (1.0, 0.0, 0.0) == (
        quality.choice.hit_rate,
        quality.choice.mean_excess_k,
        quality.choice.infeasible_share,
    )


def test_a_core_that_misses_the_target_is_a_miss_and_has_no_excess() -> None:
    """Its temperature may be low for the wrong reason."""
    figures = judged(
        ([0.9, 0.1, 0.2], [NAN, 50.0, 40.0], [1, 0, 0]),
        ([0.1, 0.9, 0.2], [NAN, 43.0, 40.0], [1, 0, 0]),
    ).choice
    assert (0.0, 3.0, 0.5) == (figures.hit_rate, figures.mean_excess_k, figures.infeasible_share)


def test_rows_with_one_feasible_core_are_reported_apart() -> None:
    """They are easy, and many of them would make the figure look good."""
    quality = judged(
        ([0.9, 0.1], [45.0, 40.0], [0, 0]),
        ([0.9, 0.1], [45.0, NAN], [0, 2]),
        ([0.9, 0.1], [45.0, NAN], [0, 1]),
    )
    assert (1, 0.0) == (quality.choice.rows, quality.choice.hit_rate)
    assert (2, 1.0) == (quality.single.rows, quality.single.hit_rate)


def test_rows_without_a_feasible_core_are_left_out_and_counted() -> None:
    """No choice was right there."""
    quality = judged(([0.9, 0.1], [NAN, NAN], [1, 2]), ([0.9, 0.1], [NAN, NAN], [2, 2]))
    nothing = Figures(
        rows=0, hit_rate=None, mean_excess_k=None, infeasible_share=None, random_hit_rate=None
    )
    assert Quality(choice=nothing, single=nothing, rows_without_feasible=2) == quality


def test_the_chance_of_a_random_pick_counts_free_cores() -> None:
    """Two of three free cores are within 1 K here, and the occupied one is no choice."""
    row = ([0.9, 0.1, 0.2, 0.3], [40.0, 40.5, 45.0, NAN], [0, 0, 0, 2])
    assert judged(row).choice.random_hit_rate == pytest.approx(2 / 3)


def test_equal_scores_choose_the_lowest_core() -> None:
    """Ties are decided the same way everywhere."""
    assert 5.0 == judged(([0.5, 0.5], [45.0, 40.0], [0, 0])).choice.mean_excess_k
