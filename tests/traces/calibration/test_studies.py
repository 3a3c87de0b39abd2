"""Tests of the studies of speed and power: from a table of measurements to errors."""

import numpy as np
import pyarrow as pa
import pytest

from traces.calibration.power_study import study_power
from traces.calibration.speed_study import program_speeds, study_speeds
from traces.measurements import list_array, measurement_schema

CLOCKS_HZ = np.arange(4, 19, 2) * 1e8
EXTRA = ("counter.misses_per_s",)


def measured(rng: np.random.Generator, *, programs: int = 12, counted: bool = True) -> pa.Table:
    """Programs on the second cluster, whose misses per cycle tell their stall and their power."""
    stall_s = rng.uniform(0.0, 1e-9, programs)
    cpi = rng.uniform(0.6, 1.6, programs)
    rows = [
        _row(f"program{i:02}", clock, cpi[i], stall_s[i], counted)
        for i in range(programs)
        for clock in CLOCKS_HZ
    ]
    rows += [_row("idle", clock, 1.0, 0.0, counted) | {"instances": 0} for clock in CLOCKS_HZ]
    lists = {"freq_hz", "volt_v", "power_w", "busy_cores", "core_utilisation", "temp_c"}
    schema = measurement_schema(EXTRA)
    columns = [
        list_array(np.array([row[name] for row in rows]))
        if name in lists
        else pa.array([row[name] for row in rows])
        for name in schema.names
    ]
    return pa.table(
        [column.cast(field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _row(name: str, clock: float, cpi: float, stall_s: float, counted: bool) -> dict[str, object]:
    instructions = 1.0 / (cpi / clock + stall_s)
    busy = 0.05 if name == "idle" else 1.0
    misses = busy * instructions * (stall_s / 1e-7 + 1e-4)
    volt_v = 0.9 + 0.2 * clock / 1.8e9
    power_w = volt_v**2 * (2e-10 * busy * clock + 3e-9 * misses) + 0.1 * volt_v**3
    nan = float("nan")
    return {
        "run": f"{name}-{clock:.0f}",
        "application": name,
        "repeat": 0,
        "time_s": 0.0,
        "window_s": 30.0,
        "instances": 1,
        "cluster": 1,
        "freq_hz": [1_000_000_000, int(clock)],
        "volt_v": [1.0, volt_v],
        "power_w": [0.1, power_w],
        "busy_cores": [0.0, busy],
        "core_utilisation": [0.0, busy],
        "temp_c": [50.0],
        "cycles_per_s": busy * clock if counted else nan,
        "instructions_per_s": busy * instructions if counted else nan,
        "l2d_per_s": nan,
        "work_per_s": nan if counted else instructions / 1e9,
        EXTRA[0]: misses if counted else nan,
    }


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
