"""The cpufreq policies: which governors they have, whether they can be written."""

import os
from collections.abc import Iterator
from pathlib import Path

from platforms.linux.clocks.frequency_policies import governors, listed_hz, policy_folders
from platforms.linux.files.maybe_file import numbers_at, text_at
from rm.doctor.finding import Finding, degraded, missing, ok
from rm.doctor.subject import Machine

_KNOBS = {"setspeed": "scaling_setspeed", "cap": "scaling_max_freq"}


def examine_frequencies(machine: Machine) -> Iterator[Finding]:
    """Whether there are policies, then each of them."""
    folders = policy_folders(machine.root)
    if not folders:
        yield missing(
            "cpufreq",
            "no policy",
            "no frequency can be set: a virtual machine, or a cpufreq driver that is not loaded",
            "boot the board's own kernel, or load its driver (cpufreq-dt, scmi-cpufreq ...)",
        )
        return
    for folder in folders:
        yield _policy(folder, machine.settings.actuator)
        yield from _schedutil(folder)


def _policy(folder: Path, actuator: str) -> Finding:
    name = f"cpufreq {folder.name}"
    if not numbers_at(folder / "affected_cpus"):
        return missing(
            name,
            "all its cores are offline",
            "ilgov does not start without all of the board's clusters",
            "echo 1 > /sys/devices/system/cpu/cpuN/online",
        )
    offered, present = governors(folder), text_at(folder / "scaling_governor") or "unknown"
    if actuator == "setspeed" and "userspace" not in offered:
        return missing(
            name,
            f"no userspace governor (has: {', '.join(offered) or 'none'})",
            "actuator 'setspeed' cannot work",
            "modprobe cpufreq_userspace, or actuator = 'cap' in the configuration",
        )
    knob = folder / _KNOBS[actuator]
    if not os.access(knob, os.W_OK):
        return missing(
            name,
            f"{knob.name} cannot be written",
            "no frequency can be set",
            "run as root, with /sys mounted read-write (containers have it read-only)",
        )
    listed = listed_hz(folder)
    if not listed:
        return degraded(
            name,
            f"lists no frequencies (governor {present})",
            "operating points come from the board file alone and cannot be compared",
            "another cpufreq driver, if there is one",
        )
    span = f"{listed[0] / 1e6:g} to {listed[-1] / 1e6:g} MHz"
    return ok(name, f"{len(listed)} frequencies, {span}, governor {present}")


def _schedutil(folder: Path) -> Iterator[Finding]:
    if "schedutil" not in governors(folder):
        yield degraded(
            f"cpufreq {folder.name}",
            "no schedutil governor",
            "without ilgov the kernel has no energy-aware scheduling on this machine; ilgov itself "
            "does not need it",
        )
