"""The probe: what a machine shows becomes a board, and what it does not show is said."""

from pathlib import Path

import pytest

from platforms.board import SOURCE_KINDS, Board
from platforms.board_file import load_board, parse_board, shipped_boards
from platforms.linux.board_text import board_text
from platforms.linux.probe import Probe, assumptions, probe
from tests.platforms.linux.described_machine import (
    describe_opps,
    fake_board,
    hide,
    set_cells,
    set_strings,
)
from tests.platforms.linux.fake_cpufreq import FakeCluster
from tests.platforms.linux.fake_root import FakeRoot

POLICY4 = "/sys/devices/system/cpu/cpufreq/policy4"
DEBUGFS = ("sys/kernel/debug/opp", "sys/kernel/debug/energy_model")


def board_of(root: FakeRoot) -> Board:
    """The probed board, which there must be."""
    found = probe(root.path)
    assert found.problems == ()
    assert found.board is not None
    return found.board


def gap_about(found: Probe, what: str) -> str:
    """What is used in place of something that was not seen."""
    (gap,) = [gap for gap in found.gaps if gap.what == what]
    return gap.instead


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


def test_sensors_of_the_rk3588_see_the_cores_that_their_names_say(tmp_path: Path) -> None:
    """``bigcore2`` is the cluster of the third big core."""
    shipped, found = load_board("rk3588"), board_of(fake_board(tmp_path, "rk3588"))
    assert [sensor.weights for sensor in shipped.sensors] == [s.weights for s in found.sensors]


@pytest.mark.parametrize("name", shipped_boards())
def test_the_probed_board_is_a_board_file(tmp_path: Path, name: str) -> None:
    """Its text passes every check and reads back as it was, each value with a source."""
    found = board_of(fake_board(tmp_path, name))
    assert found == parse_board(board_text(found), origin="probed")
    for cluster in found.clusters:
        for source in cluster.sources.values():
            assert source.partition(":")[0] in SOURCE_KINDS


def test_what_is_seen_is_not_called_assumed(tmp_path: Path) -> None:
    """With debugfs and a device tree the essentials are all there."""
    sources = board_of(FakeRoot(tmp_path)).clusters[1].sources
    assert "measured: cpufreq policy4, scaling_available_frequencies" == sources["opps.freq_hz"]
    assert "measured: operating points in debugfs, u_volt_target" == sources["opps.volt_v"]
    assert "derived: energy model in debugfs + leakage at 65 degC" == sources["opps.core_busy_w"]
    assert "device tree: compatible of the core's node" == sources["core_type"]


def test_power_is_the_energy_models_with_leakage(tmp_path: Path) -> None:
    """400 uW/MHz/V^2 at 2362 MHz and 1.05 V, and 0.114 W/V^3."""
    top = board_of(FakeRoot(tmp_path)).clusters[1].opps[-1]
    assert 400 * 2362 * 1.05**2 * 1e-6 + 0.114 * 1.05**3 == pytest.approx(top.core_busy_w, rel=1e-5)


def test_an_old_kernels_energy_model_is_in_milliwatts(tmp_path: Path) -> None:
    """The unit changed with Linux 6.0."""
    new, old = FakeRoot(tmp_path / "new"), FakeRoot(tmp_path / "old")
    old.write("/proc/sys/kernel/osrelease", "5.10.0-arm64")
    for state in (old.path / "sys/kernel/debug/energy_model").glob("*/ps:*/power"):
        state.write_text(str(int(state.read_text()) / 1000).partition(".")[0])
    expected = board_of(new).clusters[1].opps[-1].core_busy_w
    assert expected == pytest.approx(board_of(old).clusters[1].opps[-1].core_busy_w, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "text"), [("units", "bogoWatts"), ("flags", "0x0"), ("flags", "0x5")]
)
def test_an_energy_model_without_a_unit_is_not_power(tmp_path: Path, name: str, text: str) -> None:
    """Abstract or artificial: then the device tree's coefficient counts."""
    root = FakeRoot(tmp_path)
    for core in (0, 4):
        root.write(f"/sys/kernel/debug/energy_model/cpu{core}/{name}", text)
    source = board_of(root).clusters[0].sources["opps.core_busy_w"]
    assert source.startswith("derived: dynamic-power-coefficient 100 x MHz x V^2 uW")


