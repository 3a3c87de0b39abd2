"""The probe and the doctor on the guest's real kernel: do they find the board that the rig built?

    python3 -m tests.rig.guest_probe [BOARD_FILE]

The board file is the one that the guest's device tree was written from (default: rig44). Exit
status 0 when everything agrees, 1 when anything does not; one line per check.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from platforms.board import Board, Cluster
from platforms.board_file import load_board
from platforms.linux.probe.board_match import differences
from platforms.linux.probe.board_text import board_text
from platforms.linux.probe.probe import Probe, probe
from platforms.linux.probe.probe_report import file_head, probe_lines
from platforms.linux.probe.probed_cluster import ProbedCluster
from platforms.linux.thermal_zones import ThermalZones
from rm.daemon.configuration.settings import Configuration
from rm.doctor.counting import examine_counters
from rm.doctor.described import examine_board
from rm.doctor.finding import Finding
from rm.doctor.frequencies import examine_frequencies
from rm.doctor.groups import examine_groups
from rm.doctor.heat import examine_heat
from rm.doctor.kernel import examine_kernel
from rm.doctor.places import examine_places
from rm.doctor.rights import examine_rights
from rm.doctor.rivalry import examine_rivals
from rm.doctor.subject import Machine
from tests.rig.checklist import Checklist
from tests.rig.device_tree import CRITICAL_MILLI_C, power_coefficient
from tests.rig.places import RIG

ROOT = Path("/")
RIG44 = RIG / "boards" / "rig44.toml"
CAPACITY_TOLERANCE = 2
VOLT_TOLERANCE_V = 1e-3
POWER_TOLERANCE = 0.01


def checks_of(built: Board, board_file: Path) -> Checklist:
    """All checks; `built` is the board that the guest was built from, out of `board_file`."""
    found = probe(ROOT)
    checks = Checklist()
    add_cluster_checks(checks, built, found)
    add_heat_checks(checks, built, found)
    add_file_checks(checks, found)
    add_doctor_checks(checks, board_file)
    return checks


def add_cluster_checks(checks: Checklist, built: Board, found: Probe) -> None:
    """Cores, operating points, powers."""

    @checks.add
    def clusters_have_the_cores_of_the_device_tree() -> object:
        seen = [(c.cluster.name, c.cluster.core_type, c.cluster.cores) for c in found.clusters]
        assert seen == [(c.name, c.core_type, c.cores) for c in built.clusters], seen
        return seen

    @checks.add
    def operating_points_are_those_of_the_registers() -> object:
        for probed, cluster in pairs(found, built):
            assert probed.cluster.freqs_hz == cluster.freqs_hz, probed.cluster.freqs_hz
            volts = [opp.volt_v for opp in probed.cluster.opps]
            wanted = [opp.volt_v for opp in cluster.opps]
            apart = max(abs(a - b) for a, b in zip(volts, wanted, strict=True))
            assert apart <= VOLT_TOLERANCE_V, (volts, wanted)
        return [c.cluster.sources["opps.volt_v"] for c in found.clusters]

    @checks.add
    def power_is_that_of_the_coefficients() -> object:
        for probed, cluster in pairs(found, built):
            coefficient = power_coefficient(cluster)
            assert probed.power_coefficient == coefficient, probed.power_coefficient
            for opp in probed.cluster.opps:
                dynamic_w = opp.core_busy_w - probed.cluster.leakage_w_per_v3 * opp.volt_v**3
                wanted_w = coefficient * opp.freq_hz / 1e6 * opp.volt_v**2 * 1e-6
                assert abs(dynamic_w / wanted_w - 1) < POWER_TOLERANCE, (opp, wanted_w)
        return [c.cluster.sources["opps.core_busy_w"] for c in found.clusters]

    @checks.add
    def capacities_rank_the_clusters_as_built() -> object:
        strongest = max(cluster.strength for cluster in built.clusters)
        for probed, cluster in pairs(found, built):
            wanted = 1024 * cluster.strength / strongest
            assert probed.capacity is not None
            assert abs(probed.capacity - wanted) <= CAPACITY_TOLERANCE, (probed.capacity, wanted)
        return [c.capacity for c in found.clusters]

    @checks.add
    def userspace_and_schedutil_are_offered() -> object:
        for probed in found.clusters:
            assert {"userspace", "schedutil"} <= set(probed.governors), probed.governors
        return found.clusters[0].governors


def add_heat_checks(checks: Checklist, built: Board, found: Probe) -> None:
    """Zones, trips, readings."""

    @checks.add
    def sensors_are_the_zones_of_the_device_tree() -> object:
        seen = [probed.sensor.name for probed in found.sensors]
        assert seen == [sensor.name for sensor in built.sensors], seen
        for probed, sensor in zip(found.sensors, built.sensors, strict=True):
            assert probed.sensor.period_s == sensor.period_s, probed.sensor
        return seen

    @checks.add
    def trips_and_protection_are_as_built() -> object:
        for zone in found.zones:
            critical = [trip.temp_c for trip in zone.trips if trip.kind == "critical"]
            assert critical == [CRITICAL_MILLI_C / 1e3], zone
        protection = found.board.protection if found.board else None
        if built.protection is None:
            return protection
        assert protection is not None
        for key in ("sensor", "target_c", "hysteresis_k", "polling_s"):
            seen, wanted = getattr(protection, key), getattr(built.protection, key)
            assert seen == wanted, (key, seen, wanted)
        return protection.target_c

    @checks.add
    def every_sensor_reads_and_none_is_missing() -> object:
        zones = ThermalZones(ROOT, {sensor.name: sensor.name for sensor in built.sensors})
        readings = zones.read(time.monotonic())
        assert zones.missing() == ()
        assert all(reading.age_s == 0 and 0 < reading.temp_c < 150 for reading in readings)
        return [(reading.sensor, reading.temp_c) for reading in readings]

    @checks.add
    def one_cooling_device_a_cluster() -> object:
        kinds = [device.kind for device in found.cooling_devices]
        assert len(kinds) == len(built.clusters), kinds
        return kinds


def add_file_checks(checks: Checklist, found: Probe) -> None:
    """What is written."""

    @checks.add
    def the_written_file_is_the_board_that_was_found() -> object:
        assert found.board is not None, found.problems
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "board.toml"
            path.write_text(board_text(found.board, head=file_head(found)), "utf-8")
            assert load_board(str(path)) == found.board
        assert list(differences(found.board, ROOT)) == []
        return found.board.name

    @checks.add
    def neither_frequencies_nor_voltages_nor_powers_are_assumed() -> object:
        for probed in found.clusters:
            for key in ("core_type", "cores", "opps.freq_hz", "opps.volt_v", "opps.core_busy_w"):
                source = probed.cluster.sources[key]
                assert not source.startswith("assumed"), (key, source)
        return [gap.what for gap in found.gaps]


def add_doctor_checks(checks: Checklist, board_file: Path) -> None:
    """What the doctor says of the machine; the policy is the daemon's own tests' affair."""
    machine = Machine(ROOT, board_file, Configuration(board=str(board_file)), None)

    @checks.add
    def the_doctor_finds_nothing_missing() -> object:
        findings: list[Finding] = []
        for look in (
            examine_kernel,
            examine_rights,
            examine_frequencies,
            examine_heat,
            examine_counters,
            examine_groups,
            examine_board,
            examine_places,
            examine_rivals,
        ):
            findings.extend(look(machine))
        missing = [finding for finding in findings if finding.verdict == "missing"]
        assert missing == [], missing
        return [f"{finding.subject}: {finding.verdict}, {finding.found}" for finding in findings]


def pairs(found: Probe, built: Board) -> list[tuple[ProbedCluster, Cluster]]:
    """What was probed beside what was built, cluster by cluster."""
    return list(zip(found.clusters, built.clusters, strict=True))


def main(words: Sequence[str]) -> int:
    """Check, and tell by the exit status."""
    board_file = Path(words[0]) if words else RIG44
    print("\n".join(probe_lines(probe(ROOT))), flush=True)
    wrong = checks_of(load_board(str(board_file)), board_file).run()
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
