"""Tests of phases: where a speed goes that has just begun to change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm.phases import SAME, Phases

levels = st.floats(-1.0, 1.0)


def heard(*log_levels: float) -> float:
    """What is said of the last of them."""
    phases = Phases()
    return [phases.hear(level) for level in log_levels][-1]


CYCLE = (0.0, 0.0, 0.2, 0.7, 0.7, 0.3, 0.0, 0.0)
"""Two phases, with a window across each turn."""


@given(st.floats(SAME + 0.01, 0.6))
def test_a_turn_that_was_seen_before_is_foreseen(mixed: float) -> None:
    """Wherever in the window it was."""
    assert 0.7 - mixed == pytest.approx(heard(*CYCLE, mixed))


def test_a_turn_that_nobody_saw_is_taken_for_what_it_looks_like() -> None:
    """The first one, and one the other way."""
    assert 0.0 == heard(0.0, 0.0, 0.3)
    assert 0.0 == heard(*CYCLE, -0.3)


def test_who_goes_further_than_ever_is_not_called_back() -> None:
    """It was another turn."""
    assert 0.0 == heard(*CYCLE, 0.9)


def test_a_third_phase_is_told_from_the_second_by_its_side() -> None:
    """From the middle it goes up or down."""
    phases = (*CYCLE, -0.2, -0.5, -0.5, -0.1, 0.0, 0.0)
    assert 0.7 - 0.3 == pytest.approx(heard(*phases, 0.3))
    assert -0.5 + 0.3 == pytest.approx(heard(*phases, -0.3))


@given(st.lists(levels, min_size=1, max_size=30))
def test_the_second_window_after_a_turn_is_always_believed(seen: list[float]) -> None:
    """Whatever came before."""
    assert 0.0 == heard(*seen, 2.0, 2.0, 2.0)


@given(st.lists(st.lists(levels, min_size=1), min_size=1))
def test_several_windows_at_once_teach_the_same_as_one_by_one(batches: list[list[float]]) -> None:
    """What is said of the last one of each is the same too."""
    at_once, one_by_one = Phases(), Phases()
    for batch in batches:
        expected = [one_by_one.hear(level) for level in batch][-1]
        assert expected == at_once.hear_all(batch)
