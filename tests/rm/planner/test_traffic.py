"""The levels of training's traffic that the foreground is planned for."""

import numpy as np

from rm.planner.traffic import LITTLE, levels_in_time, levels_of_fastest

LOADS = np.array([0.02, 0.1, 0.3, 0.6])
PROGRESS = np.array([1.0, 5.0, 8.0, 40.0])
ALL = np.ones(4, dtype=bool)


def test_modes_far_faster_than_needed_do_not_make_the_level() -> None:
    """Those within twice the pace do; a second level leaves only the least traffic."""
    fast = PROGRESS >= 4.0
    assert [0.3, 0.1] == list(levels_in_time(LOADS, PROGRESS, fast, ALL))


def test_where_the_most_traffic_is_little_more_it_is_the_level() -> None:
    """One level then serves all questions."""
    loads = np.array([0.05, 0.05 + 0.5 * LITTLE])
    progress, fast = np.array([1.0, 9.0]), np.array([True, True])
    assert loads[1] == next(levels_in_time(loads, progress, fast, np.ones(2, dtype=bool)))


def test_no_mode_is_fast_enough_no_level() -> None:
    """There is nothing to plan for."""
    assert [] == list(levels_in_time(LOADS, PROGRESS, ~ALL, ALL))


def test_as_fast_as_may_be_starts_with_the_most_and_halves() -> None:
    """As long as any mode is left."""
    assert [0.6, 0.3, 0.15, 0.075] == list(levels_of_fastest(LOADS, ALL))
    assert [0.6] == list(levels_of_fastest(LOADS, np.array([False, False, False, True])))
    assert [0.0] == list(levels_of_fastest(np.zeros(4), ALL))
