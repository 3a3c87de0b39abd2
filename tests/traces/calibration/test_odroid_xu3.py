"""The shipped ODROID-XU3: it is what the command makes of public data, and how wrong its fits are.

All errors are of what the fits did not see; the bars are the project's own.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from platforms.application_file import load_suite
from platforms.board_file import load_board
from traces.calibration.calibrate import Calibration, calibrate
from traces.calibration.input_file import read_input
from traces.calibration.profiles import AssumedSpeed
from traces.importers.importer import Request
from traces.importers.machine import board_layout
from traces.importing import import_files

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data" / "odroid-xu3"
MADE = ROOT / "benchmarks" / "calibration"
SKELETON = MADE / "odroid-xu3.skeleton.toml"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(),
    reason=f"the public measurements are not at {DATA}: the shipped board was not checked",
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    """As benchmarks/calibration/odroid_xu3.sh does it."""
    folder = tmp_path_factory.mktemp("xu3")
    skeleton = load_board(str(SKELETON))
    asked = Request(layout=board_layout(skeleton), board=skeleton)
    given = (
        ("powmon_a15.tsv.gz", ":cooling=fan"),
        ("parsec_1core_a15.tsv.gz", ":cooling=fan-armpm:cores=4"),
    )
    files = []
    for name, options in given:
        out = folder / f"{name}.parquet"
        import_files([DATA / name], out, format_name="auto", board=skeleton.name, asked=asked)
        files.append(read_input(f"{out}{options}", skeleton, places={"CPU(4)": "C4"}))
    return calibrate(
        files,
        skeleton,
        data="public data",
        assumed=[AssumedSpeed("little", "big", 1.55, 2.1)],
        suite="odroid-xu3",
    )


def test_speed_is_right_within_3_percent_in_the_median(done: Calibration) -> None:
    """At held-out clocks, and of programs that were seen at two clocks only."""
    speeds = done.clusters[1].speeds
    assert 44 == len({one.program.application for one in speeds.programs})
    assert speeds.median_by_clock <= 0.03
    assert speeds.median_from_two_clocks <= 0.03


def test_power_of_held_out_programs_is_right_within_8_percent_in_the_median(
    done: Calibration,
) -> None:
    """Over all clocks and instances together, and at each of them."""
    assert done.clusters[1].power is not None
    study = done.clusters[1].power.study
    assert (1620, 45) == (len(study.errors), len(np.unique(study.samples.group)))
    assert study.median <= 0.08
    for hz in np.unique(study.samples.freq_hz):
        assert study.median_where(study.samples.freq_hz == hz) <= 0.08
    for count in (1, 2, 3, 4):
        assert study.median_where(study.instances == count) <= 0.08
    known = done.clusters[1].board_errors
    assert np.nanmedian(np.abs(known)) <= 0.08


def test_steady_temperatures_of_held_out_workloads_are_right_within_3_kelvin(
    done: Calibration,
) -> None:
    """RMS over four sensors, 45 workloads, all clocks and instances."""
    assert done.heat is not None
    assert 45 == len(done.heat.runs(settled=True))
    assert done.heat.rms_k(settled=True) <= 3.0
    assert done.heat.rms_k(settled=True) < 0.5 * done.heat.without_model_k(settled=True)


def test_transients_of_held_out_parsec_programs_are_right_within_1_5_kelvin(
    done: Calibration,
) -> None:
    """RMS over all samples of all sound runs, and of each program's."""
    assert done.heat is not None
    names = {run.application for run in done.heat.runs(settled=False)}
    assert 6 == len(names)
    assert done.heat.rms_k(settled=False) <= 1.5
    for name in names:
        assert done.heat.rms_k(settled=False, application=name) <= 1.5
    assert done.heat.rms_k(settled=False) < 0.5 * done.heat.without_model_k(settled=False)


def test_the_shipped_board_is_what_the_data_make(done: Calibration) -> None:
    """Every value within a thousandth; libraries differ in the last digits."""
    made, shipped = (dict(_numbers(board)) for board in (done.board, load_board("odroid-xu3")))
    assert made.keys() == shipped.keys()
    assert made == pytest.approx(shipped, rel=1e-3)


def test_the_suite_beside_it_is_what_the_data_make(done: Calibration) -> None:
    """The same of the programs."""
    suite = load_suite(MADE / "odroid-xu3.applications.toml")
    made = {one.name: one for one in done.applications}
    assert suite.keys() == made.keys()
    for name, profile in made.items():
        assert dict(_numbers(profile)) == pytest.approx(dict(_numbers(suite[name])), rel=1e-3)


def _numbers(value: object) -> Iterator[tuple[str, float]]:
    """All numbers in a structure, with where they stand."""
    yield from _within("", msgspec.to_builtins(value))


def _within(where: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _within(f"{where}.{key}", part)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _within(f"{where}[{index}]", part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield where, float(value)
