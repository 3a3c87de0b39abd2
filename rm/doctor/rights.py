"""What this process may do: the daemon runs as root, with the capabilities that it needs."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from platforms.linux.files.maybe_file import text_at
from rm.doctor.finding import Finding, degraded, missing, ok
from rm.doctor.subject import Machine

_BITS = {"CAP_DAC_OVERRIDE": 1, "CAP_SYS_PTRACE": 19, "CAP_SYS_NICE": 23, "CAP_PERFMON": 38}
_SYS_ADMIN = 21
_MEANS = {
    "CAP_SYS_NICE": "other users' applications cannot be placed",
    "CAP_PERFMON": "other users' applications cannot be counted",
    "CAP_SYS_PTRACE": "rules by executable do not match other users' applications",
    "CAP_DAC_OVERRIDE": "files of other users cannot be written; only root's knobs are needed",
}


def examine_rights(machine: Machine) -> Iterator[Finding]:
    """Whether this is root, and which capabilities it has."""
    if not machine.is_this:
        yield ok("rights", f"not judged: {machine.root} is another root")
    elif os.geteuid() != 0:
        yield missing(
            "rights",
            f"this is user {os.geteuid()}, not root",
            "the daemon writes files of the kernel that only root may write; what only root can "
            "see is not judged here either",
            "sudo ilgov doctor",
        )
    else:
        yield _capabilities(machine.root)


def _capabilities(root: Path) -> Finding:
    held = held_capabilities(root)
    if held is None:
        return ok("rights", "root; the kernel does not show capabilities")
    lacking = [name for name, bit in _BITS.items() if not held >> bit & 1]
    if "CAP_PERFMON" in lacking and held >> _SYS_ADMIN & 1:
        lacking.remove("CAP_PERFMON")
    if not lacking:
        return ok("rights", "root, with all capabilities that ilgov uses")
    return degraded(
        "rights",
        f"root, without {', '.join(lacking)}",
        "; ".join(_MEANS[name] for name in lacking),
        "start it from a shell or unit that keeps them ('ilgov unit' prints one)",
    )


def held_capabilities(root: Path) -> int | None:
    """This process's effective capabilities as a bit mask, None where they are not shown."""
    status = text_at(root / "proc/self/status") or ""
    found = re.search(r"^CapEff:\s*([0-9a-fA-F]+)", status, re.MULTILINE)
    return int(found[1], 16) if found else None


def sees_all_processes(root: Path) -> bool:
    """Whether nothing in ``/proc`` is hidden from this process, however it is mounted."""
    held = held_capabilities(root)
    return held is not None and bool(held >> _BITS["CAP_SYS_PTRACE"] & 1)