def test_without_debugfs_the_device_trees_voltages_count(tmp_path: Path) -> None:
    """As for a user who is not root."""
    root = FakeRoot(tmp_path)
    hide(root, *DEBUGFS)
    volts = {freq * 1000: 0.6 + freq / 1e7 for freq in root.clusters[1].freqs_khz}
    describe_opps(root, 4, volts, phandle=77)
    big = board_of(root).clusters[1]
    assert "device tree: opp-microvolt" == big.sources["opps.volt_v"]
    assert [round(volt_v, 4) for volt_v in volts.values()] == [opp.volt_v for opp in big.opps]


def test_voltages_can_be_computed_from_the_energy_model(tmp_path: Path) -> None:
    """The kernel made its power from coefficient, frequency and voltage."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/kernel/debug/opp")
    shipped, found = load_board("hikey970"), board_of(root)
    for ours, theirs in zip(found.clusters, shipped.clusters, strict=True):
        assert ours.sources["opps.volt_v"].startswith("derived: energy model")
        for a, b in zip(ours.opps, theirs.opps, strict=True):
            assert b.volt_v == pytest.approx(a.volt_v, abs=1e-3)


def test_voltages_that_nobody_shows_are_assumed_aloud(tmp_path: Path) -> None:
    """A straight line, and it says how to see the true ones."""
    root = FakeRoot(tmp_path)
    hide(root, *DEBUGFS)
    found = probe(root.path)
    assert found.board is not None
    big = found.board.clusters[1]
    assert (0.7, 1.05) == (big.opps[0].volt_v, big.opps[-1].volt_v)
    assert big.sources["opps.volt_v"].startswith("assumed: 0.70 V at the lowest point")
    assert big.sources["opps.core_busy_w"].endswith("at assumed voltages")
    (gap,) = [gap for gap in found.gaps if gap.what == "voltages of policy4"]
    assert "mount -t debugfs none /sys/kernel/debug, and probe as root" == gap.way_out


def test_a_voltage_that_falls_with_frequency_is_raised(tmp_path: Path) -> None:
    """Some tables have such rows; a supply that serves the higher point serves the lower."""
    root = FakeRoot(tmp_path)
    root.write("/sys/kernel/debug/opp/cpu4/opp:2362000000/supply-0/u_volt_target", "900000")
    big = board_of(root).clusters[1]
    assert [0.95, 0.95] == [opp.volt_v for opp in big.opps[-2:]]
    assert big.sources["opps.volt_v"].endswith("raised to the point below where it falls")


def test_power_that_nobody_shows_is_another_chips(tmp_path: Path) -> None:
    """Whose, says the source."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/kernel/debug/energy_model", "sys/firmware/**/dynamic-power-coefficient")
    found = probe(root.path)
    assert (
        "dynamic-power-coefficient 342 as the Kirin 970's cortex-a73, x MHz x V^2 uW"
        == gap_about(found, "power of policy4")
    )


def test_frequencies_that_are_not_listed_come_from_the_counted_times(tmp_path: Path) -> None:
    """The statistics of cpufreq name them too."""
    root = FakeRoot(tmp_path)
    hide(root, f"{POLICY4[1:]}/scaling_available_frequencies")
    big = board_of(root).clusters[1]
    assert "measured: cpufreq policy4, stats/time_in_state" == big.sources["opps.freq_hz"]
    assert load_board("hikey970").clusters[1].freqs_hz == big.freqs_hz


def test_frequencies_that_nobody_shows_are_even_steps(tmp_path: Path) -> None:
    """Over the range that the hardware names."""
    root = FakeRoot(tmp_path)
    hide(root, f"{POLICY4[1:]}/scaling_available_frequencies", f"{POLICY4[1:]}/stats", *DEBUGFS)
    found = probe(root.path)
    assert found.board is not None
    freqs_hz = found.board.clusters[1].freqs_hz
    assert (8, 682_000_000, 2_362_000_000) == (len(freqs_hz), freqs_hz[0], freqs_hz[-1])
    assert "8 even steps over the range that the hardware names" == gap_about(
        found, "frequencies of policy4"
    )


