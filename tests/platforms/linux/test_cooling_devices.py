"""Tests of the kernel's own hand on the clocks."""

from pathlib import Path

import pytest

from platforms.linux.clocks.cooling_devices import find_cooling_device
from platforms.linux.clocks.frequency_domain import find_domains
from tests.platforms.linux.fake_root import FakeRoot

NAMES = pytest.mark.parametrize("cooling", ["cpufreq-cpu{core}", "thermal-cpufreq-{index}"])


@NAMES
def test_each_domain_has_its_own(tmp_path: Path, cooling: str) -> None:
    """By the names of kernels old and new."""
    root = FakeRoot(tmp_path, cooling=cooling)
    root.cap(4, 1_018_000)
    little, big = find_domains(root.path)
    assert little.cooling is not None
    assert big.cooling is not None
    assert 0 == little.cooling.read_state()
    assert 7 == big.cooling.read_state()


def test_the_state_counts_from_the_fastest_on(tmp_path: Path) -> None:
    """It is the index of the highest frequency that is allowed."""
    root = FakeRoot(tmp_path)
    big = find_domains(root.path)[1]
    assert big.cooling is not None
    for freq_hz in big.freqs_hz:
        root.cap(4, freq_hz // 1000)
        assert freq_hz == big.cooling.read_cap_hz()
    root.cap(4, None)
    assert big.freqs_hz[-1] == big.cooling.read_cap_hz()


def test_a_state_that_counts_something_else_tells_no_frequency(tmp_path: Path) -> None:
    """As where the driver has other steps than operating points."""
    root = FakeRoot(tmp_path)
    root.write("/sys/devices/virtual/thermal/cooling_device1/max_state", "3")
    big = find_domains(root.path)[1]
    assert big.cooling is not None
    assert big.freqs_hz[-1] == big.cooling.read_cap_hz()
    root.write("/sys/devices/virtual/thermal/cooling_device1/cur_state", "1")
    assert None is big.cooling.read_cap_hz()


def test_other_devices_are_passed_over(tmp_path: Path) -> None:
    """A fan caps no clock."""
    root = FakeRoot(tmp_path)
    root.write("/sys/devices/virtual/thermal/cooling_device1/type", "pwm-fan")
    assert None is find_cooling_device(root.path, (4, 5, 6, 7), 1, (682_000_000,))
    assert None is find_domains(root.path)[1].cooling
