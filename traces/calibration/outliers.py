"""Why a workload is predicted worse than others: the causes that are known, told by rule."""

from dataclasses import dataclass

import numpy as np

from traces.calibration.cluster_study import ClusterStudy
from traces.calibration.speed_study import ProgramStudy

OUTLIER = 3.0
"""A workload whose error is this many times the median workload's is an outlier."""

_HARDLY_BUSY = 0.5
_MEMORY_BOUND = 0.35
_FALLING = 0.8
_SHARES_MEMORY = 0.1
_OWN_THREADS = 1.3
_SHARED_CORES = 0.85
_ALWAYS = 0.8


@dataclass(frozen=True)
class Workload:
    """What is known of a workload, None where it is not.

    Its instances, busy cores, stall at the highest clock, and whether its cycles per instruction
    fall where the clock rises.
    """

    name: str
    instances: int
    busy_cores: float | None = None
    stall_share: float | None = None
    cycles_fall: bool = False


def workload_of(study: ClusterStudy, name: str, instances: int) -> Workload:
    """What a study knows of a program with some instances."""
    busy = study.busy.get((name, instances))
    for one in study.speeds.programs:
        if one.program.application == name and one.program.instances == instances:
            top_hz = float(one.program.speeds.freq_hz.max())
            return Workload(name, instances, busy, one.fit.stall_share(top_hz), _cycles_fall(one))
    return Workload(name, instances, busy)


def _cycles_fall(program: ProgramStudy) -> bool:
    """Whether cycles per instruction fall clearly from some clock to a higher one."""
    speeds = program.program.speeds
    cycles = speeds.s_per_instruction * speeds.freq_hz
    return bool((cycles < _FALLING * np.maximum.accumulate(cycles)).any())


def causes(workload: Workload, cores: int) -> list[str]:
    """The known causes of errors that hold for a workload on a cluster of `cores`."""
    if workload.name == "idle":
        return ["nothing runs: clock tree, leakage, and what is left of the run before"]
    found = []
    busy, count = workload.busy_cores, workload.instances
    if busy is not None and busy < _HARDLY_BUSY * min(count, cores):
        found.append(f"mostly idle ({busy:.2f} cores busy with {count} running)")
    if busy is not None and busy > _OWN_THREADS * count:
        found.append(f"has threads of its own ({busy:.1f} cores busy with {count} running)")
    if workload.cycles_fall:
        found.append(
            "cycles per instruction fall where the clock rises, which no stall does: a run of "
            "fixed length sees other parts of the program at each clock"
        )
    elif workload.stall_share is not None and workload.stall_share > _MEMORY_BOUND:
        found.append(
            f"memory-bound ({workload.stall_share:.0%} stall at the top): the memory keeps up with "
            "slow clocks and saturates at fast ones, so that its stall is no constant"
        )
    shares = workload.stall_share is None or workload.stall_share > _SHARES_MEMORY
    crowded = busy is not None and busy > _SHARED_CORES * min(count, cores)
    if count > 1 and crowded and shares:
        found.append(f"{count} instances share the L2 and the memory, unpinned")
    return found


def explanation(
    workload: Workload,
    cores: int,
    *,
    error: float,
    usual: float,
    at_lowest: bool = False,
    bias: float = 0.0,
) -> str:
    """The causes of an outlier's error; nothing for a workload that is none.

    `at_lowest` says that the error is that at the lowest clock, `bias` is the mean error of power.
    """
    if error < OUTLIER * usual:
        return ""
    found = causes(workload, cores)
    if abs(bias) > _ALWAYS * error:
        more = "more" if bias < 0 else "less"
        found.insert(
            0, f"draws {more} than its counters say at all clocks: no event tells its kind of work"
        )
    if at_lowest:
        found.append("the lowest clock: caches and memory are fast against the core there")
    return "; ".join(found) or "no known cause"