def test_boost_frequencies_are_left_out_aloud(tmp_path: Path) -> None:
    """The governor needs points that are always allowed."""
    root = FakeRoot(tmp_path)
    root.write(f"{POLICY4}/scaling_boost_frequencies", "2500000 2600000")
    found = probe(root.path)
    assert found.board is not None
    assert 2_362_000_000 == found.board.clusters[1].freqs_hz[-1]
    what = "boost frequencies of policy4, 2 up to 2600000000 Hz"
    assert gap_about(found, what).startswith("left out")


def test_a_core_type_comes_from_the_midr_without_a_device_tree(tmp_path: Path) -> None:
    """Boards that boot by ACPI have no tree."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/system/cpu/cpu*/of_node", "sys/firmware")
    big = board_of(root).clusters[1]
    assert "cortex-a73" == big.core_type
    assert "measured: MIDR register, 0x410fd092" == big.sources["core_type"]


def test_a_core_type_comes_from_cpuinfo_where_sysfs_has_no_midr(tmp_path: Path) -> None:
    """Older kernels."""
    root = FakeRoot(tmp_path)
    hide(
        root,
        "sys/devices/system/cpu/cpu*/of_node",
        "sys/firmware",
        "sys/devices/system/cpu/cpu*/regs",
    )
    parts = {core: "0xd03" if core < 4 else "0xd09" for core in root.cores}
    blocks = [
        f"processor\t: {core}\nCPU implementer\t: 0x41\nCPU part\t: {part}"
        for core, part in parts.items()
    ]
    root.write("/proc/cpuinfo", "\n\n".join(blocks))
    assert ["cortex-a53", "cortex-a73"] == [c.core_type for c in board_of(root).clusters]


def test_a_core_type_that_nobody_shows_is_unknown(tmp_path: Path) -> None:
    """Then capacity says which cores are weak."""
    root = FakeRoot(tmp_path)
    hide(
        root,
        "sys/devices/system/cpu/cpu*/of_node",
        "sys/firmware",
        "sys/devices/system/cpu/cpu*/regs",
    )
    found = probe(root.path)
    assert found.board is not None
    assert ["unknown"] * 2 == [c.core_type for c in found.board.clusters]
    assert ["little", "big"] == [c.name for c in found.board.clusters]
    assert (0.037, 0.114) == tuple(c.leakage_w_per_v3 for c in found.board.clusters)
    assert "an unknown core type" in gap_about(found, "type of core 4")


def test_tree_and_register_that_disagree_are_told(tmp_path: Path) -> None:
    """The tree is taken: it is what the board's maker wrote."""
    root = FakeRoot(tmp_path)
    root.write("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "0x00000000410fd042")
    found = probe(root.path)
    what = "type of core 0: the device tree says cortex-a53, the core cortex-a35"
    # 0xd04 is the Cortex-A35
    assert "the device tree's" == gap_about(found, what)


def test_capacities_come_from_the_device_tree_where_sysfs_has_none(tmp_path: Path) -> None:
    """Scaled so that the strongest core at its top is 1024."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/system/cpu/cpu*/cpu_capacity")
    for core in root.cores:
        set_cells(root, f"cpus/cpu@{core:x}", capacity_dmips_mhz=592 if core < 4 else 1024)
    little, big = board_of(root).clusters
    assert 1024 == big.opps[-1].capacity
    assert round(1024 * 592 * 1844 / (1024 * 2362)) == little.opps[-1].capacity
    assert little.sources["opps.capacity"].startswith("derived: capacity-dmips-mhz 592")


def test_without_any_capacity_clusters_are_ranked_by_power(tmp_path: Path) -> None:
    """And that is said."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/system/cpu/cpu*/cpu_capacity", "sys/firmware/**/capacity-dmips-mhz")
    found = probe(root.path)
    assert found.board is not None
    assert {None} == {opp.capacity for c in found.board.clusters for opp in c.opps}
    assert "clusters are compared by their busy power" in gap_about(found, "capacity of the cores")


def test_idle_states_of_the_device_tree_have_both_latencies(tmp_path: Path) -> None:
    """What cpuidle shows is one number only."""
    root = FakeRoot(tmp_path)
    set_cells(
        root,
        "cpus/idle-states/cpu-sleep",
        phandle=90,
        entry_latency_us=40,
        exit_latency_us=70,
        min_residency_us=3000,
    )
    set_cells(root, "cpus/cpu@0", cpu_idle_states=90)
    (state,) = board_of(root).clusters[0].idle_states
    assert ("cpu-sleep", 40e-6, 70e-6, 3e-3) == (
        state.name,
        state.entry_s,
        state.exit_s,
        state.min_residency_s,
    )


