"""A scenario on this machine: programs on their cores, clocks as asked, watched all the time."""

from collections.abc import Mapping, Sequence
from types import TracebackType

import msgspec

from platforms.board import Board
from platforms.linux.managed import ManagedProcess, Target
from platforms.platform import Clock, Decision, Observation
from traces.experiment_protocol import APPLICATION_OF_INTEREST, RunSpoiled
from traces.linux.machine import Steered
from traces.linux.programs import Program
from traces.linux.started import Start, Started
from traces.plan import PlannedScenario

STALE_S = 5.0
"""A sensor's value that is older says nothing about a run."""

_ANY_TARGET = Target(1.0, "instructions/s")


class LinuxExperiment:
    """The programs of one scenario, started when it is entered and ended when it is left.

    A program that fails is started anew before the next run. Its place in the scenario, 0 for the
    application of interest, is its number in observations, whichever process it is by now.
    """

    def __init__(
        self,
        machine: Steered,
        scenario: PlannedScenario,
        programs: Mapping[str, Program],
        *,
        start: Start,
        clock: Clock,
        settle_s: float,
        load_s: float,
        first_id: int,
    ) -> None:
        """`settle_s` is how long to settle by default, `load_s` how long programs load before.

        Process ids count on from `first_id`.
        """
        self.clock = clock
        self._machine = machine
        self._names = (scenario.application, *scenario.background)
        self._cores = [-1, *scenario.background_cores]
        self._programs = programs
        self._start = start
        self._settle_s = settle_s
        self._load_s = load_s
        self._running: dict[int, Started] = {}
        self._place_of: dict[int, int] = {}
        self.next_id = first_id
        self._opps = machine.board.board.lowest_opps
        self._loads_until_s = clock.now_s()

    def __enter__(self) -> "LinuxExperiment":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for started in self._running.values():
            started.stop()
        self._running.clear()
        self._machine.managed.clear()

    # --- Platform -------------------------------------------------------------------------------

    @property
    def platform(self) -> "LinuxExperiment":
        """Itself: observations go by places, not by processes."""
        return self

    @property
    def board(self) -> Board:
        """The board's description."""
        return self._machine.board.board

    def observe(self) -> Observation:
        """What the board shows, new threads of the programs put where they belong before."""
        self._keep()
        seen = self._machine.board.observe()
        applications = tuple(
            msgspec.structs.replace(app, id=self._place_of[app.id])
            for app in seen.applications
            if app.id in self._place_of
        )
        return msgspec.structs.replace(seen, applications=applications)

    def apply(self, decision: Decision) -> None:
        """Carry out a decision in places."""
        for move in decision.migrations:
            self._cores[move.application_id] = move.cores[0]
        self._seat()
        if decision.opp_index is not None:
            self.clocks(decision.opp_index)

    # --- Experiment -----------------------------------------------------------------------------

    def set(self, core: int, opps: tuple[int, ...]) -> None:
        """Put the application of interest onto a core, and the clusters at operating points."""
        self._cores[APPLICATION_OF_INTEREST] = core
        self._revive()
        self._seat()
        self.clocks(opps)

    def clocks(self, opps: tuple[int, ...]) -> None:
        """Put the clusters at operating points."""
        self._opps = opps
        refused = self._machine.clusters.set(opps)
        if refused:
            raise RunSpoiled("; ".join(refused))

    def pause(self, paused: bool) -> None:
        """Stop the programs, or let them go on."""
        if not self._running:
            self._revive()
        for started in self._running.values():
            started.pause(paused)

    def settle(self, settle_s: float | None) -> None:
        """Let the time pass, and keep everybody in place meanwhile; longer after a start."""
        begin_s = max(self.clock.now_s(), self._loads_until_s)
        end_s = begin_s + (self._settle_s if settle_s is None else settle_s)
        period_s = self.board.sensors[0].period_s
        while (now_s := self.clock.now_s()) < end_s:
            self.clock.sleep_until(min(now_s + period_s, end_s))
            self.observe()
            self._check_programs()

    def check(self, seen: Sequence[Observation]) -> None:
        """Raise `RunSpoiled` where a program ended or was not measured, or the sensor is stale."""
        self._check_programs()
        for observation in seen:
            measured = {app.id for app in observation.applications}
            for place, name in enumerate(self._names):
                if place not in measured:
                    raise RunSpoiled(f"{name} was not measured; do its counters work?")
            first = observation.temperatures[0] if observation.temperatures else None
            if first is None or first.sensor != self.board.sensors[0].name:
                raise RunSpoiled(f"sensor {self.board.sensors[0].name} shows nothing")
            if first.age_s > STALE_S:
                raise RunSpoiled(f"sensor {first.sensor} shows a value {first.age_s:.0f} s old")

    # --- inside ---------------------------------------------------------------------------------

    def _check_programs(self) -> None:
        for place, started in self._running.items():
            how = started.ended()
            if how is not None:
                raise RunSpoiled(f"{self._names[place]} {how}")

    def _revive(self) -> None:
        """Start every program that does not run."""
        for place, name in enumerate(self._names):
            started = self._running.get(place)
            if started is not None and started.ended() is None:
                continue
            if started is not None:
                started.stop()
            self._running[place] = self._start(self._programs[name])
            self._loads_until_s = self.clock.now_s() + self._load_s
            self._place_of[self.next_id] = place
            self.next_id += 1
        numbers = {place: number for number, place in self._place_of.items()}
        self._machine.managed[:] = [
            ManagedProcess(
                id=numbers[place],
                name=self._names[place],
                key=started.key,
                target=_ANY_TARGET,
            )
            for place, started in sorted(self._running.items())
        ]
        self._place_of = {number: place for place, number in numbers.items()}
        self._look()

    def _seat(self) -> None:
        """Pin every program that has a core."""
        online = self._machine.board.cores_online
        for process in self._machine.managed:
            core = self._cores[self._place_of[process.id]]
            if core >= 0:
                seated = self._machine.seating.seat(process, (core,), online)
                if not seated.moved:
                    raise RunSpoiled("; ".join(seated.problems))

    def _keep(self) -> None:
        """Put new threads onto their program's core."""
        self._look()
        self._machine.board.hold()
        if self._machine.board.knob_problem is not None:
            raise OSError(self._machine.board.knob_problem)

    def _look(self) -> None:
        self._machine.table.scan()
        self._machine.board.rescan()
