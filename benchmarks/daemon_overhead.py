"""What the daemon adds to the system calls that it must make: one DVFS round, one migration round.

Used natively (`benchmarks/test_daemon_overhead.py`, by time) and in the rig's guest
(`tests/rig/guest_overhead.py`, by executed instructions). The applications are real processes that
work a little between two rounds, and send heartbeats.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from msgspec import Struct

from benchmarks.call_recorder import Call, Place, recorded, replay
from benchmarks.working_processes import WorkingProcesses
from platforms.linux.knobs.journal import Journal, read_boot_id
from platforms.linux.knobs.system_calls import KernelCalls
from platforms.linux.managed import Target
from rm.daemon.configuration.configuration import load_configuration
from rm.daemon.daemon import Daemon
from rm.daemon.huge_pages import gather_in_huge_pages
from rm.daemon.memory import give_back_start_up_memory
from rm.daemon.notify import Notifier
from rm.policies.ilgov import Ilgov

PERIOD_S = 0.05
RECORDINGS = 5
BEATS_PER_ROUND = 2
"""Forty heartbeats/s."""


def target(number: int) -> Target:
    """That of an application, so that no two ask for the same: 8, 11, 14, ... heartbeats/s."""
    return Target(8.0 + 3.0 * number, "heartbeats/s")


class Cost(Struct, frozen=True):
    """What an action costs, in any unit: in the cheapest of some runs, and in the middle one."""

    least: float
    median: float


Action = Callable[[], object]

Measure = Callable[[tuple[Action, Action], tuple[Action, Action]], tuple[Cost, Cost]]
"""What two actions cost, and what comes before each run of the one and of the other, uncounted."""

DVFS_ROUNDS = 9
"""Between two migration rounds."""


class Overhead(Struct, frozen=True, kw_only=True):
    """Costs in the unit of the measure, and the number of system calls by name."""

    whole: Cost
    bare: Cost
    calls: dict[str, int]

    @property
    def ratio(self) -> float:
        """The middle run in multiples of its bare system calls."""
        return self.whole.median / self.bare.median


class SteppedClock:
    """Time that goes on by a DVFS period per round, so that rates are the same in all rounds."""

    def __init__(self) -> None:
        self.time_s = 1000.0

    def now_s(self) -> float:
        """Seconds."""
        return self.time_s

    def sleep_until(self, time_s: float) -> None:
        """Be there."""
        self.time_s = max(self.time_s, time_s)


class Bench:
    """A daemon whose rounds are asked for one by one."""

    def __init__(self, daemon: Daemon, clock: SteppedClock, work: Callable[[], None]) -> None:
        """`work` is what happens between two rounds."""
        self._daemon = daemon
        self._governor = daemon._governor
        self._clock = clock
        self._work = work
        managed = daemon._applications.managed()
        self._heartbeats = [app.heartbeats for app in managed if app.heartbeats is not None]

    def dvfs_round(self) -> None:
        """Observe, scale, apply, log."""
        self._clock.time_s += PERIOD_S
        self._daemon._next_scan_s = float("inf")
        self._governor._round(migration_due=False)

    def migration_round(self) -> None:
        """The same with the policy's migrations and the look for processes."""
        self._clock.time_s += PERIOD_S
        self._daemon._next_scan_s = float("-inf")
        self._governor._round(migration_due=True)

    def searching_round(self) -> None:
        """A migration round in which `ilgov` has to look for a mapping, as after a change."""
        for policy in _within(self._governor._policy):
            if isinstance(policy, Ilgov):
                policy._settled = None
        self.migration_round()

    def live(self, rounds: int) -> None:
        """Let rounds pass, and the applications work before each."""
        for number in range(rounds):
            self._pass_period()
            (self.migration_round if number % 10 == 9 else self.dvfs_round)()

    def overhead(self, action: Callable[[], None], measure: Measure) -> Overhead:
        """An action against the system calls that it makes, both by `measure`.

        Not every round makes the same calls (some look at more processes): so it is done some
        times, and the middle one counts.
        """
        before = self._up_to_dvfs if action == self.dvfs_round else self._up_to_migration
        found = []
        for _ in range(RECORDINGS):
            before()
            with recorded(self._bound()) as calls:
                action()
            whole, bare = measure((action, replay(calls)), (before, self._work))
            found.append(Overhead(whole=whole, bare=bare, calls=_by_name(calls)))
        return sorted(found, key=lambda one: one.ratio)[RECORDINGS // 2]

    def _bound(self) -> list[Place]:
        """Where the call for a thread's cores lies beside `os`."""
        known = self._daemon._opened.reader._known.values()
        return [(KernelCalls, "get_affinity"), *[(app, "_get_affinity") for app in known]]

    def _pass_period(self) -> None:
        self._work()
        self._beat()

    def _beat(self) -> None:
        """Once before every round: how fast applications are does not change."""
        for heartbeats in self._heartbeats:
            heartbeats.count += BEATS_PER_ROUND

    def _up_to_dvfs(self) -> None:
        self._beat()
        self.dvfs_round()  # takes note of what was worked before the bare calls
        self._pass_period()

    def _up_to_migration(self) -> None:
        self._up_to_dvfs()
        for _ in range(DVFS_ROUNDS):
            self.dvfs_round()
            self._pass_period()


@contextmanager
def bench(
    configuration: Path,
    root: Path,
    applications: WorkingProcesses,
    *,
    kernel: Callable[[], None] = lambda: None,
    others: Callable[[], None] = lambda: None,
) -> Iterator[Bench]:
    """The daemon that a configuration file describes, with these processes to look after.

    `kernel` does between two rounds what a kernel would, where `root` has none; `others` does then
    what happens on the machine beside.
    """
    settings = load_configuration(configuration, root=root)
    state = root / str(settings.state_dir).lstrip("/")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    journal = Journal.open(state / "undo.jsonl", boot_id=read_boot_id(root))
    clock = SteppedClock()
    daemon = Daemon(
        settings,
        root=root,
        journal=journal,
        clock=clock,
        notifier=Notifier(),
        reread=lambda: settings,
    )
    registry = daemon._applications
    for number, pid in enumerate(applications.pids):
        info = daemon._table.info(pid)
        assert info is not None, f"process {pid} must run"
        registry.register(info, uid=os.getuid(), target=target(number))

    give_back_start_up_memory()
    gather_in_huge_pages()

    def between() -> None:
        kernel()
        applications.work()
        others()

    try:
        yield Bench(daemon, clock, between)
    finally:
        daemon.close()
        journal.close()


def by_time(rounds: int) -> Measure:
    """So many runs of each, in seconds."""

    def seconds(action: Action) -> float:
        begun_s = time.perf_counter()
        action()
        return time.perf_counter() - begun_s

    return in_turns(rounds, seconds)


def in_turns(rounds: int, cost_of: Callable[[Action], float]) -> Measure:
    """So many runs of each in turns: a machine is not equally fast all the time."""

    def measure(
        actions: tuple[Action, Action], befores: tuple[Action, Action]
    ) -> tuple[Cost, Cost]:
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for action, before, costs in zip(actions, befores, spent, strict=True):
                before()
                costs.append(cost_of(action))
        whole, bare = [Cost(min(costs), median(costs)) for costs in spent]
        return whole, bare

    return measure


def _within(policy: object) -> Iterator[object]:
    """A policy, and those that it is around."""
    yield policy
    for part in vars(policy).values():
        if hasattr(part, "migrate") and hasattr(part, "scale"):
            yield from _within(part)


def _by_name(calls: list[Call]) -> dict[str, int]:
    names = [function.__name__ for function, *_ in calls]
    return {name: names.count(name) for name in sorted(set(names))}
