"""What the doctor says of configuration, board file and policy."""

from pathlib import Path

import pytest

from rm.doctor.described import examine_board, examine_configuration, examine_policy
from rm.doctor.software import examine_software
from tests.platforms.linux.fake_root import FakeRoot
from tests.rm.doctor.examined import findings, verdicts, write_configuration


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970 in good health."""
    return FakeRoot(tmp_path)


def test_a_machine_without_a_configuration_is_judged_by_the_defaults(root: FakeRoot) -> None:
    """And for the shipped board that it seems to be."""
    assert {"configuration": "missing"} == verdicts(examine_configuration, root)
    (finding,) = findings(examine_board, root)
    assert "ok" == finding.verdict
    assert finding.found.startswith("hikey970 (found among the shipped ones)")


def test_a_good_configuration_is_ok(root: FakeRoot) -> None:
    """With its path."""
    path = write_configuration(root, 'board = "hikey970"\n')
    (finding,) = findings(examine_configuration, root)
    assert ("ok", str(path)) == (finding.verdict, finding.found)


def test_every_mistake_of_a_configuration_is_a_line(root: FakeRoot) -> None:
    """All at once."""
    write_configuration(root, 'board = "hikey970"\nactuator = "turbo"\ndvfs_period_s = -1\n')
    found = findings(examine_configuration, root)
    assert ["missing", "missing"] == [finding.verdict for finding in found]
    assert "actuator must be" in found[0].found + found[1].found


def test_the_board_file_of_another_machine_is_missing(root: FakeRoot) -> None:
    """With what differs."""
    write_configuration(root, 'board = "rk3588"\n')
    found = findings(examine_board, root)
    assert {"missing"} == {finding.verdict for finding in found if finding.verdict != "degraded"}
    assert any("clusters must have the cores" in finding.found for finding in found)


def test_a_machine_that_is_no_shipped_board_is_told_to_probe(tmp_path: Path) -> None:
    """That writes a board file for it."""
    root = FakeRoot(tmp_path)
    folder = "/sys/devices/system/cpu/cpufreq/policy4"
    root.write(f"{folder}/scaling_available_frequencies", "600000 1200000")
    (finding,) = findings(examine_board, root)
    assert "missing" == finding.verdict
    assert "ilgov board probe" in finding.way_out
    assert {"policy": "degraded"} == verdicts(examine_policy, root)


def test_frequencies_that_the_board_file_leaves_out_are_told(root: FakeRoot) -> None:
    """They are never asked for."""
    folder = "/sys/devices/system/cpu/cpufreq/policy4"
    listed = root.read(f"{folder}/scaling_available_frequencies")
    root.write(f"{folder}/scaling_available_frequencies", f"{listed} 2500000")
    write_configuration(root, 'board = "hikey970"\n')
    assert {"board": "degraded"} == verdicts(examine_board, root)


def test_the_shipped_policy_of_the_board_is_usable(root: FakeRoot) -> None:
    """Its network is opened as the daemon would."""
    (finding,) = findings(examine_policy, root)
    assert "ok" == finding.verdict
    assert "ilgov for hikey970" in finding.found


def test_a_policy_without_a_network_is_usable(root: FakeRoot) -> None:
    """It needs none."""
    write_configuration(root, 'board = "hikey970"\npolicy = "eas-schedutil"\n')
    (finding,) = findings(examine_policy, root)
    assert "eas-schedutil for hikey970, without a network" == finding.found


def test_a_policy_file_that_is_garbage_is_missing(root: FakeRoot) -> None:
    """With the loader's own words."""
    root.write("/etc/ilgov/policy.onnx", "garbage")
    text = 'board = "hikey970"\npolicy_file = "/etc/ilgov/policy.onnx"\n'
    write_configuration(root, text)
    (finding,) = findings(examine_policy, root)
    assert "missing" == finding.verdict
    assert "policy.onnx" in finding.found


def test_python_and_libraries_are_told_with_their_versions(root: FakeRoot) -> None:
    """Metrics need a library only where they are served."""
    found = verdicts(examine_software, root)
    assert "ok" == found["python"]
    assert "ok" == found["onnxruntime"]
    assert "prometheus_client" not in found
    write_configuration(root, 'board = "hikey970"\n[metrics]\nlisten = "localhost:9100"\n')
    assert "prometheus_client" in verdicts(examine_software, root)
