"""The daemon's loop over days, in minutes: everything that a round touches, on a fake root.

Applications come and go under ever new numbers, threads are born, a sensor fails now and then, the
board gets hot, a core is unplugged, somebody writes the same knobs: nothing of it may be kept.
"""

from collections.abc import Callable
from pathlib import Path

from platforms.platform import Decision, Observation
from rm.daemon.decision_log import DecisionLog, Outcome
from rm.daemon.loop_times import RunningTimes
from rm.daemon.supervisor import Supervisor
from rm.daemon.watched_policy import WatchedPolicy
from rm.daemon.watches import Watches
from rm.governor import Governor
from rm.policies.registry import PolicyContext, policy_factory
from rm.safety.failsafe import Failsafe
from rm.safety.rival_watch import RivalWatch
from rm.safety.sensor_watch import SensorWatch
from rm.safety.states import StateMachine
from tests.platforms.linux.living_board import LivingBoard

PERIOD_S = 0.05
PER_MIGRATION = 10
SPEED = "/sys/devices/system/cpu/cpufreq/policy4/scaling_setspeed"
PIDS = (100, 200, 300, 400)
COOL_C = 82.0

CYCLE_ROUNDS = 500
RARELY_ROUNDS = 26_000
"""Each of two disturbances in so many: more than ten minutes lie between any two."""


class LongRun:
    """`run` goes on where it ended; `rounds` are those so far, `states` those that were seen."""

    def __init__(self, folder: Path, *, policy: str = "little-first") -> None:
        self.living = LivingBoard(folder)
        board = self.living.board
        self.policy = WatchedPolicy(
            board.board, policy_factory(policy)(PolicyContext(board.board, board))
        )
        self.supervisor = Supervisor(
            board,
            self.policy,
            watches=Watches(
                SensorWatch(board.board),
                Failsafe(board.board, critical_c=90.0),
                RivalWatch(),
            ),
            states=StateMachine(self.living.clock.now_s(), well_for_s=0.5),
        )
        self.log = DecisionLog(
            folder / "log.jsonl", which="all", max_bytes=100_000, wall_clock=lambda: 0.0
        )
        self.times = RunningTimes()
        self.governor = Governor(
            board,
            self.policy,
            self.living.clock,
            guard=self.supervisor,
            listener=self._after_round,
        )
        self.states: set[str] = set()
        self._script: dict[int, Callable[[], None]] = {
            50: self._come_and_go,
            130: lambda: self.living.root.unplug(2),
            170: lambda: self.living.root.plug(2),
            230: lambda: self._warm_to(91.0),
            250: lambda: self._warm_to(COOL_C),
        }
        self._warm_to(COOL_C)

    def run(self, rounds: int) -> None:
        """So many rounds more."""
        now_s = self.living.clock.now_s()
        self.governor.run(now_s + rounds * PERIOD_S)

    def end(self) -> None:
        """Give everything back and close all files."""
        self.supervisor.stop(self.living.clock.now_s(), "end")
        self.log.close()
        self.living.__exit__(None, None, None)

    def _after_round(self, seen: Observation, decision: Decision) -> None:
        """What the daemon does then, and what the script says."""
        living, number = self.living, self.governor.rounds
        self.states.add(self.supervisor.states.state)
        self.log.write(
            living.board.board,
            seen,
            decision,
            Outcome(moved=living.board.moved, refused=living.board.refused),
            number=number,
            state=self.supervisor.states.state,
            reason=self.supervisor.states.reason,
            gain=self.policy.gain,
            limited_by=self.supervisor.limited_by,
            loop_s=0.001,
        )
        self.times.new.append(0.001)
        if number % PER_MIGRATION == 0:
            self.times.take_in()
            living.rescan()
            if self.supervisor.steers:
                living.board.hold()
        self._script.get(number % CYCLE_ROUNDS, lambda: None)()
        self._disturb(number % RARELY_ROUNDS)

    def _disturb(self, number: int) -> None:
        """So rarely that hands-off does not become the usual state."""
        if number == 330:
            self._warm_to(None)
        elif number == 450:
            self._warm_to(COOL_C)
        elif 0 <= number - RARELY_ROUNDS // 2 < 100 and self.supervisor.steers:
            self.living.root.write(SPEED, "1210000" if number % 8 < 4 else "1498000")

    def _warm_to(self, temp_c: float | None) -> None:
        self.living.root.set_temp("cls0", temp_c)

    def _come_and_go(self) -> None:
        """One application ends, another begins with its number, and has a child."""
        living = self.living
        pid = PIDS[self.governor.rounds // CYCLE_ROUNDS % len(PIDS)]
        for number in (pid + 50, pid):
            if number in living.root.processes:
                living.die(number)
        living.release(pid)
        living.manage(pid, threads=1 + pid // 100 % 2)
        living.root.add_process(pid + 50, ppid=pid)
        living.root.add_thread(pid, pid + 10)
