"""Measurements as the thermal fit takes them, and the fan that goes on by itself."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from platforms.board import CoolingSetup, Sensor
from platforms.errors import InvalidInput
from traces.calibration.thermal_data import ThermalData, ThermalRun
from traces.calibration.thermal_fan import fit_with_fan
from traces.calibration.thermal_measurements import measured_data, merged
from traces.calibration.thermal_network import plan_of
from traces.calibration.thermal_response import respond
from traces.calibration.thermal_structure import chain_thermal
from traces.measurements import list_array, measurement_schema
from traces.schema import MeasurementMetadata

CLUSTERS = (("little", (0, 1)), ("big", (2, 3)))


def about(*, averaged: bool = False, power_of: str = "cluster rails") -> MeasurementMetadata:
    """Metadata of a machine with two clusters and two sensors."""
    return MeasurementMetadata(
        board="toy",
        clusters=("little", "big"),
        cores=((0, 1), (2, 3)),
        sensors=("soc", "skin"),
        source=(),
        averaged=averaged,
        power_of=power_of,  # type: ignore[arg-type]
    )


def table(**columns: object) -> pa.Table:
    """Two runs of two rows; `columns` replaces some."""
    values: dict[str, object] = {
        "run": ["a", "a", "b", "b"],
        "application": ["one", "one", "two", "two"],
        "repeat": [0] * 4,
        "time_s": [0.0, 0.5, 0.0, 0.5],
        "window_s": [0.5] * 4,
        "instances": [1] * 4,
        "cluster": [1] * 4,
        "freq_hz": np.ones((4, 2), dtype=np.int64),
        "volt_v": np.ones((4, 2)),
        "power_w": np.array([[0.1, 1.2]] * 4),
        "busy_cores": np.full((4, 2), np.nan),
        "core_utilisation": np.full((4, 4), np.nan),
        "temp_c": np.array([[40.0, 30.0], [41.0, 30.0], [42.0, 31.0], [43.0, 31.0]]),
        "cycles_per_s": [1.0] * 4,
        "instructions_per_s": [1.0] * 4,
        "l2d_per_s": [1.0] * 4,
        "work_per_s": [1.0] * 4,
    }
    values |= columns
    schema = measurement_schema()
    arrays = [
        list_array(value) if isinstance(value := values[name], np.ndarray) else pa.array(value)
        for name in schema.names
    ]
    return pa.table(
        [array.cast(field.type) for array, field in zip(arrays, schema, strict=True)],
        schema=schema,
    )


def test_rows_become_runs_with_the_power_where_the_program_ran() -> None:
    """On the named core of its cluster; the idle cluster's rail is shared power."""
    data = measured_data(table(), about(), cooling="fan", busy_cores=(3,))
    assert ("soc", "skin") == data.sensors
    assert ["a", "b"] == [run.name for run in data.runs]
    run = data.runs[0]
    np.testing.assert_allclose(run.core_w, [[0, 0, 0, 1.0]] * 2)
    np.testing.assert_allclose(run.shared_w, [0.3, 0.3])
    np.testing.assert_allclose(run.temp_c[:, 0], [40.0, 41.0])
    assert not run.settled


def test_cores_that_were_measured_busy_get_the_power() -> None:
    """Whatever cores were named."""
    used = np.array([[0.0, 0.0, 1.0, 0.5]] * 4)
    data = measured_data(
        table(core_utilisation=used), about(), cooling="fan", busy_cores=(3,), shared_ratio=0.0
    )
    np.testing.assert_allclose(data.runs[0].core_w[0], [0, 0, 0.8, 0.4])


def test_means_of_whole_runs_become_steady_states_by_program() -> None:
    """Or one run in the order of the table."""
    data = measured_data(table(), about(averaged=True), cooling="fan")
    assert ["one", "two"] == [run.name for run in data.runs]
    assert all(run.settled for run in data.runs)
    whole = measured_data(table(), about(averaged=True), cooling="fan", as_one=True)
    assert [4] == [len(run.step_s) for run in whole.runs]


def test_a_gap_between_rows_belongs_to_the_later_one() -> None:
    """Time does not get lost."""
    data = measured_data(table(time_s=[0.0, 2.0, 0.0, 0.5]), about(), cooling="fan")
    np.testing.assert_allclose(data.runs[0].step_s, [0.5, 2.0])


def test_sensors_are_chosen_and_named() -> None:
    """And data of several sources share those of the same name."""
    first = measured_data(table(), about(), cooling="a", sensors={"skin": "S"})
    second = measured_data(table(), about(), cooling="b", sensors={"soc": "T", "skin": "S"})
    both = merged([first, second])
    assert ("S", "T") == both.sensors
    assert np.isnan(both.runs[0].temp_c[:, 1]).all()
    np.testing.assert_allclose(both.runs[2].temp_c[:, 1], [40.0, 41.0])


def test_power_that_is_no_rail_s_or_missing_is_refused() -> None:
    """With the way out."""
    with pytest.raises(InvalidInput, match=r"power_of must be 'cluster rails'.*model the power"):
        measured_data(table(), about(power_of="device above idle"), cooling="fan")
    holes = np.array([[0.1, 1.2], [0.1, np.nan], [0.1, 1.0], [0.1, 1.0]])
    with pytest.raises(
        InvalidInput, match=r"power_w of big must be in every row or in none .row 1"
    ):
        measured_data(table(power_w=holes), about(), cooling="fan")
    with pytest.raises(InvalidInput, match="power_w must be known for one cluster"):
        measured_data(table(power_w=np.full((4, 2), np.nan)), about(), cooling="fan")


def test_two_states_of_a_fan_are_told_apart() -> None:
    """Rows below the threshold have the resistance without it, those above with it."""
    rng = np.random.default_rng(0)
    setups = [
        CoolingSetup(name=name, conductance_w_per_k=0.3, ambient_c=35.0, sources={})
        for name in ("off", "on")
    ]
    sensor = Sensor(
        name="soc",
        weights={"die": 1.0},
        step_k=0.01,
        offset_c=0.0,
        period_s=1.0,
        noise_k=0.2,
        sources={},
    )
    plan = plan_of(chain_thermal(CLUSTERS, ("die", "board")), CLUSTERS, setups, [sensor])
    truth = plan.prior
    for name, value in (("off", 0.15), ("on", 0.3)):
        truth[plan.names.index(f"conductance.ambient.{name}")] = np.log(value)
        truth[plan.names.index(f"air.{name}")] = 30.0
    count = 400
    power = np.exp(rng.uniform(np.log(0.3), np.log(6.0), count))
    rows = ThermalRun(
        "rows",
        "rows",
        "on",
        np.ones(count),
        np.zeros((count, 4)),
        power,
        np.full((count, 1), np.nan),
        averaged=True,
        settled=True,
    )
    off_c, on_c = (
        respond(plan, truth[None], replace(rows, cooling=name), np.zeros(1))[0]
        for name in ("off", "on")
    )
    read = np.where(off_c < 50, off_c, np.where(on_c > 50, on_c, 50.0))
    rows = replace(rows, temp_c=read + 0.2 * rng.standard_normal(read.shape))
    nothing = ThermalData(("soc",), ())
    seen = np.arange(count) % 2 == 0
    found = fit_with_fan(plan, rows, seen, nothing, off="off", on="on")
    error = (found.predict(rows) - read)[~seen]
    assert np.sqrt(np.mean(error**2)) < 0.3
    assert found.rule.on_c == pytest.approx(50.0, abs=1.0)
    assert 1.0 == found.shares(rows)[power > 5].min()
    assert 0.0 == found.shares(rows)[power < 1].max()