def test_idle_states_of_cpuidle_leave_waiting_out(tmp_path: Path) -> None:
    """WFI is no sleep."""
    (state,) = board_of(FakeRoot(tmp_path)).clusters[0].idle_states
    assert ("cpu-sleep", 0.0, 70e-6, 3e-3) == (
        state.name,
        state.entry_s,
        state.exit_s,
        state.min_residency_s,
    )


def test_cores_that_never_sleep_are_told(tmp_path: Path) -> None:
    """An idle core then costs more."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/system/cpu/cpu*/cpuidle")
    found = probe(root.path)
    assert found.board is not None
    assert () == found.board.clusters[0].idle_states
    assert gap_about(found, "sleep states of core 0").startswith("none")


def test_a_cache_without_a_size_is_assumed(tmp_path: Path) -> None:
    """Many device trees leave it out."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/system/cpu/cpu*/cache/index2/size")
    found = probe(root.path)
    assert found.board is not None
    assert [512 * 1024, 1024 * 1024] == [c.l2_bytes for c in found.board.clusters]
    assert "1024 KiB, as the RK3399's clusters have" == gap_about(
        found, "size of the L2 cache of core 4"
    )


def test_caches_come_from_the_device_tree_where_sysfs_has_none(tmp_path: Path) -> None:
    """Each core with a cache of its own shares it with nobody."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/system/cpu/cpu*/cache")
    for core in (4, 5, 6, 7):
        set_cells(root, f"l2-cache-{core}", phandle=40 + core, cache_size=0x20000)
        set_cells(root, f"cpus/cpu@{core:x}", next_level_cache=40 + core)
    big = board_of(root).clusters[1]
    assert (131_072, False) == (big.l2_bytes, big.l2_shared)
    assert big.sources["l2_bytes"].startswith("device tree: ")


def test_polling_delays_come_from_the_device_tree(tmp_path: Path) -> None:
    """Milliseconds there."""
    root = FakeRoot(tmp_path)
    set_cells(root, "thermal-zones/cls0", polling_delay=2000, polling_delay_passive=25)
    found = board_of(root)
    assert 2.0 == found.sensors[0].period_s
    assert found.protection is not None
    assert 0.025 == found.protection.polling_s


def test_a_zone_that_cools_one_cluster_sees_that_cluster(tmp_path: Path) -> None:
    """The cooling map says more than the name."""
    root = FakeRoot(tmp_path, zones=("soc-thermal", "hot-thermal"))
    hide(root, "sys/devices/virtual/thermal/thermal_zone1/cdev0")
    found = board_of(root)
    assert {"die": 1.0} == found.sensors[0].weights
    assert {f"core{core}": 0.25 for core in (4, 5, 6, 7)} == found.sensors[1].weights
    assert found.sensors[1].sources["weights"].startswith("derived: the zone's cooling map")


def test_cooling_devices_of_old_kernels_are_counted_by_policy(tmp_path: Path) -> None:
    """``thermal-cpufreq-1`` is the second policy's."""
    root = FakeRoot(tmp_path, zones=("hot",), cooling="thermal-cpufreq-{index}")
    hide(root, "sys/devices/virtual/thermal/thermal_zone0/cdev0")
    assert {f"core{core}": 0.25 for core in (4, 5, 6, 7)} == board_of(root).sensors[0].weights


def test_weights_of_the_kernels_cooling_are_taken_over(tmp_path: Path) -> None:
    """The power allocator divides by them."""
    root = FakeRoot(tmp_path)
    root.write("/sys/class/thermal/thermal_zone0/cdev1_weight", "512")
    assert [1024, 512] == [cluster.thermal_weight for cluster in board_of(root).clusters]


def test_a_zone_outside_of_the_chip_is_left_out_aloud(tmp_path: Path) -> None:
    """A battery's temperature says nothing about cores."""
    root = FakeRoot(tmp_path, zones=("cls0", "battery"))
    found = probe(root.path)
    assert found.board is not None
    assert ["cls0"] == [sensor.name for sensor in found.board.sensors]
    assert gap_about(found, "what thermal zone battery measures").startswith("left out")


