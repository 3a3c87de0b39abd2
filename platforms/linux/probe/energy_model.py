"""The kernel's energy model of a cluster: power per operating point, from debugfs (root only)."""

import re
from pathlib import Path

from platforms.linux.files.maybe_file import folders_at, number_at, text_at

_WHERE = "sys/kernel/debug/energy_model"
_IN_WATTS, _ARTIFICIAL = 1, 4
"""Bits of a domain's ``flags``."""


def modelled_power_w(root: Path, cores: tuple[int, ...]) -> dict[int, float]:
    """Dynamic power of one core by frequency (Hz), W; empty where there is none or has no unit."""
    for core in cores:
        domain = root / _WHERE / f"cpu{core}"
        watts = _unit_w(root, domain)
        states = folders_at(domain, "[pc]s:*")
        if watts is not None and states:
            pairs = [(number_at(s / "frequency"), number_at(s / "power")) for s in states]
            return {khz * 1000: power * watts for khz, power in pairs if khz and power}
    return {}


def _unit_w(root: Path, domain: Path) -> float | None:
    """What a 1 means in W: a microwatt since Linux 6.0, a milliwatt before, None: nothing."""
    units, flags = text_at(domain / "units"), number_at(domain / "flags")
    if units is not None and units.lower() != "milliwatts":
        return None
    if flags is not None and (not flags & _IN_WATTS or flags & _ARTIFICIAL):
        return None
    return 1e-6 if kernel_release(root) >= (6, 0) else 1e-3


def kernel_release(root: Path) -> tuple[int, int]:
    """The kernel's version, (6, 12) of ``6.12.43+deb13-arm64``; (0, 0) where it is not shown."""
    found = re.match(r"(\d+)\.(\d+)", text_at(root / "proc/sys/kernel/osrelease") or "")
    return (int(found[1]), int(found[2])) if found else (0, 0)
