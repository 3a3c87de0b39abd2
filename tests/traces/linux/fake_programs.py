"""Programs of a fake root, and a plan that runs them."""

import msgspec

from platforms.board import Board
from platforms.linux.counters.counters import Count
from platforms.linux.managed import ProcessKey
from tests.platforms.linux.living_board import LivingBoard
from traces.linux.machine import Steered
from traces.linux.programs import Program
from traces.plan import Conduct, Plan, PlannedScenario
from traces.schema import board_digest

PROGRAMS = {name: Program(name=name, argv=(f"/usr/bin/{name}",)) for name in ("adi", "lu", "syr2k")}
INSTRUCTIONS = 5e8


class FakeStarted:
    """A process of the fake root."""

    def __init__(self, living: LivingBoard, pid: int) -> None:
        self._living = living
        self.pid = pid
        self.key = ProcessKey(pid, living.root.processes[pid].start_ticks)
        self.how: str | None = None
        self.pauses: list[bool] = []

    def ended(self) -> str | None:
        """As the test says."""
        return self.how

    def pause(self, paused: bool) -> None:
        """Note it."""
        self.pauses.append(paused)

    def stop(self) -> None:
        """End it."""
        if self.pid in self._living.root.processes:
            self._living.die(self.pid)


class FakePrograms:
    """Starts processes on a living board; `started` are all that ever were, by name."""

    def __init__(self, living: LivingBoard) -> None:
        self._living = living
        self.started: list[tuple[str, FakeStarted]] = []

    def start(self, program: Program) -> FakeStarted:
        """One more process, busy and counted."""
        pid = 100 + 10 * len(self.started)
        self._living.root.add_process(pid, name=program.name)
        self._living.clock.process_cpu[pid] = 1.0
        self._living.counters.counts[pid] = Count(1.0, 1.0, INSTRUCTIONS)
        started = FakeStarted(self._living, pid)
        self.started.append((program.name, started))
        return started

    def pids(self) -> list[int]:
        """Of those that have not ended."""
        return [one.pid for _, one in self.started if one.pid in self._living.root.processes]


def machine_of(living: LivingBoard) -> Steered:
    """The living board as a recorder has it."""
    return Steered(living.board, living.clusters, living.seating, living.table, living.managed)


def plan_for(board: Board, *, scenarios: int = 1, conduct: Conduct | None = None) -> Plan:
    """`adi` on core 0 or 5 among others on all the other cores but core 4, at four points."""
    background = ("lu", "syr2k", "lu", "lu", "syr2k")
    planned = tuple(
        PlannedScenario(number, "adi", background, (1, 2, 3, 6, 7), number)
        for number in range(scenarios)
    )
    return Plan(
        board=board.name,
        board_sha256=board_digest(board),
        applications_sha256="",
        cooling="fan",
        seed=0,
        window_s=2.0,
        variation=0.0,
        diversity=0.0,
        grid=((0, 0), (3, 4), (6, 8)),
        scenarios=planned,
        conduct=conduct or Conduct(settle_s=3.0),
    )


def again(plan: Plan, conduct: Conduct) -> Plan:
    """The plan with another way of making its runs."""
    return msgspec.structs.replace(plan, conduct=conduct)
