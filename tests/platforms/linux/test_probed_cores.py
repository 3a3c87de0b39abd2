"""Cores: type, capacity, sleep states, caches, and how clusters are called."""

from pathlib import Path

from platforms.linux.probe.probe import probe
from tests.platforms.linux.described_machine import (
    board_of,
    fake_board,
    gap_about,
    hide,
    set_cells,
)
from tests.platforms.linux.fake_cpufreq import FakeCluster
from tests.platforms.linux.fake_root import FakeRoot


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
