"""Load balancing by capacity: what the scheduler does once a core is over-utilised.

Source: Documentation/scheduler/sched-capacity.rst @254a14200711, section 5.1.3 ("misfit" tasks),
and update_sd_pick_busiest, find_busiest_queue and calculate_imbalance in kernel/sched/fair.c (Linux
5.10 to 6). The kernel balances per domain of its topology, a few tasks every few milliseconds; here
a whole epoch's pulls are made at once, core by core, until nothing is left to pull:

1. An idle core, the strongest first, pulls a task from a core that has several, out of its own
   cluster if there is one there.
2. Else it pulls the largest misfit task, one that does not fit its present core, if the idle core
   is notably stronger. A lone task is never pulled to a weaker core.
3. With no idle core that pulls anything, tasks move from cores with several to others, until tasks
   per capacity are about even.
"""

from collections.abc import Sequence

from rm.policies.energy_model import EnergyModel, fits
from rm.policies.run_queues import Landscape, Task

NOTABLY_STRONGER = 1078 / 1024
"""Capacities that differ by less are the same (capacity_greater): about 5 %."""

IMBALANCE = 1.17
"""Loads per capacity that differ by less are even (imbalance_pct, 117)."""

Move = tuple[int, int]
"""A task's id and the core that it goes to."""


def balanced(model: EnergyModel, landscape: Landscape, capacity: Sequence[float]) -> list[Move]:
    """The moves that spread the tasks; `capacity` is what each core can give now."""
    return _Balancer(model, landscape, capacity).moves()


class _Balancer:
    """The tasks and the number of threads per core, as moves are made."""

    def __init__(self, model: EnergyModel, landscape: Landscape, capacity: Sequence[float]) -> None:
        self._domain = model.domain_of_core
        self._capacity = capacity
        self._tasks = {task.id: task for task in landscape.tasks}
        self._core_of = {task.id: task.core for task in landscape.tasks}
        self._threads = list(landscape.core_threads)

    def moves(self) -> list[Move]:
        """All moves, one for each task that ends on another core than it began on."""
        while self._idle_pull() or self._evening_move():
            pass
        ends = self._core_of.items()
        return [(task, core) for task, core in ends if core != self._tasks[task].core]

    def _move(self, task: int, core: int) -> None:
        self._threads[self._core_of[task]] -= 1
        self._threads[core] += 1
        self._core_of[task] = core

    def _idle_pull(self) -> bool:
        """Let one idle core pull a task; False where none finds any."""
        idle = [core for core, threads in enumerate(self._threads) if threads == 0]
        for core in sorted(idle, key=lambda core: -self._capacity[core]):
            task = self._waiting(core)
            if task is None:
                task = self._misfit(core)
            if task is not None:
                self._move(task, core)
                return True
        return False

    def _waiting(self, idle: int) -> int | None:
        """The latest task of the most crowded core, of the idle one's own cluster first."""
        domain = self._domain
        crowded = [task for task, core in self._core_of.items() if self._threads[core] > 1]

        def urgency(task: int) -> tuple[bool, float, int]:
            core = self._core_of[task]
            return domain[core] == domain[idle], self._load(core), task

        return max(crowded, key=urgency, default=None)

    def _misfit(self, idle: int) -> int | None:
        """The largest task that is too large for its core and would have a stronger one here."""
        here = self._capacity[idle]
        misfits = [
            self._tasks[task]
            for task, core in self._core_of.items()
            if not fits(self._tasks[task].util, self._capacity[core])
            and here > NOTABLY_STRONGER * self._capacity[core]
        ]
        largest: Task | None = max(misfits, key=lambda task: (task.util, -task.id), default=None)
        return None if largest is None else largest.id

    def _evening_move(self) -> bool:
        """Move a task from where tasks per capacity are most to where they stay least."""
        crowded = [task for task, core in self._core_of.items() if self._threads[core] > 1]
        if not crowded:
            return False
        task = max(crowded, key=lambda task: (self._load(self._core_of[task]), task))
        cores = range(len(self._threads))
        target = min(cores, key=lambda core: (self._load(core, more=1), core))
        if self._load(self._core_of[task]) <= IMBALANCE * self._load(target, more=1):
            return False
        self._move(task, target)
        return True

    def _load(self, core: int, *, more: int = 0) -> float:
        """Threads per capacity, with so many more of them."""
        return (self._threads[core] + more) / self._capacity[core]
