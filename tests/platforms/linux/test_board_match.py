"""Whether a board file is this machine's."""

from pathlib import Path

import pytest

from platforms.board_file import load_board, shipped_boards
from platforms.linux.probe.board_match import (
    cluster_differences,
    differences,
    shipped_board_of,
    unused_frequencies,
)
from platforms.linux.probe.place import find_places
from tests.platforms.linux.described_machine import fake_board
from tests.platforms.linux.fake_root import FakeRoot

POLICY4 = "/sys/devices/system/cpu/cpufreq/policy4"


@pytest.mark.parametrize("name", shipped_boards())
def test_a_machine_is_recognised_by_cores_and_frequencies(tmp_path: Path, name: str) -> None:
    """Each shipped board is itself and no other."""
    root = fake_board(tmp_path, name)
    assert name == shipped_board_of(root.path)
    assert [] == list(differences(load_board(name), root.path))


def test_another_machines_board_file_differs_in_every_cluster(tmp_path: Path) -> None:
    """Each line says what the board must be and what the machine is."""
    root = FakeRoot(tmp_path, "hikey970")
    found = list(differences(load_board("rk3588"), root.path))
    assert (
        "clusters must have the cores 0,1,2,3 | 4,5 | 6,7 (cpufreq has 0,1,2,3 | 4,5,6,7)"
        in (found[0])
    )
    assert any(line.startswith("cluster little must have frequencies") for line in found)
    assert "sensor package must have a thermal zone package (there are: cls0)" in found


def test_a_frequency_that_the_machine_lacks_is_a_difference(tmp_path: Path) -> None:
    """The governor would ask for it in vain."""
    root = FakeRoot(tmp_path)
    listed = root.read(f"{POLICY4}/scaling_available_frequencies")
    root.write(f"{POLICY4}/scaling_available_frequencies", listed.replace("2362000", ""))
    (found,) = differences(load_board("hikey970"), root.path)
    assert "policy4 lists (it does not: 2362 MHz)" in found
    assert shipped_board_of(root.path) is None


def test_a_frequency_that_the_board_file_lacks_is_only_unused(tmp_path: Path) -> None:
    """Owners may leave points out."""
    root = FakeRoot(tmp_path)
    listed = root.read(f"{POLICY4}/scaling_available_frequencies")
    root.write(f"{POLICY4}/scaling_available_frequencies", listed + " 2500000")
    places = find_places(root.path)
    board = load_board("hikey970")
    assert [] == list(cluster_differences(board, places))
    assert ["cluster big leaves 2500 MHz of policy4 unused"] == list(
        unused_frequencies(board, places)
    )


def test_boost_frequencies_may_be_in_the_board_file(tmp_path: Path) -> None:
    """They are there, if only sometimes."""
    root = FakeRoot(tmp_path)
    listed = root.read(f"{POLICY4}/scaling_available_frequencies")
    root.write(f"{POLICY4}/scaling_available_frequencies", listed.replace("2362000", ""))
    root.write(f"{POLICY4}/scaling_boost_frequencies", "2362000")
    assert [] == list(differences(load_board("hikey970"), root.path))


def test_a_sensor_may_be_called_otherwise(tmp_path: Path) -> None:
    """The configuration's names count."""
    root = FakeRoot(tmp_path, zones=("soc-thermal",))
    board = load_board("hikey970")
    assert 1 == len(list(differences(board, root.path)))
    assert [] == list(differences(board, root.path, sensors={"cls0": "soc"}))


def test_a_machine_without_cpufreq_is_no_shipped_board(tmp_path: Path) -> None:
    """It is nothing that could be compared."""
    assert shipped_board_of(tmp_path) is None
