"""Energy-aware placement: where a waking task costs least energy, while there is idle time.

Source: Documentation/scheduler/sched-energy.rst @00d6a8a7ee1e, sections 4 and 5, and
find_energy_efficient_cpu and cpu_overutilized in kernel/sched/fair.c of Linux 6.3 and later, which
have no margin any more: any saving moves a task, none keeps it on its previous CPU.
"""

from collections.abc import Sequence

from rm.policies.energy_model import HEADROOM, EnergyModel, PerformanceDomain, fits
from rm.policies.run_queues import Landscape


def overutilised(core_util: Sequence[float], capacity: Sequence[float]) -> bool:
    """Whether any core is used more than 80 % of its capacity: the tipping point."""
    return not all(fits(util, room) for util, room in zip(core_util, capacity, strict=True))


def placements(
    model: EnergyModel, landscape: Landscape, capacity: Sequence[float]
) -> list[tuple[int, int]]:
    """The moves (task, core) that save energy, each task woken once, in order.

    Below the tipping point every core has idle time, so every task sleeps and wakes; each sees
    where those before it went.
    """
    core_util = list(landscape.core_util)
    moves = []
    for task in landscape.tasks:
        core_util[task.core] -= task.util
        core = energy_efficient_core(model, core_util, task.util, task.core, capacity)
        core_util[core] += task.util
        if core != task.core:
            moves.append((task.id, core))
    return moves


def energy_efficient_core(
    model: EnergyModel,
    core_util: Sequence[float],
    task_util: float,
    previous: int,
    capacity: Sequence[float],
    *,
    headroom: float = HEADROOM,
) -> int:
    """The core on which a waking task adds least to the system's energy.

    `core_util` is the landscape without the task, `capacity` what each core can give now. In every
    domain the core with the most spare capacity is tried, and the previous one; one that the task
    would fill beyond 80 % is none. The previous core is kept unless another is cheaper.
    """
    if task_util <= 0.0:
        return previous
    added = {
        core: _added_energy(domain, core_util, task_util, core, capacity[core], headroom)
        for domain in model.domains
        for core in _candidates(domain, core_util, task_util, previous, capacity)
    }
    return min(added, key=lambda core: (added[core], core != previous), default=previous)


def _candidates(
    domain: PerformanceDomain,
    core_util: Sequence[float],
    task_util: float,
    previous: int,
    capacity: Sequence[float],
) -> set[int]:
    """The core of the domain with the most room, and the previous one if it is here and fits."""
    room = {
        core: capacity[core] - core_util[core]
        for core in domain.cores
        if fits(core_util[core] + task_util, capacity[core])
    }
    if not room:
        return set()
    # Ties go to the previous core, then to the one that comes first.
    roomiest = max(room, key=lambda core: (room[core], core == previous, -core))
    return {roomiest, previous} & room.keys()


def _added_energy(
    domain: PerformanceDomain,
    core_util: Sequence[float],
    task_util: float,
    core: int,
    allowed: float,
    headroom: float,
) -> int:
    """What the domain takes with the task on `core` more than without it (compute_energy).

    In whole microwatts, as the kernel reckons: what differs by less is a tie.
    """
    without = [core_util[other] for other in domain.cores]
    with_task = [core_util[other] + task_util * (other == core) for other in domain.cores]
    most = allowed * len(domain.cores)
    before, after = [
        domain.energy(max(utils), min(sum(utils), most), allowed=allowed, headroom=headroom)
        for utils in (without, with_task)
    ]
    return round(1e6 * (after - before))
