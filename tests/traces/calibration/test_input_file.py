"""Tests of the files that calibration takes: what they must be, and what is said of others."""

from pathlib import Path

import numpy as np
import pytest

from platforms.board_file import load_board
from platforms.errors import InvalidInput
from tests.traces.calibration.toy_measurements import METADATA, measured
from traces.calibration.input_file import read_input
from traces.measurements import KIND, list_array, matrix
from traces.store import write_table

BOARD = load_board("odroid-xu3")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The toy as a file of the board."""
    path = tmp_path / "toys.parquet"
    write_table(path, measured(np.random.default_rng(0)), kind=KIND, metadata=METADATA)
    return path


def test_what_the_rows_do_not_say_comes_with_the_files_name(file: Path) -> None:
    """The cooling setup, and the cores that programs ran on."""
    read = read_input(f"{file}:cooling=passive:cores=4+5", BOARD)
    assert ("passive", (4, 5)) == (read.cooling, read.busy_cores)
    assert ("fan", ()) == (
        read_input(str(file), BOARD).cooling,
        read_input(str(file), BOARD).busy_cores,
    )
    assert ("toy.tsv (powmon)",) == read.origin


def test_sensors_are_the_boards_or_sit_where_one_of_them_does(file: Path) -> None:
    """Others are not used."""
    assert ["C4"] == read_input(str(file), BOARD).sensors_on(BOARD)
    other = load_board("hikey970")
    assert [] == read_input(str(file), BOARD).sensors_on(other)
    placed = read_input(str(file), BOARD, places={"C4": "cls0"})
    assert ["C4"] == placed.sensors_on(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}:cooling", "must be like runs.parquet:cooling=fan:cores=4+5"),
        ("{}:fan=on", "must be like runs.parquet:cooling=fan:cores=4+5"),
        ("{}:cores=4+x", "cores must be of the board's 0 to 7, like 4+5"),
        ("{}:cores=8", "cores must be of the board's 0 to 7, like 4+5"),
    ],
)
def test_a_wrong_text_is_refused(file: Path, text: str, said: str) -> None:
    """With an example of a right one."""
    with pytest.raises(InvalidInput) as error:
        read_input(text.format(file), BOARD)
    assert said in str(error.value)


def test_measurements_of_other_clusters_are_refused(file: Path) -> None:
    """With both lists."""
    with pytest.raises(InvalidInput) as error:
        read_input(str(file), load_board("rk3588"))
    assert "must be measurements of rk3588's clusters little (0 1 2 3), big0" in str(error.value)
    assert "(got little (0 1 2 3), big (4 5 6 7)); import them with --board" in str(error.value)


def test_measurements_at_clocks_that_the_board_lacks_are_refused(tmp_path: Path) -> None:
    """They are another machine's, or in another unit."""
    table = measured(np.random.default_rng(0))
    clocks = matrix(table, "freq_hz").copy()
    clocks[5, 1] = 1_850_000_000
    place = table.column_names.index("freq_hz")
    wrong = table.set_column(place, "freq_hz", list_array(clocks))
    path = tmp_path / "wrong.parquet"
    write_table(path, wrong, kind=KIND, metadata=METADATA)
    with pytest.raises(InvalidInput) as error:
        read_input(str(path), BOARD)
    assert "freq_hz of big must be one of odroid-xu3's 19 frequencies" in str(error.value)
    assert "(got 1850 MHz); is it the right --board?" in str(error.value)
