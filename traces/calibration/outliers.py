"""Why a workload is predicted worse than others: the causes that are known, told by rule."""

from dataclasses import dataclass

from traces.calibration.cluster_study import ClusterStudy
from traces.calibration.speed_study import ProgramStudy

OUTLIER = 3.0
"""A workload whose error is this many times the median workload's is an outlier."""

_HARDLY_BUSY = 0.5
_MEMORY_BOUND = 0.35
_OWN_THREADS = 1.3
_SHARED_CORES = 0.85


@dataclass(frozen=True)
class Workload:
    """What is known of a workload: its instances, busy cores and stall at the highest clock."""

    name: str
    instances: int
    busy_cores: float | None
    stall_share: float | None


def workload_of(study: ClusterStudy, name: str, instances: int) -> Workload:
    """What a study knows of a program with some instances."""
    fits = [
        one
        for one in study.speeds.programs
        if one.program.application == name and one.program.instances == instances
    ]
    stall = _stall(fits[0]) if fits else None
    return Workload(name, instances, study.busy.get((name, instances)), stall)


def _stall(program: ProgramStudy) -> float:
    return program.fit.stall_share(float(program.program.speeds.freq_hz.max()))


def causes(workload: Workload, cores: int) -> list[str]:
    """The known causes of errors that hold for a workload on a cluster of `cores`."""
    found = []
    busy, count = workload.busy_cores, workload.instances
    if workload.name == "idle":
        return ["nothing runs: clock tree, leakage and what is left from the run before"]
    if busy is not None and busy < _HARDLY_BUSY * min(count, cores):
        found.append(
            f"mostly idle ({busy:.2f} cores busy with {count} running): it waits for files or "
            "others, and what its counters show per cycle differs by clock"
        )
    if busy is not None and busy > _OWN_THREADS * count:
        found.append(f"starts threads of its own ({busy:.1f} cores busy with {count} running)")
    if workload.stall_share is not None and workload.stall_share > _MEMORY_BOUND:
        found.append(
            f"memory-bound ({workload.stall_share:.0%} stall at the top): its stall is no "
            "constant, the L2's clock follows the core's, and the memory saturates"
        )
    if count > 1 and busy is not None and busy > _SHARED_CORES * min(count, cores):
        found.append(f"{count} instances share the L2 and the memory, and are not pinned to cores")
    return found


def explanation(workload: Workload, cores: int, *, error: float, usual: float) -> str:
    """The causes of an outlier's error; nothing for a workload that is none."""
    if error < OUTLIER * usual:
        return ""
    return "; ".join(causes(workload, cores)) or "no known cause"
