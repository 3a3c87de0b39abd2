"""The governor's loop with an NPU that hangs, crashes, lies or is slow: no round comes too late.

With a clock of the test's own, for minutes of the board's time, where every wait and every decision
has its price in time; and once in real time, with real processes, against the kernel's account of
what other programs took.
"""

import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from npu_runtime import isolation
from npu_runtime.backend import Capabilities
from npu_runtime.isolated_process import Crashed, Late
from npu_runtime.isolation import IsolatedBackend
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.policy_file import PolicyFile
from platforms.application_file import find_applications
from platforms.board_file import load_board
from platforms.platform import Decision, Migration, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from rm.daemon.policy_loader import PolicyWithNetwork
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor
from rm.mapping import search
from rm.policies.registry import PolicyContext, policy_factory
from rm.policy import Policy

BOARD = load_board("hikey970")
DVFS_S, MIGRATION_S = 0.05, 0.5
DEADLINE_S = 0.02
"""The daemon's default."""

MIGRATE_S, SCALE_S = 0.01, 0.002
"""What decisions cost the governor here, without their network (assumed: an A53)."""

START_S = 0.2
"""What a start of the NPU's process takes here (assumed)."""

SIMULATED_S = 40.0
REAL_S = 2.5

FAULTS = ("hang", "crash", "nan", "zeros", "late", "slow")


def simulated(duration_s: float) -> SimulatedBoard:
    """A board to which applications come, five of them at its busiest."""
    workload = WorkloadParameters(arrivals=12, interarrival_s=duration_s / 15)
    jobs = draw_workload(BOARD, find_applications(["parsec"]), workload, np.random.default_rng(1))
    return SimulatedBoard(
        BOARD, cooling=BOARD.cooling_named("fan"), rng=np.random.default_rng(2), jobs=jobs
    )


class Clock:
    """A clock that goes on when somebody waits, sleeps, or decides; the board follows it."""

    def __init__(self, board: SimulatedBoard) -> None:
        self.time_s = 0.0
        self._board = board

    def now_s(self) -> float:
        """Seconds."""
        return self.time_s

    def sleep_until(self, time_s: float) -> None:
        """Be there, or later, and the board too."""
        self.time_s = max(self.time_s, time_s)
        self._board.advance_to(self.time_s)


class ScriptedProcess:
    """Stands where a process with a vendor's code would be; its waits pass on the test's clock."""

    clock: Clock
    fault: str

    def __init__(self, name: str, file: PolicyFile) -> None:
        self.pid = -1
        self._network = NumpyBackend(file)
        self._started_s = self.clock.time_s

    def hello(self, within_s: float = 0.0) -> Capabilities | None:
        """Ready some time after its start."""
        ready = self.clock.time_s >= self._started_s + START_S
        return self._network.capabilities if ready else None

    def ask(self, rows: Any, until_s: float) -> Any:
        """Answer as the fault has it, after the time that it takes."""
        takes_s = {"hang": np.inf, "late": DEADLINE_S + 0.01, "slow": 0.01}.get(self.fault, 0.001)
        if self.clock.time_s + takes_s > until_s:
            self.clock.time_s = until_s
            raise Late("it did not answer in time")
        self.clock.time_s += takes_s
        if self.fault == "crash":
            raise Crashed("it ended")
        scores = self._network.run(rows)
        return {"nan": scores * np.nan, "zeros": scores * 0.0}.get(self.fault, scores)

    def kill(self) -> None:
        """Gone."""


class Charged:
    """A policy whose decisions take time, and that keeps what was decided."""

    def __init__(self, policy: Policy, clock: Clock) -> None:
        self.name = policy.name
        self._policy = policy
        self._clock = clock

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """What the policy says."""
        self._clock.time_s += MIGRATE_S
        return self._policy.migrate(observation)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """What the policy says."""
        self._clock.time_s += SCALE_S
        return self._policy.scale(observation)


class Run:
    """A governor's run on the test's clock; `rounds_s` are the times that its rounds took."""

    def __init__(self, name: str, backend: str, *, tended: bool = True) -> None:
        self.board = simulated(SIMULATED_S)
        self.clock = Clock(self.board)
        ScriptedProcess.clock = self.clock
        context = PolicyContext(BOARD, self.board, backend=backend, deadline_s=DEADLINE_S)
        policy = policy_factory(name)(context)
        self.loaded = PolicyWithNetwork(policy, context.networks[-1])
        self.decisions: list[Decision] = []
        self.rounds_s: list[float] = []
        self._tended = tended
        self._next_tend_s = 0.0
        if isinstance(self.backend, IsolatedBackend):
            self.backend._clock = self.clock.now_s
            self.backend._since_s = 0.0
        self.governor = Governor(
            self.board, Charged(policy, self.clock), self.clock, listener=self._after_round
        )
        self.governor.run(SIMULATED_S)
        self.loaded.close()

    @property
    def backend(self) -> Any:
        """What runs the network."""
        assert self.loaded.network is not None
        return self.loaded.network.backend

    def _after_round(self, observation: Observation, decision: Decision) -> None:
        """What the daemon does: tell of the round, tend the back end once in a period."""
        self.decisions.append(decision)
        self.rounds_s.append(self.clock.time_s - observation.time_s)
        if self._tended and self.clock.time_s >= self._next_tend_s:
            self._next_tend_s = self.clock.time_s + MIGRATION_S
            self.loaded.tend()


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[ScriptedProcess]]:
    """Isolation on the test's clock, with scripted processes."""
    now = SimpleNamespace(monotonic=lambda: ScriptedProcess.clock.time_s, sleep=lambda _: None)
    monkeypatch.setattr(isolation, "time", now)
    monkeypatch.setattr(isolation, "IsolatedProcess", ScriptedProcess)
    monkeypatch.setattr(isolation, "reaped", lambda pid: True)
    return ScriptedProcess


