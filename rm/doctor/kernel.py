"""The kernel: its version, and the options that it was built with."""

import gzip
from collections.abc import Iterator
from pathlib import Path

from platforms.linux.files.maybe_file import text_at
from platforms.linux.probe.energy_model import kernel_release
from rm.doctor.finding import Finding, degraded, missing, ok
from rm.doctor.subject import Machine

OLDEST = (4, 9)
"""The HiKey 970's vendor kernel; nothing older was ever tried."""

_NEEDED = {
    "CONFIG_CPU_FREQ": "no frequency can be set",
    "CONFIG_THERMAL": "no temperature can be read",
    "CONFIG_PROC_FS": "no process can be seen",
}
_WANTED = {
    "CONFIG_PERF_EVENTS": "nothing counts instructions: rates come from heartbeats and CPU time",
    "CONFIG_HW_PERF_EVENTS": "the cores' own counters are not used",
    "CONFIG_CPUSETS": "applications are placed by affinity masks only",
    "CONFIG_CPU_FREQ_GOV_SCHEDUTIL": "the kernel itself has no energy-aware scheduling",
}
_USERSPACE = "CONFIG_CPU_FREQ_GOV_USERSPACE"
_ONLY_ON_ARM = {"CONFIG_HW_PERF_EVENTS"}


def examine_kernel(machine: Machine) -> Iterator[Finding]:
    """The version, then the options where the kernel shows them."""
    release = text_at(machine.root / "proc/sys/kernel/osrelease") or "unknown"
    version = kernel_release(machine.root)
    if version >= OLDEST:
        yield ok("kernel", f"Linux {release}")
    else:
        wanted = ".".join(map(str, OLDEST))
        means = f"older than {wanted}, or unknown: nobody has tried ilgov on it"
        yield degraded("kernel", f"Linux {release}", means, f"use Linux {wanted} or newer")
    options = kernel_options(machine.root, release)
    if options is None:
        yield ok("kernel options", "the kernel shows none; judged by what is there")
    else:
        yield from _judged(options, setspeed=machine.settings.actuator == "setspeed")


def kernel_options(root: Path, release: str) -> dict[str, str] | None:
    """The options that are set, ``y`` or ``m``; None where the kernel does not show them."""
    text = _unpacked(root / "proc/config.gz") or text_at(root / f"boot/config-{release}")
    if text is None:
        return None
    pairs = (line.partition("=") for line in text.splitlines() if line.startswith("CONFIG_"))
    return {name: value for name, _, value in pairs if value in {"y", "m"}}


def _unpacked(path: Path) -> str | None:
    try:
        return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    except (OSError, EOFError):
        return None


def _judged(options: dict[str, str], *, setspeed: bool) -> Iterator[Finding]:
    needed = _NEEDED | ({_USERSPACE: "actuator 'setspeed' cannot work"} if setspeed else {})
    lacking = {name: means for name, means in needed.items() if name not in options}
    if lacking:
        found, means = " and ".join(lacking), "; ".join(lacking.values())
        way_out = "a kernel with them" if set(lacking) != {_USERSPACE} else "actuator = 'cap'"
        yield missing("kernel options", f"{found} not set", means, way_out)
    is_arm = "CONFIG_ARM64" in options or "CONFIG_ARM" in options
    skipped = set() if is_arm else _ONLY_ON_ARM
    unwanted = {n: m for n, m in _WANTED.items() if n not in options and n not in skipped}
    for name, means in unwanted.items():
        yield degraded("kernel options", f"{name} not set", means, "a kernel with it")
    if not lacking and not unwanted:
        yield ok("kernel options", f"all {len(needed) + len(_WANTED) - len(skipped)} are set")
