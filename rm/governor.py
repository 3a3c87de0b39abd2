"""The governor: two loops over any platform, with any policy, on any clock.

Targets are absolute multiples of the periods, so the loops do not drift; a loop that wakes late
skips the rounds that it missed and counts them.
"""

from collections.abc import Callable

from msgspec import Struct

from platforms.platform import Clock, Decision, Observation, Platform
from rm.policy import Policy

Listener = Callable[[Observation, Decision], None]


class Periods(Struct, frozen=True, kw_only=True):
    """How often the loops run, in seconds; migration at a whole multiple of DVFS."""

    dvfs_s: float = 0.05
    migration_s: float = 0.5

    def __post_init__(self) -> None:
        """Refuse periods that do not fit together."""
        ratio = self.migration_s / self.dvfs_s if self.dvfs_s > 0 else 0.0
        if ratio < 1 or abs(ratio - round(ratio)) > 1e-6:
            raise ValueError(
                "migration_s must be a whole multiple of a positive dvfs_s "
                f"(got {self.migration_s} and {self.dvfs_s})"
            )

    @property
    def rounds_per_migration(self) -> int:
        """DVFS rounds from one migration round to the next."""
        return round(self.migration_s / self.dvfs_s)


class Governor:
    """Drives a platform and counts `rounds`, `missed_rounds`, `migrations`, `opp_changes`."""

    def __init__(
        self,
        platform: Platform,
        policy: Policy,
        clock: Clock,
        *,
        periods: Periods | None = None,
        listener: Listener | None = None,
    ) -> None:
        """`listener` hears every observation with the decision that was applied."""
        self._platform = platform
        self._policy = policy
        self._clock = clock
        self._periods = periods or Periods()
        self._listener = listener
        self.rounds = 0
        self.missed_rounds = 0
        self.migrations = 0
        self.opp_changes = 0

    def run(self, until_s: float, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Run rounds until the clock shows `until_s`, or `stop` says so between two rounds."""
        period_s = self._periods.dvfs_s
        per_migration = self._periods.rounds_per_migration
        start_s = self._clock.now_s()
        last_round = int((until_s - start_s) / period_s + 1e-6)
        number = 1
        migrated = 0
        while number <= last_round and not stop():
            self._clock.sleep_until(start_s + number * period_s)
            epoch = number // per_migration
            self._round(migration_due=epoch > migrated)
            migrated = max(migrated, epoch)
            number = self._next_number(start_s, number)

    def _round(self, *, migration_due: bool) -> None:
        observation = self._platform.observe()
        migrations = self._policy.migrate(observation) if migration_due else ()
        opps = self._policy.scale(observation)
        decision = Decision(migrations, opps)
        if migrations or opps != observation.opp_index:
            self._platform.apply(decision)
            self.migrations += len(migrations)
            self.opp_changes += opps != observation.opp_index
        self.rounds += 1
        if self._listener is not None:
            self._listener(observation, decision)

    def _next_number(self, start_s: float, number: int) -> int:
        """The next round whose time has not passed yet; what lies between is counted as missed."""
        done = int((self._clock.now_s() - start_s) / self._periods.dvfs_s + 1e-6)
        following = max(number, done) + 1
        self.missed_rounds += following - number - 1
        return following
