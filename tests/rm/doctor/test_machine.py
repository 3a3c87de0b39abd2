"""What the doctor says of kernel, frequencies, heat, counters, groups and places."""

import gzip
from pathlib import Path

import pytest

from rm.doctor.counting import examine_counters
from rm.doctor.frequencies import examine_frequencies
from rm.doctor.groups import examine_groups
from rm.doctor.heat import examine_heat
from rm.doctor.kernel import examine_kernel
from rm.doctor.places import examine_places
from rm.doctor.rights import examine_rights, held_capabilities
from rm.doctor.rivalry import examine_rivals
from rm.doctor.software import examine_systemd
from rm.doctor.training import examine_training
from tests.platforms.linux.described_machine import hide
from tests.platforms.linux.fake_root import FakeRoot
from tests.rm.doctor.examined import findings, verdicts, write_configuration

POLICY0 = "/sys/devices/system/cpu/cpufreq/policy0"
OPTIONS = (
    *("CPU_FREQ", "THERMAL", "PROC_FS", "PERF_EVENTS", "HW_PERF_EVENTS", "CPUSETS", "ARM64"),
    *("CPU_FREQ_GOV_SCHEDUTIL", "CPU_FREQ_GOV_USERSPACE"),
)


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970 in good health."""
    return FakeRoot(tmp_path)


def set_options(root: FakeRoot, *missing: str) -> None:
    """The kernel shows its configuration, without these options."""
    lines = [f"CONFIG_{name}=y" for name in OPTIONS if name not in missing]
    lines += [f"# CONFIG_{name} is not set" for name in missing]
    (root.path / "proc/config.gz").write_bytes(gzip.compress("\n".join(lines).encode()))


def test_a_healthy_kernel_is_ok(root: FakeRoot) -> None:
    """With its options shown or not."""
    assert {"kernel": "ok", "kernel options": "ok"} == verdicts(examine_kernel, root)
    set_options(root)
    assert {"kernel": "ok", "kernel options": "ok"} == verdicts(examine_kernel, root)


def test_options_are_found_in_boot_too(root: FakeRoot) -> None:
    """Where Debian has them."""
    root.write("/boot/config-6.12.0-arm64", "CONFIG_THERMAL=y\nCONFIG_PROC_FS=y")
    assert "missing" == verdicts(examine_kernel, root)["kernel options"]


@pytest.mark.parametrize("name", ["CPU_FREQ", "THERMAL"])
def test_an_option_that_ilgov_needs_is_missing(root: FakeRoot, name: str) -> None:
    """Nothing can be done without it."""
    set_options(root, name)
    (finding,) = [f for f in findings(examine_kernel, root) if f.verdict == "missing"]
    assert f"CONFIG_{name} not set" == finding.found


def test_an_option_that_ilgov_wants_is_degraded(root: FakeRoot) -> None:
    """It runs with less, and is told with what."""
    set_options(root, "PERF_EVENTS")
    (finding,) = [f for f in findings(examine_kernel, root) if f.verdict == "degraded"]
    assert "CONFIG_PERF_EVENTS not set" == finding.found
    assert "heartbeats" in finding.means


def test_the_userspace_governor_is_needed_for_setspeed_only(root: FakeRoot) -> None:
    """The other actuator is the way out."""
    set_options(root, "CPU_FREQ_GOV_USERSPACE")
    (finding,) = [f for f in findings(examine_kernel, root) if f.verdict == "missing"]
    assert "actuator = 'cap'" == finding.way_out
    write_configuration(root, 'board = "hikey970"\nactuator = "cap"\n')
    assert "ok" == verdicts(examine_kernel, root)["kernel options"]


def test_an_ancient_kernel_is_degraded(root: FakeRoot) -> None:
    """Nobody has tried."""
    root.write("/proc/sys/kernel/osrelease", "3.18.0")
    assert "degraded" == verdicts(examine_kernel, root)["kernel"]


def test_rights_on_another_root_are_not_judged(root: FakeRoot) -> None:
    """They are this process's, not that machine's."""
    (finding,) = findings(examine_rights, root)
    assert "ok" == finding.verdict
    assert finding.found.startswith("not judged")


def test_capabilities_are_read_from_the_processs_status(root: FakeRoot) -> None:
    """A mask in hexadecimal."""
    root.write("/proc/self/status", "Name:\tilgov\nCapEff:\t0000000000800002\n")
    assert 1 << 23 | 1 << 1 == held_capabilities(root.path)
    hide(root, "proc/self")
    assert held_capabilities(root.path) is None


def test_frequencies_in_good_health(root: FakeRoot) -> None:
    """Both policies."""
    assert {"cpufreq policy0": "ok", "cpufreq policy4": "ok"} == verdicts(examine_frequencies, root)


def test_no_cpufreq_is_missing(root: FakeRoot) -> None:
    """There is nothing to govern."""
    hide(root, "sys/devices/system/cpu/cpufreq")
    (finding,) = findings(examine_frequencies, root)
    assert ("missing", "no policy") == (finding.verdict, finding.found)


def test_a_policy_without_userspace_is_missing_for_setspeed_only(root: FakeRoot) -> None:
    """And the way out is named."""
    root.write(f"{POLICY0}/scaling_available_governors", "performance powersave schedutil")
    (finding,) = [f for f in findings(examine_frequencies, root) if f.verdict == "missing"]
    assert "modprobe cpufreq_userspace" in finding.way_out
    write_configuration(root, 'board = "hikey970"\nactuator = "cap"\n')
    assert "ok" == verdicts(examine_frequencies, root)["cpufreq policy0"]


def test_a_policy_without_schedutil_is_degraded(root: FakeRoot) -> None:
    """The kernel alone then has no energy-aware scheduling."""
    root.write(f"{POLICY0}/scaling_available_governors", "userspace performance")
    assert "degraded" == verdicts(examine_frequencies, root)["cpufreq policy0"]


def test_a_policy_that_lists_no_frequencies_is_degraded(root: FakeRoot) -> None:
    """Nothing can be compared."""
    hide(root, f"{POLICY0[1:]}/scaling_available_frequencies")
    assert "degraded" == verdicts(examine_frequencies, root)["cpufreq policy0"]


def test_a_policy_whose_cores_are_offline_is_missing(root: FakeRoot) -> None:
    """The daemon needs all clusters when it starts."""
    for core in (4, 5, 6, 7):
        root.unplug(core)
    assert "missing" == verdicts(examine_frequencies, root)["cpufreq policy4"]


def test_heat_in_good_health(root: FakeRoot) -> None:
    """The board's sensor and the kernel's trips."""
    assert {"sensor cls0": "ok", "thermal trips": "ok"} == verdicts(examine_heat, root)


def test_a_machine_without_zones_is_missing_them(tmp_path: Path) -> None:
    """Ilgov must not govern blindly."""
    assert {"thermal zones": "missing"} == verdicts(examine_heat, FakeRoot(tmp_path, zones=()))


def test_a_sensor_that_cannot_be_read_is_missing(root: FakeRoot) -> None:
    """And so is one that says what cannot be."""
    root.set_temp("cls0", None)
    assert "missing" == verdicts(examine_heat, root)["sensor cls0"]
    root.set_temp("cls0", 200.0)
    (finding,) = [f for f in findings(examine_heat, root) if f.verdict == "missing"]
    assert "thermal_zone0 says 200 degC" == finding.found


def test_a_sensor_without_a_zone_is_missing_until_the_configuration_names_it(
    tmp_path: Path,
) -> None:
    """The way out is what to write."""
    root = FakeRoot(tmp_path, zones=("soc-thermal",))
    (finding,) = [f for f in findings(examine_heat, root) if f.verdict == "missing"]
    assert "no thermal zone cls0 (there are: soc-thermal)" == finding.found
    assert '[sensors] cls0 = "..."' in finding.way_out
    write_configuration(root, 'board = "hikey970"\n[sensors]\ncls0 = "soc-thermal"\n')
    assert "ok" == verdicts(examine_heat, root)["sensor cls0"]


def test_zones_without_trips_are_degraded(root: FakeRoot) -> None:
    """Nothing but ilgov then protects the chip."""
    hide(root, "sys/devices/virtual/thermal/thermal_zone0/trip_point_*")
    assert "degraded" == verdicts(examine_heat, root)["thermal trips"]


def test_pmus_are_told_with_their_cores(root: FakeRoot) -> None:
    """One for each core type."""
    (pmu, _) = findings(examine_counters, root)
    assert ("ok", "armv8_cortex_a53 on cores 0-3, armv8_cortex_a73 on cores 4-7") == (
        pmu.verdict,
        pmu.found,
    )


def test_cores_without_a_pmu_are_degraded(root: FakeRoot) -> None:
    """Rates then come from elsewhere."""
    hide(root, "sys/bus/event_source/devices/armv8_cortex_a73")
    (pmu, _) = findings(examine_counters, root)
    assert "degraded" == pmu.verdict
    assert pmu.found.endswith("none on cores 4-7")
    assert "heartbeats" in pmu.means


@pytest.mark.parametrize(("level", "expected"), [("-1", "ok"), ("2", "ok"), ("3", "degraded")])
def test_the_paranoid_level_is_judged(root: FakeRoot, level: str, expected: str) -> None:
    """Debian's 3 keeps all but root out."""
    root.write("/proc/sys/kernel/perf_event_paranoid", level)
    assert expected == verdicts(examine_counters, root)["perf_event_paranoid"]


