"""Tests on what others measured: the files' known defects are found by the rules, and no more.

The data are not part of the project: where they are missing the tests are skipped, and say so.
"""

from pathlib import Path

import numpy as np
import pytest

from platforms.errors import InvalidInput
from tests.traces.importers.samples import Files
from traces.measurements import matrix, read_measurements

DATA = Path(__file__).parents[4] / "shared" / "data"
POWMON = DATA / "odroid-xu3" / "powmon_a15.tsv.gz"
PARSEC = DATA / "odroid-xu3" / "parsec_1core_a15.tsv.gz"
SENSORS = DATA / "odroid-xu3" / "sensors_parsec_2core_1800mhz.tsv"
HEATING = DATA / "boards" / "heating_traces.csv"
HOTSPOT = DATA / "hotspot"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")


def test_powmon_has_all_rows_and_sensible_power(files: Files) -> None:
    """1620 rows, 45 workloads, nine frequencies; idle four times at each."""
    done = files.imported(POWMON)
    table, _ = read_measurements(files.out)
    assert (1620, 45, ()) == (done.rows, done.applications, done.metadata.dropped)
    assert [200e6 * i for i in range(1, 10)] == np.unique(matrix(table, "freq_hz")[:, 1]).tolist()
    assert 3 == max(
        repeat
        for name, repeat in zip(
            table["application"].to_pylist(), table["repeat"].to_pylist(), strict=True
        )
        if name == "idle"
    )


def test_the_two_parsec_runs_that_miss_work_are_dropped(files: Files) -> None:
    """Raytrace with 0.55 and water_nsquared with 0.64 of their instructions; no other run."""
    done = files.imported(PARSEC)
    runs = set(read_measurements(files.out)[0]["run"].to_pylist())
    assert (34, 2) == (len(runs), done.metadata.dropped[0].count)
    assert not {"splash2x.raytrace/1800MHz#1", "splash2x.water_nsquared/1800MHz#1"} & runs
    assert {"splash2x.raytrace/1400MHz#1", "splash2x.water_nsquared/1400MHz#1"} <= runs


@pytest.mark.parametrize(("mhz", "volt_v"), [(1000, 0.973), (1400, 1.060), (1800, 1.200)])
def test_parsec_voltages_come_from_power_and_current(files: Files, mhz: int, volt_v: float) -> None:
    """The medians that the data's description gives."""
    files.imported(PARSEC)
    table, _ = read_measurements(files.out)
    at = matrix(table, "freq_hz")[:, 1] == mhz * 1e6
    assert volt_v == pytest.approx(np.nanmedian(matrix(table, "volt_v")[at, 1]), abs=2e-3)


def test_the_sensor_log_has_all_rows(files: Files) -> None:
    """Half a second each, for 151 s."""
    files.imported(SENSORS)
    table, metadata = read_measurements(files.out)
    assert 297 == table.num_rows
    assert 151 == pytest.approx(sum(table["window_s"].to_pylist()), abs=1)
    assert ("CPU(0)", "CPU(4)", "GPU") == metadata.sensors


@pytest.mark.parametrize(
    ("chip", "rows", "notes"), [("exynos9611", 28, 1), ("msm8998", 53, 2), ("sdm660", 13, 1)]
)
def test_freqbench_has_all_rows_and_five_odd_clocks(
    files: Files, chip: str, rows: int, notes: int
) -> None:
    """The five rows of msm8998 whose speed is above their label are told of."""
    done = files.imported(DATA / "freqbench" / f"{chip}.csv")
    assert (rows, notes) == (done.rows, len(done.metadata.notes))


def test_the_swapped_clocks_of_xyiw_are_put_right(files: Files) -> None:
    """1800 MHz is its A55 cluster."""
    done = files.imported(HEATING, runs=("XyIw",))
    table, _ = read_measurements(files.out)
    assert [1_800_000_000, 2_256_000_000] == matrix(table, "freq_hz")[0].tolist()
    assert 73 == done.metadata.dropped[0].count


def test_every_other_heating_trace_is_taken_as_it_is(files: Files) -> None:
    """But for a row of two of them that repeats a second."""
    rows = {"1MFD": 48, "4o1A": 52, "3GnC": 34, "1iWL": 94, "8ctH": 79, "41BH": 90}
    rows |= {"4rLX": 53, "4vy7": 60, "4dJV": 83}
    assert rows == {name: files.imported(HEATING, runs=(name,)).rows for name in rows}
    with pytest.raises(InvalidInput, match="must be one machine's"):
        files.imported(HEATING)


def test_hotspot_starts_at_its_ambient(files: Files) -> None:
    """The files are in kelvin: 318.15 K is the ambient."""
    files.imported(HOTSPOT / "gcc.ptrace", HOTSPOT / "gcc_cold.ttrace", step_s=0.01)
    table, _ = read_measurements(files.out)
    assert (100, 30) == matrix(table, "power_w").shape
    assert 318.18 - 273.15 < matrix(table, "temp_c")[0].min() < 318.18 - 273.15 + 0.5
