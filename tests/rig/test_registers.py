"""Tests of the emulated board's registers, on a file in place of a guest's memory."""

from pathlib import Path

import pytest

from tests.rig.registers import Registers, initial_words, write_memory

TABLES = [[(408_000_000, 0.8), (600_000_000, 0.9)], [(1_800_000_000, 1.2)]]


@pytest.fixture
def registers(tmp_path: Path) -> Registers:
    """Two domains and two sensors."""
    memory = tmp_path / "memory"
    write_memory(memory, initial_words(TABLES, sensors=2, start_c=40.0))
    return Registers(memory)


def test_a_guest_starts_at_its_lowest_frequencies(registers: Registers) -> None:
    """The kernel has not chosen yet."""
    assert [408_000_000, 1_800_000_000] == [registers.freq_hz(d) for d in range(registers.domains)]


def test_a_sensor_shows_what_it_is_told_in_steps(registers: Registers) -> None:
    """0.2 K a step; the other sensor is left alone."""
    registers.show(1, 61.49)
    assert [40.0, 61.4] == [registers.shown_c(0), registers.shown_c(1)]


def test_a_failing_sensor_shows_nothing(registers: Registers) -> None:
    """Its reading is marked as not valid."""
    registers.show(0, None)
    assert registers.shown_c(0) is None