def test_a_kernel_without_perf_events_is_degraded(root: FakeRoot) -> None:
    """It has no such file."""
    hide(root, "proc/sys/kernel/perf_event_paranoid")
    assert "degraded" == verdicts(examine_counters, root)["perf_event_paranoid"]


def test_groups_of_version_2_with_cpuset_are_ok(root: FakeRoot) -> None:
    """As systemd mounts them."""
    assert {"cgroups": "ok"} == verdicts(examine_groups, root)


@pytest.mark.parametrize("name", ["cgroup.controllers", "cgroup.subtree_control"])
def test_groups_without_cpuset_are_degraded(root: FakeRoot, name: str) -> None:
    """Masks place everything then."""
    root.write(f"/sys/fs/cgroup/{name}", "cpu io memory")
    assert {"cgroups": "degraded"} == verdicts(examine_groups, root)


def test_groups_of_version_1_are_degraded(root: FakeRoot) -> None:
    """Old distributions."""
    hide(root, "sys/fs/cgroup/cgroup.controllers")
    assert {"cgroups": "degraded"} == verdicts(examine_groups, root)


def test_what_holds_training_jobs_is_told(root: FakeRoot) -> None:
    """All, some, or nothing of what control groups can do."""
    held = {"training jobs": "ok"}, "held by control groups: cores, time, memory, freezer"
    assert held == training_told(root)
    root.write("/sys/fs/cgroup/cgroup.controllers", "cpuset io memory")
    less = {"training jobs": "degraded"}, "control groups without cpu"
    assert less == training_told(root)
    hide(root, "sys/fs/cgroup/cgroup.controllers")
    masks = {"training jobs": "degraded"}, "no control groups of version 2 with a cpuset"
    assert masks == training_told(root)


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ("enabled = false", []),
        ('enforcement = "none"', ["keep to their grants by themselves, as configured"]),
        (
            'enforcement = "affinity"',
            ["held by masks of their threads and by signals, as configured"],
        ),
    ],
)
def test_what_is_configured_for_training_is_told(
    root: FakeRoot, settings: str, found: list[str]
) -> None:
    """Nothing where there are no jobs."""
    write_configuration(root, f'board = "hikey970"\n[training]\n{settings}\n')
    assert found == [finding.found for finding in findings(examine_training, root)]


