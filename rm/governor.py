"""The governor: two loops over any platform, with any policy, on any clock.

Targets are absolute multiples of the periods, so the loops do not drift; a loop that wakes late
skips the rounds that it missed and counts them.
"""

import math
import sys
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from platforms.errors import InvalidInput
from platforms.platform import Clock, Decision, Migration, Observation, Platform, TrainingGrant
from rm.policy import Policy

Listener = Callable[[Observation, Decision], None]
Train = Callable[[Observation], tuple[TrainingGrant, ...]]
Accelerate = Callable[[Observation], tuple[int | None, ...]]


class Guard(Protocol):
    """Stands between the policy and the board; it can only make a decision safer."""

    def admits(self, observation: Observation) -> bool:
        """Whether the policy may steer now. If not, it is not asked, and nothing is applied."""
        ...

    def limit(self, observation: Observation, decision: Decision) -> Decision:
        """What is left of the policy's decision."""
        ...


class Periods(Struct, frozen=True, kw_only=True):
    """How often the loops run, in seconds; migration at a whole multiple of DVFS."""

    dvfs_s: float = 0.05
    migration_s: float = 0.5

    def __post_init__(self) -> None:
        """Refuse periods that do not fit together."""
        ratio = self.migration_s / self.dvfs_s if self.dvfs_s > 0 else 0.0
        if not (1 <= ratio < math.inf) or abs(ratio - round(ratio)) > 1e-6:
            raise InvalidInput(
                "migration_s must be a whole multiple of a positive dvfs_s "
                f"(got {self.migration_s} and {self.dvfs_s})"
            )

    @property
    def rounds_per_migration(self) -> int:
        """DVFS rounds from one migration round to the next."""
        return round(self.migration_s / self.dvfs_s)


class Governor:
    """Drives a platform and counts `rounds`, `missed_rounds`, `migrations`, `opp_changes`.

    An OPP above what the kernel's thermal protection allows stays asked for, and counts as a change
    only in so far as it is allowed.
    """

    def __init__(
        self,
        platform: Platform,
        policy: Policy,
        clock: Clock,
        *,
        periods: Periods | None = None,
        guard: Guard | None = None,
        listener: Listener | None = None,
    ) -> None:
        """`listener` hears every observation with the decision that was applied.

        A policy that has `train` (`TrainingPolicy`) is asked for grants after `scale` in every
        round, and for the accelerators' operating points where it has `accelerate`; where it has
        a true `trains_only_with_jobs`, in rounds that show a job.

        Without a `guard` the policy has the board to itself.
        """
        self._platform = platform
        self._policy = policy
        self._clock = clock
        self._periods = periods or Periods()
        self._guard = guard
        self._listener = listener
        self.rounds = 0
        self.missed_rounds = 0
        self.migrations = 0
        self.opp_changes = 0
        self._asked: tuple[int, ...] | None = None
        self._quiet = Decision()
        self._train: Train | None = getattr(policy, "train", None)
        self._accelerate: Accelerate | None = getattr(policy, "accelerate", None)
        never = self._train is None and self._accelerate is None
        self._only_with_jobs = never or getattr(policy, "trains_only_with_jobs", False)

    def run(self, until_s: float, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Run rounds until the clock shows `until_s`, or `stop` says so between two rounds.

        `stop` is asked before and after every sleep. An infinite `until_s` is never reached.
        """
        period_s = self._periods.dvfs_s
        per_migration = self._periods.rounds_per_migration
        start_s = self._clock.now_s()
        rounds = (until_s - start_s) / period_s + 1e-6
        last_round = sys.maxsize if rounds > sys.maxsize else int(rounds)
        number = 1
        migrated = 0
        while number <= last_round and not stop():
            self._clock.sleep_until(start_s + number * period_s)
            if stop():
                return
            epoch = number // per_migration
            self._round(migration_due=epoch > migrated)
            migrated = max(migrated, epoch)
            number = self._next_number(start_s, number, last_round)

    def _round(self, *, migration_due: bool) -> None:
        observation, guard, listener = self._platform.observe(), self._guard, self._listener
        if guard is None or guard.admits(observation):
            migrations = self._policy.migrate(observation) if migration_due else ()
            decision = self._decision(observation, migrations)
            if guard is not None:
                decision = guard.limit(observation, decision)
            self._apply(observation, decision)
        else:
            decision, self._asked = Decision(), None
        self.rounds += 1
        if listener is not None:
            listener(observation, decision)

    def _decision(self, observation: Observation, migrations: tuple[Migration, ...]) -> Decision:
        opps, quiet = self._policy.scale(observation), self._quiet
        if self._only_with_jobs and not observation.training:
            if migrations:
                return Decision(migrations, opps)
            if opps is not quiet.opp_index:  # mostly it is what was decided before
                self._quiet = quiet = Decision((), opps)
            return quiet
        grants = self._train(observation) if self._train else ()
        return Decision(
            migrations, opps, grants, self._accelerate(observation) if self._accelerate else ()
        )

    def _apply(self, observation: Observation, decision: Decision) -> None:
        """Carry a decision out, unless it says what was said before and still holds."""
        opps, present = decision.opp_index, observation.opp_index
        changed = opps is not None and opps != present and _allowed(opps, observation) != present
        more = bool(decision.migrations or decision.grants)
        if decision.accelerator_opp:
            more = more or _clocks_change(decision, observation)
        if more or changed or opps != self._asked:
            self._platform.apply(decision)
            self._asked = opps
            self.migrations += len(decision.migrations)
            self.opp_changes += changed

    def _next_number(self, start_s: float, number: int, last_round: int) -> int:
        """The next round whose time has not passed yet; what lies between is counted as missed."""
        done = int((self._clock.now_s() - start_s) / self._periods.dvfs_s + 1e-6)
        following = max(number, min(done, last_round)) + 1
        self.missed_rounds += following - number - 1
        return following


def _allowed(opps: tuple[int, ...], observation: Observation) -> tuple[int, ...]:
    """What is left of these operating points under the kernel's caps."""
    return tuple([min(opp, cap) for opp, cap in zip(opps, observation.opp_cap, strict=True)])


def _clocks_change(decision: Decision, observation: Observation) -> bool:
    """Whether an accelerator is asked for another operating point than it has."""
    wanted, present = decision.accelerator_opp, observation.accelerator_opp
    return any(opp not in (None, now) for opp, now in zip(wanted, present, strict=False))
