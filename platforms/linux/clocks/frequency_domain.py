"""Cores that share one clock, as the kernel's cpufreq policies tell. Frequencies in Hz.

The kernel counts in kHz; what is read and written is converted here, once.
"""

import re
from pathlib import Path

from platforms.linux.clocks.clock_domain import ClockKnobs, DomainReading
from platforms.linux.clocks.cooling_devices import find_cooling_device
from platforms.linux.errors import Unreadable
from platforms.linux.files.cpu_list import parse_cpu_list
from platforms.linux.files.kernel_file import KernelFile, read_together

_FOLDER = "/sys/devices/system/cpu/cpufreq"


_KNOBS = ClockKnobs(
    governor="scaling_governor",
    speed="scaling_setspeed",
    lowest="scaling_min_freq",
    highest="scaling_max_freq",
    hz=1000,
)


class FrequencyDomain:
    """One cpufreq policy. `path` is its folder as on the machine's own root.

    `cores` are all of it, plugged in or not; `freqs_hz` its operating points, ascending: those that
    the driver lists, else only the lowest and the highest.
    """

    def __init__(self, root: Path, name: str, index: int) -> None:
        folder = root / _FOLDER.lstrip("/") / name
        self.path = f"{_FOLDER}/{name}"
        self.knobs = _KNOBS
        self.cores = _cores(folder)
        self.freqs_hz = _freqs_hz(folder)
        self.governors = tuple(_words(folder / "scaling_available_governors"))
        self.cooling = find_cooling_device(root, self.cores, index, self.freqs_hz)
        shown = ("governor", "cur_freq", "min_freq", "max_freq")
        self._files = [KernelFile(folder / f"scaling_{name}") for name in shown]
        self._raw: list[bytes] = []
        self._reading = DomainReading(0, 0, 0, "")

    def read(self) -> DomainReading:
        """Return how it is now; raises Unreadable, as while all its cores are unplugged."""
        raw = read_together(self._files)
        if raw != self._raw:
            self._raw, self._reading = raw, self._parsed(raw)
        return self._reading

    def _parsed(self, raw: list[bytes]) -> DomainReading:
        try:
            freq_hz, min_hz, max_hz = [int(text) * 1000 for text in raw[1:]]
        except ValueError:
            self.close()
            raise Unreadable(
                f"{self.path} must show frequencies in kHz (got {tuple(raw)})"
            ) from None
        return DomainReading(freq_hz, min_hz, max_hz, raw[0].decode(errors="replace").strip())

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()
        if self.cooling is not None:
            self.cooling.close()


def find_domains(root: Path) -> tuple[FrequencyDomain, ...]:
    """Return the machine's frequency domains by their first core; none where there is no cpufreq.

    A policy whose cores or frequencies cannot be read is left out.
    """
    names = [path.name for path in (root / _FOLDER.lstrip("/")).glob("policy*")]
    domains: list[FrequencyDomain] = []
    for index, name in enumerate(sorted(names, key=lambda name: int(re.sub(r"\D", "", name)))):
        try:
            domains.append(FrequencyDomain(root, name, index))
        except Unreadable:
            continue
    return tuple(sorted(domains, key=lambda domain: domain.cores))


def _cores(folder: Path) -> tuple[int, ...]:
    return parse_cpu_list(",".join(_words(folder / "related_cpus")))


def _freqs_hz(folder: Path) -> tuple[int, ...]:
    listed = [*_words_or_none(folder / "scaling_available_frequencies")]
    listed += _words_or_none(folder / "scaling_boost_frequencies")
    if not listed:
        listed = [*_words(folder / "cpuinfo_min_freq"), *_words(folder / "cpuinfo_max_freq")]
    return tuple(sorted({int(freq_khz) * 1000 for freq_khz in listed}))


def _words(path: Path) -> list[str]:
    file = KernelFile(path)
    try:
        return file.read_text().split()
    finally:
        file.close()


def _words_or_none(path: Path) -> list[str]:
    try:
        return _words(path)
    except Unreadable:
        return []
