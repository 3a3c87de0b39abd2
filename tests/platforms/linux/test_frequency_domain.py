"""Tests of reading the clocks."""

from pathlib import Path

import pytest

from platforms.linux.clocks.frequency_domain import DomainReading, find_domains
from platforms.linux.errors import Unreadable
from tests.platforms.linux.fake_files import replace
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import BIG


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970."""
    return FakeRoot(tmp_path)


def test_every_policy_is_a_domain(root: FakeRoot) -> None:
    """With its cores, and its frequencies in Hz."""
    little, big = find_domains(root.path)
    assert ((0, 1, 2, 3), (4, 5, 6, 7)) == (little.cores, big.cores)
    assert 509_000_000 == little.freqs_hz[0]
    assert 2_362_000_000 == big.freqs_hz[-1]
    assert list(big.freqs_hz) == sorted(big.freqs_hz)
    assert BIG == big.path


def test_a_machine_without_cpufreq_has_none(tmp_path: Path) -> None:
    """As virtual machines are."""
    assert () == find_domains(tmp_path)


def test_policies_are_ordered_by_number_not_by_name(tmp_path: Path) -> None:
    """policy10 comes after policy4."""
    root = FakeRoot(tmp_path)
    (root.path / BIG.lstrip("/")).rename(root.path / BIG.lstrip("/").replace("4", "10"))
    assert ["policy0", "policy10"] == [d.path.rpartition("/")[2] for d in find_domains(root.path)]


def test_cores_that_are_unplugged_belong_to_it(root: FakeRoot) -> None:
    """They come back."""
    root.unplug(5)
    assert (4, 5, 6, 7) == find_domains(root.path)[1].cores


def test_without_a_list_the_lowest_and_the_highest_are_known(root: FakeRoot) -> None:
    """Drivers such as cppc_cpufreq list none."""
    (root.path / f"{BIG.lstrip('/')}/scaling_available_frequencies").unlink()
    assert (682_000_000, 2_362_000_000) == find_domains(root.path)[1].freqs_hz


def test_boost_frequencies_count(root: FakeRoot) -> None:
    """The kernel lists them apart."""
    replace(root.path / f"{BIG.lstrip('/')}/scaling_boost_frequencies", "2500000")
    assert 2_500_000_000 == find_domains(root.path)[1].freqs_hz[-1]


def test_a_reading_is_what_the_kernel_says_now(root: FakeRoot) -> None:
    """Clock, limits and governor."""
    big = find_domains(root.path)[1]
    expected = DomainReading(682_000_000, 682_000_000, 2_362_000_000, "schedutil")
    assert expected == big.read()
    root.write(f"{BIG}/scaling_governor", "performance")
    root.cap(4, 1_018_000)
    expected = DomainReading(1_018_000_000, 682_000_000, 1_018_000_000, "performance")
    assert expected == big.read()


def test_without_cores_it_is_unreadable_and_comes_back(root: FakeRoot) -> None:
    """An expected event."""
    big = find_domains(root.path)[1]
    big.read()
    for core in range(4, 8):
        root.unplug(core)
    with pytest.raises(Unreadable):
        big.read()
    root.plug(4)
    assert "schedutil" == big.read().governor