@cache
def with_the_cpu_alone(policy: str) -> Run:
    """What is decided without any NPU."""
    return Run(policy, "numpy")


@pytest.mark.parametrize("policy", ["topil", "ilgov"])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_round_is_missed_whatever_the_npu_does(
    scripted: type[ScriptedProcess], fault: str, policy: str
) -> None:
    """Over 800 rounds, with restarts and failures anew; and the decisions are the CPU's.

    `ilgov` asks its network once for a decision, and up to eight times on a crowded board.
    """
    scripted.fault = fault
    run = Run(policy, "isolated:numpy")
    counts = run.backend.counts
    assert (round(SIMULATED_S / DVFS_S), 0) == (len(run.rounds_s), run.governor.missed_rounds)
    assert max(run.rounds_s) <= MIGRATE_S + SCALE_S + DEADLINE_S + 1e-9
    if fault == "slow":
        assert (0, 0) == (counts.late, counts.restarts)
        assert counts.answers > 0
    else:
        assert counts.late + counts.crashed + counts.wrong >= 5
        assert counts.restarts >= 5
    alone = with_the_cpu_alone(policy)
    assert alone.governor.migrations > 3
    assert alone.decisions == run.decisions


def test_without_one_deadline_for_a_whole_decision_rounds_would_be_missed(
    scripted: type[ScriptedProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A back end that takes 10 ms a call, up to eight times in a round of 50 ms.

    So often it is asked where no division of the applications serves everybody.
    """
    monkeypatch.setattr(search, "proposals", lambda _board, _demand, around: around)
    scripted.fault = "slow"
    run = Run("ilgov", "isolated:numpy", tended=False)
    assert run.governor.missed_rounds > 0


# --- in real time ---------------------------------------------------------------------------------


class RealClock:
    """The kernel's clock; the board lives in the same time."""

    def __init__(self, board: SimulatedBoard) -> None:
        self._board = board
        self._start_s = time.monotonic()

    def now_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start_s

    def sleep_until(self, time_s: float) -> None:
        """Sleep, then let the board catch up."""
        time.sleep(max(0.0, time_s - self.now_s()))
        self._board.advance_to(max(time_s, self._board.now_s))


def delayed_s() -> float:
    """How long this process was ready to run while others ran, so far (``man 5 proc``)."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


class Stopwatch:
    """A policy with a note of how long each round takes: in all, and without others' doing."""

    def __init__(self, policy: Policy) -> None:
        self.name = policy.name
        self._policy = policy
        self.wall_s: list[float] = []
        self.own_s: list[float] = []
        self._spent_s = (0.0, 0.0)

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """Timed."""
        begun_s, delay_s = time.monotonic(), delayed_s()
        moves = self._policy.migrate(observation)
        wall_s = time.monotonic() - begun_s
        self.wall_s.append(wall_s)
        self.own_s.append(wall_s - (delayed_s() - delay_s))
        return moves

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """As it is."""
        return self._policy.scale(observation)


@pytest.mark.parametrize("fault", ["hang", "crash", "nan", "zeros", "late"])
def test_no_round_is_missed_in_real_time(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process, killed and started again; late ones answer 10 ms after the deadline."""
    monkeypatch.setenv("FAULTY_BACKEND_LATE_S", str(DEADLINE_S + 0.01))
    board = simulated(10.0)
    board.advance_to(5.0)
    name = f"tests.npu_runtime.faulty_backend:{fault}"
    context = PolicyContext(BOARD, board, backend=name, deadline_s=DEADLINE_S)
    watch = Stopwatch(policy_factory("topil")(context))
    (network,) = context.networks
    backend = network.backend
    assert isinstance(backend, IsolatedBackend)
    try:
        assert backend.wait_until_ready(20.0)
        clock = RealClock(board)
        clock._start_s -= board.now_s
        rounds = iter(range(1, 10_000))

        def tend(observation: Observation, decision: Decision) -> None:
            if next(rounds) % 10 == 0:
                backend.tend()

        governor = Governor(board, watch, clock, listener=tend)
        governor.run(board.now_s + REAL_S)
    finally:
        backend.close()
    counts = backend.counts
    assert counts.late + counts.crashed + counts.wrong >= 1
    assert counts.answers == 0
    assert len(watch.wall_s) >= 4
    assert max(watch.own_s) < DVFS_S
    by_others = sum(wall_s > DVFS_S for wall_s in watch.wall_s)
    assert governor.missed_rounds == 0 or by_others or delayed_s() > DVFS_S
