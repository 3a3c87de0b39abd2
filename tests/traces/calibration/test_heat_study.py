"""Tests of a board's heat from measurements: sensors, setups, and what counts as held out."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from platforms.board_file import load_board
from tests.traces.calibration.toy_measurements import METADATA, measured
from traces.calibration.heat_study import (
    FIRST_STEPS,
    HeatStudy,
    root_mean_square,
    step_of,
    study_heat,
    with_coolings,
)
from traces.calibration.input_file import InputFile
from traces.measurements import list_array, matrix
from traces.schema import MeasurementMetadata

BOARD = load_board("odroid-xu3")
K_PER_W, AIR_C = 9.0, 40.0


def file(
    name: str, table: pa.Table, *, averaged: bool, places: dict[str, str] | None = None
) -> InputFile:
    """Measurements with the toy's metadata, under the board's fan."""
    sensor = "C4" if averaged else "T"
    metadata = METADATA | {"averaged": averaged, "sensors": [sensor]}
    sound = MeasurementMetadata(
        **{
            key: tuple(map(tuple, value)) if key == "cores" else value
            for key, value in metadata.items()
            if key != "source"
        },
        source=(),
    )
    return InputFile(Path(name), table, sound, "fan", (4,), places or {})


def steady(programs: int = 5) -> pa.Table:
    """The toy's programs; the sensor follows the big cluster's power."""
    table = measured(np.random.default_rng(0), programs=programs)
    power_w = matrix(table, "power_w").sum(axis=1)
    return table.set_column(
        table.column_names.index("temp_c"),
        "temp_c",
        list_array((AIR_C + K_PER_W * power_w)[:, None]),
    )


def sampled() -> pa.Table:
    """Two programs, 40 samples of half a second each; the sensor nears a warmer state."""
    table = steady(2).slice(0, 8)
    rows = np.repeat([0, 7], 40)
    table = table.take(pa.array(rows))
    time_s = np.tile(np.arange(40) * 0.5, 2)
    warm = AIR_C + 12.0 * (1 - np.exp(-(time_s + 0.5) / 5.0))
    columns = {
        "run": pa.array([f"sampled{n // 40}" for n in range(80)]),
        "application": pa.array([f"sampled{n // 40}" for n in range(80)]),
        "time_s": pa.array(time_s),
        "window_s": pa.array(np.full(80, 0.5)),
        "temp_c": list_array(np.round(warm)[:, None]),
    }
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table


@pytest.fixture(scope="module")
def study() -> HeatStudy:
    """Both kinds of files; what T reads is where C4 sits."""
    files = [
        file("steady", steady(), averaged=True),
        file("sampled", sampled(), averaged=False, places={"T": "C4"}),
    ]
    found = study_heat(files, BOARD)
    assert found is not None
    return found


def test_steady_states_and_transients_are_told_apart(study: HeatStudy) -> None:
    """Rows of means are steady, a run an application; samples are runs in time."""
    assert ["program00", "program01", "program02", "program03", "program04", "idle"] == [
        run.name for run in study.runs(settled=True)
    ]
    assert ["sampled0", "sampled1"] == [run.name for run in study.runs(settled=False)]


def test_samples_that_tell_the_start_are_no_test(study: HeatStudy) -> None:
    """Every other sample is, and every steady state."""
    for run in study.runs(settled=False):
        known = np.isfinite(study.left[run.name]).any(axis=1)
        assert not known[:FIRST_STEPS].any()
        assert known[FIRST_STEPS:].all()
    for run in study.runs(settled=True):
        assert np.isfinite(study.left[run.name]).any(axis=1).all()


def test_what_follows_power_is_predicted_where_it_was_held_out(study: HeatStudy) -> None:
    """Far better than the mean; workloads by themselves make up the whole."""
    rms_k = study.rms_k(settled=True)
    assert rms_k < 0.3 * study.without_model_k(settled=True)
    own = [study.rms_k(settled=True, application=f"program{i:02}") for i in range(5)]
    assert min(own) <= rms_k
    assert np.isnan(study.rms_k(settled=True, application="nobody"))


def test_without_a_model_a_transient_stays_as_it_began(study: HeatStudy) -> None:
    """By hand, of readings in whole degrees."""
    read = [run.temp_c[:, 1] for run in study.runs(settled=False)]
    off = np.concatenate([one[FIRST_STEPS:] - one[:FIRST_STEPS].mean() for one in read])
    expected = float(np.sqrt(np.mean(off**2)))
    assert expected == pytest.approx(study.without_model_k(settled=False))


def test_files_without_power_or_the_boards_sensors_tell_no_heat() -> None:
    """Then there is no study; a sensor has to sit somewhere."""
    assert study_heat([file("sampled", sampled(), averaged=False)], BOARD) is None
    table = steady()
    unknown = list_array(np.full((len(table), 2), np.nan))
    place = table.column_names.index("power_w")
    blind = file("blind", table.set_column(place, "power_w", unknown), averaged=True)
    assert study_heat([blind], BOARD) is None


def test_a_sensors_step_is_the_least_difference_of_its_readings() -> None:
    """At least 0.01 K, for readings that hardly repeat."""
    assert 0.5 == step_of(np.array([40.0, 41.5, np.nan, 41.0]))
    assert 0.01 == step_of(np.array([40.0, 40.001]))
    assert 0.01 == step_of(np.array([40.0]))


def test_setups_that_the_board_lacks_begin_as_its_first() -> None:
    """And the air that was noted is theirs."""
    board = with_coolings(BOARD, ["fan", "lab"], 21.5)
    assert ["fan", "fan-armpm", "passive", "lab"] == [setup.name for setup in board.cooling]
    assert (21.5, 21.5) == (
        board.cooling_named("fan").ambient_c,
        board.cooling_named("lab").ambient_c,
    )
    assert BOARD.cooling_named("passive") == board.cooling_named("passive")
    assert board.cooling_named("lab").sources["ambient_c"].startswith("measured: ")


def test_the_root_mean_square_of_nothing_is_unknown() -> None:
    """What is not known does not count."""
    assert np.isnan(root_mean_square(np.array([np.nan])))
    assert 2.0 == root_mean_square(np.array([2.0, np.nan, -2.0]))