def training_told(root: FakeRoot) -> tuple[dict[str, str], str]:
    """Verdict, and what was found."""
    (finding,) = findings(examine_training, root)
    return verdicts(examine_training, root), finding.found


def test_places_that_can_be_made_are_ok(root: FakeRoot) -> None:
    """Nothing is made by looking."""
    assert {"state folder": "ok", "socket": "ok"} == verdicts(examine_places, root)
    assert not (root.path / "var").exists()


def test_a_file_where_the_state_folder_must_be_is_missing(root: FakeRoot) -> None:
    """It cannot be made then."""
    root.write("/var/lib/ilgov", "something else")
    assert "missing" == verdicts(examine_places, root)["state folder"]


def test_a_journal_that_is_left_is_told(root: FakeRoot) -> None:
    """A run ended without restoring, or goes on."""
    root.write("/var/lib/ilgov/undo.jsonl", "{}")
    (finding,) = [f for f in findings(examine_places, root) if f.subject == "undo journal"]
    assert "degraded" == finding.verdict
    assert "ilgov restore" in finding.way_out


def test_a_socket_that_is_another_file_is_missing(root: FakeRoot) -> None:
    """It is never removed by ilgov."""
    root.write("/run/ilgov/socket", "something else")
    assert "missing" == verdicts(examine_places, root)["socket"]