def test_a_zone_without_passive_trip_gives_no_protection(tmp_path: Path) -> None:
    """Then the kernel does not slow down by itself."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/virtual/thermal/thermal_zone0/trip_point_[01]_*")
    found = probe(root.path)
    assert found.board is not None
    assert found.board.protection is None
    what = "the temperature at which the kernel slows the clusters down"
    assert gap_about(found, what).startswith("no protection")


def test_sustainable_power_that_nobody_shows_is_a_hikeys(tmp_path: Path) -> None:
    """(85 - 35) K over 12.3 K/W."""
    root = FakeRoot(tmp_path)
    hide(root, "sys/devices/virtual/thermal/thermal_zone0/sustainable_power")
    found = board_of(root)
    assert found.protection is not None
    assert round(50 / 12.3, 2) == found.protection.sustainable_w


def test_accelerators_and_memory_come_from_devfreq(tmp_path: Path) -> None:
    """Frequencies; voltages where debugfs has them."""
    root = FakeRoot(tmp_path)
    for freq_hz, microvolts in ((103750000, 550000), (332000000, 650000), (767000000, 950000)):
        at = f"/sys/kernel/debug/opp/e82c0000.gpu/opp:{freq_hz}"
        root.write(f"{at}/supply-0/u_volt_target", str(microvolts))
    root.write("/sys/class/devfreq/fdab0000.npu/available_frequencies", "300000000 1000000000")
    found = board_of(root)
    gpu, npu = found.accelerators
    assert ("gpu", [0.55, 0.65, 0.95]) == (gpu.kind, [opp.volt_v for opp in gpu.opps])
    assert ("npu", [0.8, 0.8]) == (npu.kind, [opp.volt_v for opp in npu.opps])
    assert (415_000_000, 830_000_000, 1_866_000_000) == found.memory.freqs_hz


def test_core_types_without_profiles_get_a_stand_in(tmp_path: Path) -> None:
    """So that applications run on the simulated twin of the board."""
    little, big, _ = board_of(fake_board(tmp_path, "rk3588")).clusters
    assert little.stand_in is not None
    assert ("cortex-a53", round(3.247 / 3.71, 4)) == (
        little.stand_in.core_type,
        little.stand_in.cpi_scale,
    )
    assert big.stand_in is not None
    assert "cortex-a73" == big.stand_in.core_type


def test_a_fan_makes_its_cooling_the_first(tmp_path: Path) -> None:
    """What the machine seems to have comes first."""
    root = FakeRoot(tmp_path)
    assert "passive" == board_of(root).cooling[0].name
    root.write("/sys/devices/virtual/thermal/cooling_device1/type", "pwm-fan")
    assert "fan" == board_of(root).cooling[0].name


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


def test_three_core_types_are_little_big_and_prime(tmp_path: Path) -> None:
    """By capacity, whatever their numbers."""
    clusters = [
        FakeCluster("a", "cortex-a78", (4, 5, 6), (1000000, 2400000), (0.7, 1.0), 850),
        FakeCluster("b", "cortex-x1", (7,), (1000000, 2800000), (0.7, 1.0), 1024),
        FakeCluster("c", "cortex-a55", (0, 1, 2, 3), (500000, 1800000), (0.6, 0.9), 280),
    ]
    found = board_of(FakeRoot(tmp_path, clusters))
    assert ["little", "big", "prime"] == [cluster.name for cluster in found.clusters]
    assert [(0, 1, 2, 3), (4, 5, 6), (7,)] == [cluster.cores for cluster in found.clusters]


def test_one_kind_of_core_makes_numbered_clusters(tmp_path: Path) -> None:
    """There is no big one among equals."""
    clusters = [
        FakeCluster("a", "cortex-a76", (0, 1), (1000000,), (0.7,), 1024),
        FakeCluster("b", "cortex-a76", (2, 3), (1000000,), (0.7,), 1024),
    ]
    found = board_of(FakeRoot(tmp_path, clusters))
    assert ["cluster0", "cluster1"] == [cluster.name for cluster in found.clusters]


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


def test_the_probe_writes_nothing(tmp_path: Path) -> None:
    """Not even a file that is opened for writing changes."""
    root = FakeRoot(tmp_path)
    before = root.snapshot(("sys", "proc"))
    probe(root.path)
    assert before == root.snapshot(("sys", "proc"))
