"""Check that a policy keeps its promises: for everybody who writes one.

    check_policy(lambda: MyPolicy(board), board)

The policy governs an imaginary board, on which everything happens that a real one may show: no
application and many, several on one core, several threads, some that stand still, arrivals and
ends, capped operating points.
"""

from collections.abc import Callable, Iterator

import numpy as np

from platforms.board import Board
from platforms.checker import BrokenContract
from platforms.decision_check import decision_problems
from platforms.platform import (
    ApplicationReading,
    Decision,
    Observation,
    TemperatureReading,
)
from rm.policy import Policy

ROUNDS_PER_MIGRATION = 10
_MOST_APPLICATIONS = 12


def check_policy(
    make: Callable[[], Policy], board: Board, *, seed: int = 0, rounds: int = 300
) -> None:
    """Let a policy decide `rounds` DVFS rounds, a migration round every tenth.

    `make` gives a new policy for `board`: two of them must decide alike. Raises
    platforms.checker.BrokenContract with all violations of `rm.policy` that were found.
    """
    policy = make()
    violations: list[str] = []
    policy_name = getattr(policy, "name", None)
    if not (isinstance(policy_name, str) and policy_name):
        violations.append(f"name must be a text that is not empty (got {policy_name!r})")
    first = _governed(policy, _Imagined(board, seed), rounds, violations)
    again = _governed(make(), _Imagined(board, seed), rounds, [])
    for number, (one, other) in enumerate(zip(first, again, strict=False), start=1):
        if one != other:
            violations.append(
                f"equal observations must give equal decisions (got {one} and {other} in round "
                f"{number} of two policies)"
            )
            break
    if violations:
        raise BrokenContract(f"policy {policy_name}", list(dict.fromkeys(violations)))


def _governed(
    policy: Policy, world: "_Imagined", rounds: int, violations: list[str]
) -> list[Decision]:
    """The policy's decisions; ends early where it raises."""
    decisions = []
    for number in range(rounds):
        observation = world.observe()
        try:
            due = number % ROUNDS_PER_MIGRATION == 0
            migrations = policy.migrate(observation) if due else ()
            decision = Decision(migrations, policy.scale(observation))
        except Exception as error:  # noqa: BLE001 - whatever it raises is what was looked for
            name = type(error).__name__
            violations.append(f"a policy must not raise (got {name}: {error})")
            break
        found = list(_problems(world.board, observation, decision))
        decisions.append(decision)
        violations += found
        world.follow(decision if not found else Decision())
    return decisions


def _problems(board: Board, observation: Observation, decision: Decision) -> Iterator[str]:
    threads = {app.id: app.threads for app in observation.applications}
    moved = [migration.application_id for migration in decision.migrations]
    unknown = sorted(set(moved) - set(threads))
    if unknown:
        yield f"migrations must be of applications that were observed (got ids {unknown})"
    if len(set(moved)) != len(moved):
        yield f"migrations must move an application once at most (got ids {moved})"
    if decision.opp_index is None:
        yield "scale must give an operating point per cluster (got None)"
    yield from decision_problems(board, threads, decision)


class _Imagined:
    """A board on which everything is drawn, but what the policy decides comes to pass."""

    def __init__(self, board: Board, seed: int) -> None:
        self.board = board
        self._rng = np.random.default_rng(seed)
        self._time_s = 0.0
        self._applications: list[ApplicationReading] = []
        self._next_id = 0
        self._opps = board.lowest_opps

    def observe(self) -> Observation:
        """What is seen a round later."""
        rng, board = self._rng, self.board
        self._time_s += 0.05
        self._come_and_go()
        depth = max(0, int(rng.integers(-6, 4)))
        caps = tuple(max(0, top - depth) for top in board.highest_opps)
        self._opps = tuple(min(pair) for pair in zip(self._opps, caps, strict=True))
        busy = [0.0] * board.core_count
        for app in self._applications:
            for core in app.cores:
                busy[core] = 1.0
        temp_c = float(rng.uniform(20.0, 95.0))
        return Observation(
            self._time_s,
            0.05,
            tuple(self._applications),
            self._opps,
            caps,
            tuple(busy),
            tuple(TemperatureReading(sensor.name, temp_c, 0.5) for sensor in board.sensors),
        )

    def follow(self, decision: Decision) -> None:
        """Place and clock as decided."""
        cores = {move.application_id: move.cores for move in decision.migrations}
        self._applications = [
            _reading(app.id, app.target_ips, cores.get(app.id, app.cores), app.threads, self._rng)
            for app in self._applications
        ]
        if decision.opp_index is not None:
            self._opps = decision.opp_index

    def _come_and_go(self) -> None:
        rng = self._rng
        stay = rng.random(len(self._applications)) > 0.02
        self._applications = [
            app for app, stays in zip(self._applications, stay, strict=True) if stays
        ]
        if len(self._applications) < _MOST_APPLICATIONS and rng.random() < 0.15:
            cluster = self.board.clusters[int(rng.integers(len(self.board.clusters)))]
            several = len(cluster.cores) > 1 and rng.random() < 0.2
            cores = cluster.cores if several else (int(rng.choice(cluster.cores)),)
            threads = int(rng.integers(2, 5)) if several else 1
            target_ips = float(10 ** rng.uniform(6, 11))
            self._applications.append(_reading(self._next_id, target_ips, cores, threads, rng))
            self._next_id += 1


def _reading(
    number: int, target_ips: float, cores: tuple[int, ...], threads: int, rng: np.random.Generator
) -> ApplicationReading:
    """A reading with a rate near the target or far from it; one in ten stands still."""
    rate_ips = 0.0 if rng.random() < 0.1 else target_ips * float(10 ** rng.uniform(-1, 1))
    share = float(rng.uniform(0.0, 0.2))
    name = f"imagined-{number}"
    return ApplicationReading(number, name, target_ips, rate_ips, rate_ips * share, cores, threads)