def test_a_kernel_without_a_boot_id_is_missing_it(root: FakeRoot) -> None:
    """A journal of an earlier boot could not be told from this one's."""
    hide(root, "proc/sys/kernel/random")
    assert "missing" == verdicts(examine_places, root)["boot id"]


def test_a_rival_that_runs_is_missing_peace(root: FakeRoot) -> None:
    """With its number, and the way to stop it."""
    assert {"rivals": "ok"} == verdicts(examine_rivals, root)
    root.add_process(300, name="thermald", cgroup="/system.slice/thermald.service")
    (finding,) = findings(examine_rivals, root)
    assert "thermald runs (pid 300, thermald.service)" == finding.found
    assert "stop it: systemctl disable --now thermald.service" == finding.way_out


def test_processes_that_are_hidden_are_told(root: FakeRoot) -> None:
    """A rival may be among them."""
    assert "processes" not in verdicts(examine_rivals, root)
    root.write("/proc/self/mounts", "proc /proc proc rw,nosuid,hidepid=invisible 0 0")
    (finding, _) = findings(examine_rivals, root)
    assert ("processes", "degraded") == (finding.subject, finding.verdict)
    assert "/proc is mounted with hidepid=invisible" == finding.found
    root.write("/proc/self/status", "CapEff:\t000001ffffffffff")
    assert {"processes": "ok", "rivals": "ok"} == verdicts(examine_rivals, root)


def test_an_ilgov_that_runs_already_is_told(root: FakeRoot) -> None:
    """It is what the doctor is asked about; the machine could run it."""
    words = ("/usr/bin/python3", "/usr/bin/ilgov", "run")
    root.add_process(301, name="ilgov", cmdline=words, cgroup="/system.slice/ilgov.service")
    (finding,) = findings(examine_rivals, root)
    assert ("degraded", "ilgov runs already (pid 301)") == (finding.verdict, finding.found)


def test_systemd_is_ok_with_the_unit_installed(root: FakeRoot) -> None:
    """Without either the daemon has nobody who restores after it."""
    assert {"systemd": "degraded"} == verdicts(examine_systemd, root)
    (root.path / "run/systemd/system").mkdir(parents=True)
    assert {"systemd": "degraded"} == verdicts(examine_systemd, root)
    root.write("/etc/systemd/system/ilgov.service", "[Unit]")
    assert {"systemd": "ok"} == verdicts(examine_systemd, root)
