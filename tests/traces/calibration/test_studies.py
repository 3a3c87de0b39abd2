"""Tests of the studies of speed and power: from a table of measurements to errors."""

import numpy as np
import pytest

from tests.traces.calibration.toy_measurements import measured
from traces.calibration.power_study import study_power
from traces.calibration.speed_study import program_speeds, study_speeds
from traces.measurements import list_array


def test_programs_without_noise_are_predicted_at_clocks_that_were_held_out() -> None:
    """Idle rows are no program, those on another cluster do not count."""
    table = measured(np.random.default_rng(0))
    study = study_speeds(program_speeds(table, 1), 1)
    assert [f"program{i:02}" for i in range(12)] == [p.program.name for p in study.programs]
    assert study.median_by_clock < 1e-6
    assert study.median_from_two_clocks < 1e-6
    assert () == program_speeds(table, 0)


def test_programs_seen_at_one_clock_are_told_by_their_counters() -> None:
    """Better than without: by clock and program the errors stay below those of the usual share."""
    study = study_speeds(program_speeds(measured(np.random.default_rng(1), programs=40), 1), 1)
    assert 1e-4 < study.median_by_program < 0.05


def test_work_in_the_programs_own_units_does_without_counters() -> None:
    """As benchmarks that only report a rate; then nothing tells a program that is held out."""
    table = measured(np.random.default_rng(2), counted=False)
    study = study_speeds(program_speeds(table, 1), 1)
    assert study.median_by_clock < 1e-6
    assert np.isnan(study.median_by_program)


def test_the_power_of_programs_that_were_held_out_is_told_by_their_events() -> None:
    """Without noise exactly; the columns that nobody counted are no events."""
    study = study_power(measured(np.random.default_rng(3)), 1, [0], rng=np.random.default_rng(0))
    assert ("cycles_per_s", "instructions_per_s", "counter.misses_per_s") == study.fit.events
    assert study.median < 1e-6
    assert study.fit.leakage_w == pytest.approx(0.1, rel=1e-6)


def test_rows_without_the_clusters_power_are_left_out() -> None:
    """A table that tells none at all is refused."""
    table = measured(np.random.default_rng(4))
    unknown = list_array(np.full((len(table), 2), np.nan))
    index = table.column_names.index("power_w")
    with pytest.raises(ValueError, match="number of rows"):
        study_power(
            table.set_column(index, "power_w", unknown), 1, [0], rng=np.random.default_rng()
        )
