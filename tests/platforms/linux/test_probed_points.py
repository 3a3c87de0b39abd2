"""Operating points: frequencies, voltages, power, each from the best source that there is."""

from pathlib import Path

import pytest

from platforms.board_file import load_board
from platforms.linux.probe.probe import probe
from tests.platforms.linux.described_machine import (
    DEBUGFS,
    board_of,
    describe_opps,
    gap_about,
    hide,
)
from tests.platforms.linux.fake_root import FakeRoot

POLICY4 = "/sys/devices/system/cpu/cpufreq/policy4"


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


def test_a_voltage_that_cannot_be_is_not_believed(tmp_path: Path) -> None:
    """Drivers without a supply say nonsense; then the next source counts."""
    root = FakeRoot(tmp_path)
    root.write("/sys/kernel/debug/opp/cpu4/opp:2362000000/supply-0/u_volt_target", "5000000")
    assert board_of(root).clusters[1].sources["opps.volt_v"].startswith("derived: energy model")


def test_voltages_by_bin_of_silicon_are_told(tmp_path: Path) -> None:
    """Nobody but debugfs knows which bin this chip is."""
    root = FakeRoot(tmp_path)
    hide(root, *DEBUGFS)
    describe_opps(
        root, 4, dict.fromkeys(load_board("hikey970").clusters[1].freqs_hz, 0.9), phandle=7
    )
    for point in (root.path / "sys/firmware/devicetree/base/opp-table-7").glob("opp-*"):
        (point / "opp-microvolt").rename(point / "opp-microvolt-L0")
    source = board_of(root).clusters[1].sources["opps.volt_v"]
    assert "device tree: opp-microvolt, the first of several bins of silicon" == source


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
