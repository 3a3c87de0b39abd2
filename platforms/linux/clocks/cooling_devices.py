"""The kernel's own hand on the clocks: cooling devices that cap a cpufreq policy.

A device's state counts the operating points that are forbidden, from the fastest on.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from platforms.linux.errors import Unreadable
from platforms.linux.files.kernel_file import KernelFile
from platforms.linux.files.maybe_file import text_at

_OF_CORE = re.compile(r"cpufreq-cpu(\d+)")
"""``cpufreq-cpu4``: named after a core of the policy, Linux 5.12 and later."""

_OF_POLICY = re.compile(r"thermal-cpufreq-(\d+)")
"""``thermal-cpufreq-1``: numbered as the policies were registered, Linux before 5.12."""


_OF_DEVFREQ = re.compile(r"thermal-devfreq-\d+")


class CoolingDevice:
    """A device that caps the policy with these frequencies (ascending)."""

    def __init__(self, folder: Path, freqs_hz: Sequence[int]) -> None:
        self._state = KernelFile(folder / "cur_state")
        self._freqs_hz = tuple(freqs_hz)
        self._counts_points = _number(folder / "max_state") == len(self._freqs_hz) - 1

    def read_state(self) -> int:
        """Return how hard it holds on, 0 for not at all; raises Unreadable."""
        return self._state.read_int()

    def read_cap_hz(self) -> int | None:
        """Return the highest frequency that it allows; None: it holds on, but where is not known.

        Raises Unreadable.
        """
        state = self.read_state()
        if state == 0:
            return self._freqs_hz[-1]
        if not self._counts_points:
            return None
        return self._freqs_hz[max(0, len(self._freqs_hz) - 1 - state)]

    def close(self) -> None:
        """Close the file."""
        self._state.close()


def find_cooling_device(
    root: Path, cores: Sequence[int], policy_index: int, freqs_hz: Sequence[int]
) -> CoolingDevice | None:
    """Return the device that caps the policy of these cores, the `policy_index`-th of the machine.

    None where the kernel's thermal protection does not touch this policy.
    """
    folders = root.glob("sys/class/thermal/cooling_device*")
    for folder in sorted(folders, key=lambda path: int(re.sub(r"\D", "", path.name))):
        if freqs_hz and _caps(folder / "type", cores, policy_index):
            return CoolingDevice(folder, freqs_hz)
    return None


def find_devfreq_cooling(
    root: Path, names: Sequence[str], freqs_hz: Sequence[int]
) -> CoolingDevice | None:
    """Return what caps the devfreq clock of a device with these names; None where nothing does.

    Before Linux 5.12 they are numbered in an order that nothing tells; a single one is taken then.
    """
    folders = sorted(root.glob("sys/class/thermal/cooling_device*"))
    kinds = {folder: text_at(folder / "type") or "" for folder in folders}
    found = [folder for folder in folders if kinds[folder] in {f"devfreq-{n}" for n in names}]
    numbered = [folder for folder in folders if _OF_DEVFREQ.fullmatch(kinds[folder])]
    if not found and len(numbered) == 1:
        found = numbered
    return CoolingDevice(found[0], freqs_hz) if found and freqs_hz else None


def _caps(path: Path, cores: Sequence[int], policy_index: int) -> bool:
    file = KernelFile(path)
    try:
        kind = file.read_text()
    except Unreadable:
        return False
    finally:
        file.close()
    if match := _OF_CORE.fullmatch(kind):
        return int(match[1]) in cores
    match = _OF_POLICY.fullmatch(kind)
    return match is not None and int(match[1]) == policy_index


def _number(path: Path) -> int | None:
    file = KernelFile(path)
    try:
        return file.read_int()
    except Unreadable:
        return None
    finally:
        file.close()
