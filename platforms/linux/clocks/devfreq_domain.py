"""The clock of a device beside the cores, as the devfreq class shows it: a GPU, an NPU."""

from collections.abc import Iterable
from pathlib import Path

from platforms.board import Accelerator
from platforms.linux.clocks.clock_domain import ClockKnobs, DomainReading
from platforms.linux.clocks.cooling_devices import find_devfreq_cooling
from platforms.linux.errors import Unreadable
from platforms.linux.files.kernel_file import KernelFile
from platforms.linux.files.maybe_file import folders_at, numbers_at, text_at
from platforms.linux.probe.devfreq import kind_of

_FOLDER = "/sys/class/devfreq"
_KNOBS = ClockKnobs(
    governor="governor",
    speed="userspace/set_freq",
    lowest="min_freq",
    highest="max_freq",
    hz=1,
    speed_comes=True,
)


class DevfreqDomain:
    """One device of the class. `path` is its folder as on the machine's own root.

    `names` are all that the kernel calls it: the folder, its file ``name``, the device itself.
    """

    def __init__(self, root: Path, name: str) -> None:
        folder = root / _FOLDER.lstrip("/") / name
        self.path = f"{_FOLDER}/{name}"
        self.knobs = _KNOBS
        self.names = _names(folder)
        self.freqs_hz = tuple(sorted(set(numbers_at(folder / "available_frequencies"))))
        self.governors = tuple((text_at(folder / "available_governors") or "").split())
        self.cooling = find_devfreq_cooling(root, self.names, self.freqs_hz)
        # The target does not wake a device that sleeps; what it has is as good while it works.
        target = folder / "target_freq"
        self._freq = KernelFile(target if target.exists() else folder / "cur_freq")
        self._min = KernelFile(folder / "min_freq")
        self._max = KernelFile(folder / "max_freq")
        self._governor = KernelFile(folder / "governor")
        self._speed = KernelFile(folder / _KNOBS.speed)

    def read(self) -> DomainReading:
        """Return how it is now; raises Unreadable, as where its driver has gone."""
        governor = self._governor.read_text()
        freq_hz = self._freq.read_int()
        limits_hz = self._min.read_int(), self._max.read_int()
        set_hz = self._set_hz() if governor == "userspace" else None
        return DomainReading(freq_hz, *limits_hz, governor, set_hz)

    def _set_hz(self) -> int:
        """What the governor userspace was told; 0 where it was told nothing."""
        try:
            return self._speed.read_int()
        except Unreadable:
            return 0

    def close(self) -> None:
        """Close the files."""
        for file in (self._freq, self._min, self._max, self._governor, self._speed):
            file.close()
        if self.cooling is not None:
            self.cooling.close()


def find_devfreq_domains(root: Path) -> tuple[DevfreqDomain, ...]:
    """All devices of the class that have operating points."""
    names = [folder.name for folder in folders_at(root / _FOLDER.lstrip("/"), "*")]
    domains = [DevfreqDomain(root, name) for name in names]
    return tuple(domain for domain in domains if domain.freqs_hz)


def domain_for(accelerator: Accelerator, domains: Iterable[DevfreqDomain]) -> DevfreqDomain | None:
    """The clock of an accelerator: the one with its name, else the only one of its kind.

    None where there is none, or where it has not the frequencies that the board file gives.
    """
    fitting = [d for d in domains if set(accelerator.freqs_hz) <= set(d.freqs_hz)]
    named = [domain for domain in fitting if accelerator.name in domain.names]
    alike = [d for d in fitting if kind_of(" ".join(d.names)) == accelerator.kind]
    for found in (named, alike):
        if len(found) == 1:
            return found[0]
    return None


def _names(folder: Path) -> tuple[str, ...]:
    device = folder / "device"
    shown = (folder.name, text_at(folder / "name"), device.resolve().name)
    return tuple(dict.fromkeys(name for name in shown if name and name != "device"))
