"""What the probe asks of a cpufreq policy beyond what the governor needs."""

from pathlib import Path

from platforms.linux.files.maybe_file import folders_at, number_at, numbers_at, text_at
from platforms.linux.probe.fact import Fact, unseen
from platforms.linux.probe.typical_values import DVFS_LATENCY_S

_ETERNAL_NS = (1 << 32) - 1
"""CPUFREQ_ETERNAL: the driver does not know."""


def policy_folders(root: Path) -> tuple[Path, ...]:
    """The folders of all cpufreq policies, by their first core."""
    return folders_at(root / "sys/devices/system/cpu/cpufreq", "policy*")


def listed_hz(folder: Path) -> tuple[int, ...]:
    """The frequencies that the driver lists, lowest first; none where it lists none."""
    return _sorted_hz(numbers_at(folder / "scaling_available_frequencies"))


def boost_hz(folder: Path) -> tuple[int, ...]:
    """The frequencies that need boost to be switched on."""
    return _sorted_hz(numbers_at(folder / "scaling_boost_frequencies"))


def counted_hz(folder: Path) -> tuple[int, ...]:
    """The frequencies in which the driver has counted time (stats/time_in_state)."""
    return _sorted_hz(numbers_at(folder / "stats/time_in_state")[::2])


def range_hz(folder: Path) -> tuple[int, int] | None:
    """The lowest and the highest frequency of the hardware, None where they are not shown."""
    low, high = number_at(folder / "cpuinfo_min_freq"), number_at(folder / "cpuinfo_max_freq")
    return None if not low or not high else (low * 1000, high * 1000)


def governors(folder: Path) -> tuple[str, ...]:
    """The governors that this kernel offers for the policy."""
    return tuple((text_at(folder / "scaling_available_governors") or "").split())


def latency_s(folder: Path, tree_ns: int | None) -> Fact[float]:
    """How long a change of frequency takes; `tree_ns` is the device tree's word."""
    seen_ns = number_at(folder / "cpuinfo_transition_latency")
    if seen_ns and 0 < seen_ns < _ETERNAL_NS:
        return Fact(seen_ns / 1e9, f"measured: cpufreq {folder.name}, cpuinfo_transition_latency")
    if tree_ns:
        return Fact(tree_ns / 1e9, "device tree: clock-latency of the operating points")
    return unseen(
        DVFS_LATENCY_S,
        "300 us, as the HiKey boards",
        what=f"time that {folder.name} needs to change its frequency",
        looked_at="cpuinfo_transition_latency, device tree (clock-latency)",
    )


def _sorted_hz(khz: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted({number * 1000 for number in khz if number > 0}))
