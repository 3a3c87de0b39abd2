"""The probe as a whole: what a machine shows becomes a board that can be governed."""

from pathlib import Path

import pytest

from platforms.application_file import find_applications
from platforms.board import SOURCE_KINDS
from platforms.board_file import load_board, parse_board, shipped_boards
from platforms.checker import check_platform
from platforms.linux.clocks.frequency_domain import find_domains
from platforms.linux.clocks.steered_clusters import actuators_for
from platforms.linux.probe.board_text import board_text
from platforms.linux.probe.probe import assumptions, probe
from tests.platforms.linux.described_machine import (
    board_of,
    fake_board,
    set_strings,
)
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.programs import job, simulated

PARSEC = find_applications(["parsec"])


@pytest.mark.parametrize("name", shipped_boards())
def test_a_machine_built_from_a_board_file_gives_its_clusters_back(
    tmp_path: Path, name: str
) -> None:
    """Names, core types, cores, frequencies and voltages."""
    shipped, found = load_board(name), board_of(fake_board(tmp_path, name))
    assert [
        (c.name, c.core_type, c.cores, c.freqs_hz, [opp.volt_v for opp in c.opps])
        for c in shipped.clusters
    ] == [
        (c.name, c.core_type, c.cores, c.freqs_hz, [opp.volt_v for opp in c.opps])
        for c in found.clusters
    ]
    assert shipped.clusters_by_capacity == found.clusters_by_capacity


@pytest.mark.parametrize("name", shipped_boards())
def test_a_machine_built_from_a_board_file_gives_its_sensors_back(
    tmp_path: Path, name: str
) -> None:
    """And the kernel's protection, from the zone's trips."""
    shipped, found = load_board(name), board_of(fake_board(tmp_path, name))
    assert [sensor.name for sensor in shipped.sensors] == [s.name for s in found.sensors]
    assert found.protection is not None
    assert (65.0, 85.0, 1.0, 4.0) == (
        found.protection.switch_on_c,
        found.protection.target_c,
        found.protection.hysteresis_k,
        found.protection.sustainable_w,
    )


@pytest.mark.parametrize("name", shipped_boards())
def test_the_probed_board_is_a_board_file(tmp_path: Path, name: str) -> None:
    """Its text passes every check and reads back as it was, each value with a source."""
    found = board_of(fake_board(tmp_path, name))
    assert found == parse_board(board_text(found), origin="probed")
    for cluster in found.clusters:
        for source in cluster.sources.values():
            assert source.partition(":")[0] in SOURCE_KINDS


def test_everything_assumed_is_listed(tmp_path: Path) -> None:
    """By its key in the file, with the reason."""
    listed = dict(assumptions(board_of(FakeRoot(tmp_path))))
    assert "as the HiKey 970's cortex-a73" == listed["clusters.big.leakage_w_per_v3"]
    assert "clusters.big.opps.freq_hz" not in listed
    assert "rest_of_board.power_w" in listed


def test_the_boards_name_is_the_models_or_as_given(tmp_path: Path) -> None:
    """Fit for a file name."""
    root = FakeRoot(tmp_path)
    set_strings(root, ".", model="Radxa ROCK 5B")
    assert "radxa-rock-5b" == board_of(root).name
    named = probe(root.path, name="mine").board
    assert named is not None
    assert "mine" == named.name


def test_a_machine_without_cpufreq_can_be_no_board(tmp_path: Path) -> None:
    """Virtual machines, most containers."""
    found = probe(tmp_path)
    assert found.board is None
    (problem,) = found.problems
    assert problem.startswith("this machine must have cpufreq policies (found none")


def test_a_machine_without_a_thermal_zone_can_be_no_board(tmp_path: Path) -> None:
    """Without a temperature ilgov must not govern."""
    found = probe(FakeRoot(tmp_path, zones=()).path)
    assert found.board is None
    (problem,) = found.problems
    assert problem.startswith("this machine must have a thermal zone")


def test_a_cluster_that_is_offline_makes_the_board_incomplete(tmp_path: Path) -> None:
    """Nobody shows its frequencies; bringing it online helps."""
    root = FakeRoot(tmp_path)
    for core in (4, 5, 6, 7):
        root.unplug(core)
    found = probe(root.path)
    assert found.board is None
    (problem,) = found.problems
    assert "every core must belong to an active cpufreq policy (not so: [4, 5, 6, 7])" in problem


def test_single_cores_that_are_offline_belong_to_their_cluster(tmp_path: Path) -> None:
    """The policy knows them."""
    root = FakeRoot(tmp_path)
    root.unplug(3)
    root.unplug(5)
    assert [(0, 1, 2, 3), (4, 5, 6, 7)] == [cluster.cores for cluster in board_of(root).clusters]


@pytest.mark.parametrize("name", shipped_boards())
@pytest.mark.parametrize("actuator", ["setspeed", "cap"])
def test_the_governor_can_steer_what_was_probed(tmp_path: Path, name: str, actuator: str) -> None:
    """Its clusters are the machine's clocks."""
    root = fake_board(tmp_path, name)
    board = board_of(root)
    assert len(board.clusters) == len(actuators_for(board, find_domains(root.path), actuator))


@pytest.mark.parametrize("name", shipped_boards())
def test_the_probed_board_can_be_simulated(tmp_path: Path, name: str) -> None:
    """Its twin keeps the contract of a platform, with every core busy."""
    board = board_of(fake_board(tmp_path, name))
    jobs = [job(number, PARSEC[0]) for number in range(board.core_count)]
    twin = simulated(*jobs, board=board, cooling="heatsink")
    check_platform(twin, twin.clock)
    twin.advance_to(30.0)
    for reading in twin.observe().temperatures:
        assert 25.0 <= reading.temp_c < 110.0


def test_the_probe_writes_nothing(tmp_path: Path) -> None:
    """Not even a file that is opened for writing changes."""
    root = FakeRoot(tmp_path)
    before = root.snapshot(("sys", "proc"))
    probe(root.path)
    assert before == root.snapshot(("sys", "proc"))
