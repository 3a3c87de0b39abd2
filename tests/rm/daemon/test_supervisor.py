"""Tests of who steers: every doubt takes the board from the policy at once, and none for ever."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.linux.errors import JournalUnusable, Unreadable, WriteRefused
from platforms.platform import Decision, Migration, Observation, TrainingGrant, TrainingReading
from rm.daemon.supervisor import Supervisor
from rm.daemon.watched_policy import WatchedPolicy
from rm.daemon.watches import Watches
from rm.governor import Governor
from rm.policies.registry import PolicyContext, policy_factory, policy_names
from rm.safety.failsafe import Failsafe
from rm.safety.rival_watch import RivalWatch
from rm.safety.sensor_watch import SensorWatch
from rm.safety.states import StateMachine
from tests.rm.readings import HIKEY, observation, reading
from tests.rm.safety.boards import with_temperatures

PERIOD_S = 0.05
WELL_FOR_S = 5.0
CRITICAL_C = 90.0
HIGH = HIKEY.highest_opps
LOWEST = HIKEY.lowest_opps


class FakeBoard:
    """A board whose knobs can be taken, or not: `refuses` is raised by the next `take`."""

    board = HIKEY

    def __init__(self) -> None:
        self.knob_problem: str | None = None
        self.refuses: Exception | None = None
        self.is_taken = False
        self.calls: list[str] = []
        self.applied: list[Decision] = []
        self.temp_c = 45.0
        self.time_s = 0.0
        self.period_s = PERIOD_S

    def take(self) -> None:
        """Take over, unless a test says that it fails."""
        self.calls.append("take")
        error, self.refuses = self.refuses, None
        if error is not None:
            raise error
        self.is_taken = True

    def release(self) -> None:
        """Give everything back; what was wrong with the knobs is over."""
        self.calls.append("release")
        self.is_taken = False
        self.knob_problem = None

    def observe(self) -> Observation:
        """The board a period later."""
        self.time_s += self.period_s
        seen = observation(reading(1, cores=(4,)), time_s=self.time_s, utilisation=(0.0,) * 8)
        return with_temperatures(seen, self.temp_c)

    def apply(self, decision: Decision) -> None:
        """Only ever while the knobs are taken."""
        assert self.is_taken
        self.applied.append(decision)


class Fast:
    """A policy that wants the highest clocks, or fails."""

    name = "fast"

    def __init__(self) -> None:
        self.error: Exception | None = None

    def migrate(self, seen: Observation) -> tuple[Migration, ...]:
        """Nobody moves."""
        return ()

    def scale(self, seen: Observation) -> tuple[int, ...]:
        """As fast as it goes."""
        if self.error is not None:
            raise self.error
        return HIGH


class Steering:
    """A governor under supervision, with everything that can go wrong."""

    def __init__(self, policy: Any = None) -> None:
        self.board = FakeBoard()
        self.fast = Fast()
        self.policy = WatchedPolicy(HIKEY, policy or self.fast)
        self.rivals = RivalWatch(tolerance=3, within_s=2.0)
        self.degraded: str | None = None
        self.supervisor = Supervisor(
            self.board,
            self.policy,
            watches=self.watches(),
            states=StateMachine(well_for_s=WELL_FOR_S),
            backend=self,
        )
        self.governor = Governor(self.board, self.policy, self, guard=self.supervisor)

    def watches(self, critical_c: float = CRITICAL_C) -> Watches:
        """What doubts the board."""
        return Watches(SensorWatch(HIKEY), Failsafe(HIKEY, critical_c=critical_c), self.rivals)

    def now_s(self) -> float:
        """The governor's clock: one round a period."""
        return self.board.time_s

    def sleep_until(self, time_s: float) -> None:
        """Time passes as the board is observed."""

    def rounds(self, seconds: float) -> list[str]:
        """The states of that many rounds, without repetition."""
        states = []
        for _ in range(round(seconds / self.board.period_s)):
            self.governor._round(migration_due=False)
            states.append(self.supervisor.states.state)
        return [s for i, s in enumerate(states) if i == 0 or s != states[i - 1]]

    @property
    def state(self) -> str:
        """What it is now."""
        return self.supervisor.states.state


@pytest.fixture
def steering() -> Steering:
    """A governor that steers already."""
    made = Steering()
    made.rounds(1.0)
    assert made.board.is_taken
    return made


# --- when all is well ---------------------------------------------------------------------------


def test_the_knobs_are_taken_in_the_first_round_and_kept(steering: Steering) -> None:
    """And what the policy wants is applied."""
    assert ["take"] == steering.board.calls
    assert Decision((), HIGH) == steering.board.applied[-1]
    assert steering.supervisor.steers


def test_in_the_end_everything_is_given_back(steering: Steering) -> None:
    """Once; afterwards nothing is taken any more."""
    steering.supervisor.stop(2.0, "SIGTERM")
    steering.supervisor.stop(2.1, "SIGTERM")
    assert ["stopped"] == steering.rounds(1.0)
    assert ["take", "release"] == steering.board.calls
    assert "SIGTERM" == steering.supervisor.states.reason


