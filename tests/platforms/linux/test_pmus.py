"""Tests of finding the cores' PMUs and their events."""

from pathlib import Path

import pytest

from platforms.linux.counters.perf_event import Event
from platforms.linux.counters.pmus import (
    CYCLES,
    INSTRUCTIONS,
    L2D,
    event_code,
    find_pmus,
    uncovered_cores,
)
from tests.platforms.linux.fake_root import FakeRoot

DEVICES = "/sys/bus/event_source/devices"


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A board with a PMU for each of its two core types."""
    return FakeRoot(tmp_path / "root")


def test_every_core_type_has_a_pmu_with_its_cores(root: FakeRoot) -> None:
    """Events belong to one of them, by its type number."""
    little, big = find_pmus(root.path)
    assert ("armv8_cortex_a53", frozenset({0, 1, 2, 3})) == (little.name, little.cores)
    assert ("armv8_cortex_a73", frozenset({4, 5, 6, 7})) == (big.name, big.cores)
    assert {INSTRUCTIONS: Event(9, 0x08), CYCLES: Event(9, 0x11), L2D: Event(9, 0x16)} == big.events
    assert frozenset() == uncovered_cores(root.path, (little, big))


def test_cores_without_a_pmu_are_named(root: FakeRoot) -> None:
    """A device tree may describe one of two; the other's cores would seem to do nothing."""
    assert frozenset({0, 1, 2, 3}) == uncovered_cores(root.path, find_pmus(root.path)[1:])


def test_events_are_taken_from_the_driver_s_list(root: FakeRoot) -> None:
    """What is not listed is not implemented."""
    device = f"{DEVICES}/armv8_cortex_a53"
    root.write(f"{device}/format/event", "config:0-15")
    root.write(f"{device}/events/inst_retired", "event=0x0008")
    root.write(f"{device}/events/cpu_cycles", "event=0x0011")
    assert {INSTRUCTIONS: Event(8, 0x08), CYCLES: Event(8, 0x11)} == find_pmus(root.path)[0].events


def test_a_pc_has_one_pmu_for_all_cores(root: FakeRoot) -> None:
    """It says no cores, and its codes are its own."""
    root.write(f"{DEVICES}/cpu/type", "4")
    root.write(f"{DEVICES}/cpu/format/event", "config:0-7")
    root.write(f"{DEVICES}/cpu/events/instructions", "event=0xc0")
    pmu = next(pmu for pmu in find_pmus(root.path) if pmu.name == "cpu")
    assert (frozenset(range(8)), {INSTRUCTIONS: Event(4, 0xC0)}) == (pmu.cores, pmu.events)


@pytest.mark.parametrize("name", ["software", "arm_dsu_0", "armv8_pmuv3_uncore"])
def test_what_does_not_count_on_cores_is_no_pmu_of_theirs(root: FakeRoot, name: str) -> None:
    """The shared cache has one, the kernel's software events are one."""
    root.write(f"{DEVICES}/{name}/type", "20")
    root.write(f"{DEVICES}/{name}/cpumask", "0")
    assert name not in {pmu.name for pmu in find_pmus(root.path)}


@pytest.mark.parametrize("text", ["", "x", "-1"])
def test_a_pmu_without_a_number_is_passed_over(root: FakeRoot, text: str) -> None:
    """Nothing could be opened on it."""
    path = root.path / f"{DEVICES}/armv8_cortex_a53/type".lstrip("/")
    path.write_text(text)
    assert ["armv8_cortex_a73"] == [pmu.name for pmu in find_pmus(root.path)]


def test_a_machine_without_pmus_has_none(tmp_path: Path) -> None:
    """Most virtual machines."""
    assert () == find_pmus(tmp_path)


@pytest.mark.parametrize(
    ("code", "terms", "formats"),
    [
        (0x11, "event=0x11", {"event": "config:0-15"}),
        (0x1_0011, "event=0x11,edge", {"event": "config:0-7", "edge": "config:16"}),
        (0x3, "event=3", {"event": "config:0-7,32-35"}),
        (None, "event=0x11,ldlat=3", {"event": "config:0-7", "ldlat": "config1:0-15"}),
        (None, "event=0x11", {}),
    ],
)
def test_an_event_s_code_is_put_together_as_its_driver_says(
    code: int | None, terms: str, formats: dict[str, str]
) -> None:
    """What needs more than one number cannot be opened here."""
    assert code == event_code(terms, formats)
