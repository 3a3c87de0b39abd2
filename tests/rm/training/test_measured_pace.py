"""Tests of what is learnt from samples that come, a step at a time or all along."""

import numpy as np
import pytest

from rm.planner.mode_table import mode_table
from rm.training.measured_pace import LOOK_S, WEIGHT, MeasuredPace
from tests.platforms.programs import BIG, HIKEY, LITTLE
from tests.rm.training.capabilities import capability

HERE = (LITTLE, 2)
TABLE = mode_table(HIKEY, capability())


def run(
    pace: MeasuredPace,
    *,
    per_s: float,
    expected_per_s: float,
    until_s: float,
    step: float = 0.0,
    place: tuple[int, int] = HERE,
) -> None:
    """A job that does `per_s` samples, in steps of so many (0: shown as they are done)."""
    for number in range(round(until_s / 0.05) + 1):
        samples = per_s * number * 0.05
        shown = samples if step == 0.0 else samples // step * step
        pace.hear(number * 0.05, 0.05, place, shown, expected_per_s)


def ratio_of(pace: MeasuredPace, unit: int, cores: int) -> float:
    """How many times as long a sample takes in the corrected table, the same in all its rows."""
    corrected = pace.corrected(TABLE)
    at = (TABLE.unit == unit) & (TABLE.cores == cores)
    ratios = corrected.sample_s[at] / TABLE.sample_s[at]
    assert np.allclose(ratios, ratios[0])
    assert np.allclose(corrected.progress_per_s[at] * ratios[0], TABLE.progress_per_s[at])
    return float(ratios[0])


def test_before_anything_is_measured_the_table_is_as_declared() -> None:
    """The very same."""
    assert MeasuredPace().corrected(TABLE) is TABLE


def test_a_job_that_is_slower_than_declared_is_found_out() -> None:
    """Ten samples a second instead of 15."""
    pace = MeasuredPace()
    run(pace, per_s=10.0, expected_per_s=15.0, until_s=2 * LOOK_S)
    assert pytest.approx(1.5, rel=0.03) == ratio_of(pace, *HERE)


@pytest.mark.parametrize("step", [4.0, 16.0, 64.0])
def test_whole_steps_are_measured_from_end_to_end(step: float) -> None:
    """Up to steps of 6.4 s; time is known to a round of the governor."""
    pace = MeasuredPace()
    run(pace, per_s=10.0, expected_per_s=15.0, until_s=40.0, step=step)
    assert pytest.approx(1.5, rel=0.03) == ratio_of(pace, *HERE)


def test_other_places_are_taken_to_be_off_alike_and_own_measurements_come_first() -> None:
    """A unit's mean for its other places, all units' for another one."""
    pace = MeasuredPace()
    run(pace, per_s=10.0, expected_per_s=20.0, until_s=5.0, place=(LITTLE, 2))
    run(pace, per_s=10.0, expected_per_s=5.0, until_s=5.0, place=(LITTLE, 4))
    assert pytest.approx(2.0, rel=0.03) == ratio_of(pace, LITTLE, 2)
    assert pytest.approx(0.5, rel=0.03) == ratio_of(pace, LITTLE, 4)
    assert pytest.approx(1.0, rel=0.03) == ratio_of(pace, LITTLE, 1)
    assert pytest.approx(1.0, rel=0.03) == ratio_of(pace, BIG, 4)


def test_a_later_measurement_counts_for_a_part() -> None:
    """Speeds change, but not from one look to the next."""
    pace = MeasuredPace()
    pace.ratios[HERE] = 1.0
    run(pace, per_s=10.0, expected_per_s=20.0, until_s=LOOK_S + 0.1)
    assert pytest.approx(1.0 + WEIGHT, rel=0.03) == pace.ratios[HERE]


def test_samples_of_another_place_are_not_counted_here() -> None:
    """What came before the move, and the step that was begun there."""
    pace = MeasuredPace()
    pace.hear(0.0, 0.05, (BIG, 4), 0.0, 100.0)
    pace.hear(0.05, 0.05, HERE, 1000.0, 15.0)
    for number in range(1, 101):
        pace.hear(0.05 + number * 0.05, 0.05, HERE, 1000.0 + number * 0.5, 15.0)
    assert pytest.approx(1.5, rel=0.03) == pace.ratios[HERE]
    assert {HERE} == set(pace.ratios)


def test_what_cannot_be_a_speed_is_not_learnt() -> None:
    """A process that waits for its data does a sample now and then."""
    pace = MeasuredPace()
    run(pace, per_s=1.0, expected_per_s=50.0, until_s=20.0)
    assert {} == pace.ratios