# --- every doubt --------------------------------------------------------------------------------


def sensor(steering: Steering) -> Callable[[], None]:
    """A sensor that shows nonsense."""
    steering.board.temp_c = -73.7

    def mend() -> None:
        steering.board.temp_c = 45.0

    return mend


def rival(steering: Steering) -> Callable[[], None]:
    """Somebody else writes the same knobs."""
    for _ in range(4):
        steering.supervisor.interfered(steering.board.time_s, "/sys/x", "1 Hz", "2 Hz")
    return lambda: None


def failing_policy(steering: Steering) -> Callable[[], None]:
    """The policy raises."""
    steering.fast.error = RuntimeError("bug")
    steering.rounds(steering.board.period_s)

    def mend() -> None:
        steering.fast.error = None

    return mend


def knobs(steering: Steering) -> Callable[[], None]:
    """A knob refuses; those that are not ours are not written to."""
    if steering.board.is_taken:
        steering.board.knob_problem = "the clock of big refuses what is written to it"
    return lambda: None


DOUBTS = {
    sensor: "sensor cls0 must lie in",
    rival: "another program writes it",
    failing_policy: "policy fast: scale failed (RuntimeError: bug)",
    knobs: "the clock of big refuses",
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_every_doubt_ends_steering_at_once_and_only_as_long_as_it_lasts(
    steering: Steering, doubt: Callable[[Steering], Callable[[], None]]
) -> None:
    """In the next round; five seconds after the last doubt it is normal again."""
    mend = doubt(steering)
    assert ["hands-off"] == steering.rounds(PERIOD_S)
    assert DOUBTS[doubt] in (steering.supervisor.states.reason or "")
    assert (False, False) == (steering.board.is_taken, steering.supervisor.steers)
    mend()
    applied = len(steering.board.applied)
    assert ["hands-off"] == steering.rounds(WELL_FOR_S - 2 * PERIOD_S)
    assert applied == len(steering.board.applied)
    longest_s = 15.0  # a jumping sensor is doubted for ten seconds, a rival for two
    assert ["hands-off", "normal"] == steering.rounds(longest_s)
    assert ["take", "release", "take"] == steering.board.calls
    assert Decision((), HIGH) == steering.board.applied[-1]
    assert applied < len(steering.board.applied)


@pytest.mark.parametrize("doubt", DOUBTS)
def test_every_doubt_is_told_once(
    steering: Steering,
    doubt: Callable[[Steering], Callable[[], None]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However long it lasts."""
    with caplog.at_level(logging.WARNING):
        doubt(steering)
        steering.rounds(4.0)
    assert 1 == sum("-> hands-off" in message for message in caplog.messages)


def test_a_policy_that_fails_again_and_again_is_asked_ever_more_rarely(
    steering: Steering,
) -> None:
    """Each relapse doubles the pause."""
    steering.fast.error = RuntimeError("bug")
    steering.rounds(60.0)
    assert 3 <= steering.supervisor.states.counts["hands-off"] <= 5
    assert "hands-off" == steering.state


def test_in_the_round_in_which_a_policy_fails_the_clocks_stay(steering: Steering) -> None:
    """They are what they were, until the kernel has them a period later."""
    steering.fast.error = RuntimeError("bug")
    steering.rounds(PERIOD_S)
    assert HIKEY.lowest_opps == steering.board.applied[-1].opp_index  # what was observed


def test_a_back_end_that_fails_degrades_and_steers_on(steering: Steering) -> None:
    """The CPU answers in its place."""
    steering.degraded = "the NPU is late"
    assert ["degraded"] == steering.rounds(1.0)
    assert "the NPU is late" == steering.supervisor.states.reason
    assert steering.board.is_taken
    steering.degraded = None
    assert ["normal"] == steering.rounds(1.0)
    assert ["take"] == steering.board.calls


@pytest.mark.parametrize(
    "error", [WriteRefused("no"), JournalUnusable("no"), Unreadable("no")], ids=type
)
def test_knobs_that_cannot_be_taken_are_tried_again_later(error: Exception) -> None:
    """Meanwhile the kernel has the board, and the reason is known."""
    steering = Steering()
    steering.board.refuses = error
    steering.rounds(2 * PERIOD_S)
    assert ("hands-off", "no") == (steering.state, steering.supervisor.states.reason)
    assert [] == steering.board.applied
    assert ["hands-off", "normal"] == steering.rounds(2 * WELL_FOR_S)
    assert ["take", "take"] == steering.board.calls


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.tuples(st.sampled_from([*DOUBTS, None]), st.floats(0.05, 6.0)), min_size=1, max_size=5
    )
)
def test_whatever_happens_it_steers_only_when_nothing_is_in_doubt_and_comes_back(
    story: list[tuple[Callable[[Steering], Callable[[], None]] | None, float]],
) -> None:
    """The knobs are taken and given back in turns; FakeBoard refuses decisions in between."""
    steering = Steering()
    steering.board.period_s = 0.2
    for doubt, seconds in story:
        was_taken = steering.board.is_taken
        mend = None if doubt is None else doubt(steering)
        steering.rounds(steering.board.period_s)
        if was_taken and doubt is not None:
            assert not steering.board.is_taken
        steering.rounds(seconds)
        if mend is not None:
            mend()
    pairs = list(zip(steering.board.calls, steering.board.calls[1:], strict=False))
    assert all(before != after for before, after in pairs)
    steering.board.period_s = 1.0
    assert "normal" == steering.rounds(200.0)[-1]


# --- the failsafe -------------------------------------------------------------------------------


def test_at_the_critical_temperature_the_lowest_clocks_are_applied(steering: Steering) -> None:
    """Until it is five kelvin cooler."""
    lowest = HIKEY.lowest_opps
    for temp_c, expected in ((80.0, HIGH), (90.0, lowest), (86.0, lowest), (84.9, HIGH)):
        steering.board.temp_c = temp_c
        steering.rounds(20.0)  # a jump is doubted for ten seconds, then all must be well for five
        assert expected == steering.board.applied[-1].opp_index
    assert steering.supervisor.failsafe_rounds > 0


def test_it_says_what_limits(steering: Steering) -> None:
    """For the decision log."""
    hot = with_temperatures(observation(), 91.0)
    limited = steering.supervisor.limit(hot, Decision((Migration(1, (5,)),), HIGH))
    assert (Decision((Migration(1, (5,)),), HIKEY.lowest_opps)) == limited
    expected = "failsafe: cls0 must be below 90 degC (got 91)"
    assert expected == steering.supervisor.limited_by
    cool = with_temperatures(observation(), 45.0)
    assert Decision((), HIGH) == steering.supervisor.limit(cool, Decision((), HIGH))
    assert steering.supervisor.limited_by is None


def test_who_leaves_the_clocks_as_they_are_does_not_pass_it(steering: Steering) -> None:
    """Leaving them high is a wish as well."""
    hot = with_temperatures(observation(opp_index=HIGH), 91.0)
    limited = steering.supervisor.limit(hot, Decision())
    assert HIKEY.lowest_opps == limited.opp_index


def test_when_it_acts_no_job_trains(steering: Steering) -> None:
    """Those that train are paused, and none is granted anything."""
    job = TrainingReading(3, 100.0, 10.0, (0, 1), waits=False)
    hot = replace(with_temperatures(observation(opp_index=LOWEST), 91.0), training=(job,))
    wanted = Decision((), LOWEST, (TrainingGrant(4, 1, (2,)),), (3,))
    limited = steering.supervisor.limit(hot, wanted)
    assert Decision((), LOWEST, (TrainingGrant(3, 0, ()),)) == limited
    assert steering.supervisor.limited_by is not None
    cool = replace(with_temperatures(observation(), 45.0), training=(job,))
    assert wanted == steering.supervisor.limit(cool, wanted)


def test_its_rounds_are_counted_on_when_its_limits_change(steering: Steering) -> None:
    """A reload does not make what was undone."""
    hot = with_temperatures(observation(), 91.0)
    steering.supervisor.limit(hot, Decision((), HIGH))
    steering.supervisor.exchange(steering.watches(critical_c=95.0))
    steering.supervisor.limit(hot, Decision((), HIGH))
    assert 1 == steering.supervisor.failsafe_rounds


STEERING_POLICIES = [name for name in policy_names() if name != "oracle"]
"""The oracle knows the future of a simulated board; no daemon can run it."""


@pytest.mark.parametrize("name", STEERING_POLICIES)
@given(temps_c=st.lists(st.floats(60.0, 110.0), min_size=1, max_size=10))
@settings(max_examples=5, deadline=None)
def test_no_policy_that_is_installed_passes_it(name: str, temps_c: list[float]) -> None:
    """While it is hot nothing but the lowest operating points reaches the board."""
    policy = _made(name)
    watched = WatchedPolicy(HIKEY, policy)
    supervisor = Steering().supervisor
    for number, temp_c in enumerate(temps_c):
        seen = observation(
            reading(1, cores=(4,), target_ips=9e9), time_s=0.05 * number, opp_index=HIGH
        )
        hot = with_temperatures(seen, temp_c)
        wanted = Decision(watched.migrate(hot), watched.scale(hot))
        left = supervisor.limit(hot, wanted)
        if temp_c >= CRITICAL_C:
            assert HIKEY.lowest_opps == left.opp_index
            assert replace(wanted, opp_index=left.opp_index) == left


_POLICIES: dict[str, Any] = {}


def _made(name: str) -> Any:
    """A policy as the daemon makes it; made once, for networks take long to load."""
    if name not in _POLICIES:
        _POLICIES[name] = policy_factory(name)(PolicyContext(HIKEY, FakeBoard()))
    return _POLICIES[name]
