"""The registers of the emulated board: frequencies that the kernel programmed, temperatures.

Two stock drivers keep all their state in a few memory-mapped words. The last MiB of the first GiB
of the guest's memory is given to them, and that memory is a file on the host, so both sides can
read what was programmed and say what the sensors show:

- ``qcom-cpufreq-hw``, one domain a cluster: reads its table of frequencies, writes an index.
- ``bcm2711_thermal``, one word a sensor: 10 bits of 0.2 K steps with two bits that say "valid".

Only the standard library is imported: the guest's programs use this as well.
"""

import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

RAM_BASE = 0x4000_0000
RAM_BYTES = 1 << 30
"""The memory of a guest that asks for no more."""

AREA_BYTES = 1 << 20
AREA_OFFSET = RAM_BYTES - AREA_BYTES
AREA_BASE = RAM_BASE + AREA_OFFSET
GUEST_MEMORY = Path("/dev/mem")

CRYSTAL_HZ = 24_000_000
"""Frequencies are whole multiples of it."""

DOMAIN_BYTES = 0x1000
SENSOR_BYTES = 0x1000
_ENABLE, _TABLE, _ROW_BYTES, _CHOSEN = 0x000, 0x110, 32, 0x920
_FROM_PLL, _CORES_IN_ROW = 1 << 30, 4 << 16
_MULTIPLE, _MILLIVOLT = 0xFF, 0xFFF

_FIRST_SENSOR, _READING = 0x10000, 0x200
_VALID, _STEPS = (1 << 16) | (1 << 10), 0x3FF
STEP_MILLI_C = 200
HIGHEST_MILLI_C = _STEPS * STEP_MILLI_C


def domain_address(domain: int) -> int:
    """Where a frequency domain's registers lie in the guest's address space."""
    return AREA_BASE + domain * DOMAIN_BYTES


def sensor_address(sensor: int) -> int:
    """Where a sensor's registers lie in the guest's address space."""
    return AREA_BASE + _FIRST_SENSOR + sensor * SENSOR_BYTES


def initial_words(
    tables: Sequence[Sequence[tuple[int, float]]], sensors: int, start_c: float
) -> dict[int, int]:
    """What stands in the area before the guest starts, by offset in it.

    `tables` holds per domain the operating points (Hz, V), lowest first. The driver takes a row
    that is there twice for the table's end.
    """
    words: dict[int, int] = {}
    for domain, table in enumerate(tables):
        start = domain * DOMAIN_BYTES
        words[start + _ENABLE] = 1
        for row, (freq_hz, volt_v) in enumerate([*table, table[-1]]):
            at = start + _TABLE + row * _ROW_BYTES
            words[at] = _FROM_PLL | _CORES_IN_ROW | freq_hz // CRYSTAL_HZ
            words[at + 4] = round(volt_v * 1000)
    for sensor in range(sensors):
        words[_sensor_word(sensor)] = _encoded(start_c)
    return words


def write_memory(path: Path, words: Mapping[int, int], ram_bytes: int = RAM_BYTES) -> None:
    """Make the file that will be the guest's memory; `ram_bytes` are at least RAM_BYTES."""
    path.unlink(missing_ok=True)
    with path.open("wb") as memory:
        memory.truncate(ram_bytes)
        for offset, word in words.items():
            memory.seek(AREA_OFFSET + offset)
            memory.write(word.to_bytes(4, "little"))


def _sensor_word(sensor: int) -> int:
    return _FIRST_SENSOR + sensor * SENSOR_BYTES + _READING


def _encoded(temp_c: float | None) -> int:
    if temp_c is None:
        return 0
    return _VALID | max(0, min(_STEPS, round(temp_c * 1000 / STEP_MILLI_C)))


class Registers:
    """The area, mapped: from the host through the memory's file, in the guest by ``/dev/mem``.

    Every access is one aligned word, so nobody sees one half written.
    """

    def __init__(self, memory: Path = GUEST_MEMORY) -> None:
        """Map it; OSError where that is not allowed or no guest runs."""
        offset = AREA_OFFSET + (RAM_BASE if memory == GUEST_MEMORY else 0)
        descriptor = os.open(memory, os.O_RDWR | os.O_SYNC)
        try:
            self._map = mmap.mmap(descriptor, AREA_BYTES, offset=offset)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map).cast("I")

    @property
    def domains(self) -> int:
        """Number of frequency domains."""
        count = 0
        while self._words[(count * DOMAIN_BYTES + _ENABLE) // 4] & 1:
            count += 1
        return count

    def chosen(self, domain: int) -> int:
        """The index of the operating point that the kernel has programmed."""
        return self._words[(domain * DOMAIN_BYTES + _CHOSEN) // 4]

    def freq_hz(self, domain: int) -> int:
        """The frequency that the kernel has programmed."""
        row = (domain * DOMAIN_BYTES + _TABLE + self.chosen(domain) * _ROW_BYTES) // 4
        return (self._words[row] & _MULTIPLE) * CRYSTAL_HZ

    def show(self, sensor: int, temp_c: float | None) -> None:
        """Let a sensor show a temperature (None: fail, reading it gives EIO)."""
        self._words[_sensor_word(sensor) // 4] = _encoded(temp_c)

    def shown_c(self, sensor: int) -> float | None:
        """What a sensor shows; None where it fails."""
        word = self._words[_sensor_word(sensor) // 4]
        if word & _VALID != _VALID:
            return None
        return (word & _STEPS) * STEP_MILLI_C / 1000
