"""The cores' counters: what perf_event_open gives here."""

import resource
from collections.abc import Iterator

from platforms.linux.counters.counters import RESERVED_DESCRIPTORS, open_counters
from platforms.linux.counters.pmus import find_pmus, uncovered_cores
from platforms.linux.files.cpu_list import format_cpu_list
from platforms.linux.files.maybe_file import number_at
from rm.doctor.finding import Finding, degraded, ok
from rm.doctor.subject import Machine

_LESS = (
    "rates come from heartbeats and CPU time; targets in instructions/s cannot be judged; what an "
    "application does to memory is assumed typical"
)
FEW_DESCRIPTORS = 1024


def examine_counters(machine: Machine) -> Iterator[Finding]:
    """PMUs, permission, and whether counters really open."""
    pmus = find_pmus(machine.root)
    uncovered = uncovered_cores(machine.root, pmus)
    names = ", ".join(f"{pmu.name} on cores {format_cpu_list(pmu.cores)}" for pmu in pmus)
    if not pmus or uncovered:
        cores = format_cpu_list(uncovered)
        found = f"{names or 'none'}; none on cores {cores}" if uncovered else "none"
        yield degraded("PMU", found, _LESS, "a pmu node in the device tree for each core type")
    else:
        yield ok("PMU", names)
    if machine.is_this and pmus:
        yield from _opened(machine)
    yield from _paranoid(machine)


def _opened(machine: Machine) -> Iterator[Finding]:
    counters = open_counters(machine.root)
    try:
        if counters.reason is not None:
            yield degraded("counters", counters.reason, _LESS, "run as root, on the board itself")
        elif not counters.counts_l2d:
            means = "what an application does to memory is assumed typical"
            yield degraded("counters", "no accesses to the L2 cache", means)
        else:
            yield ok("counters", "instructions, cycles, accesses to the L2 cache")
    finally:
        counters.close()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < FEW_DESCRIPTORS:
        left = max(0, limit - RESERVED_DESCRIPTORS)
        means = f"{left} are left for counters; applications beyond that go without"
        yield degraded("open files", f"at most {limit}", means, "LimitNOFILE=, or ulimit -n")


def _paranoid(machine: Machine) -> Iterator[Finding]:
    """Root is not asked for it; a daemon with fewer capabilities is."""
    level = number_at(machine.root / "proc/sys/kernel/perf_event_paranoid")
    if level is None:
        means = "a kernel without perf events: " + _LESS
        yield degraded("perf_event_paranoid", "not there", means, "a kernel with them")
    elif level > 2:
        means = "only root, or CAP_PERFMON where the kernel knows it, may count"
        yield degraded("perf_event_paranoid", str(level), means, "run as root, as the unit does")
    else:
        yield ok("perf_event_paranoid", str(level))
