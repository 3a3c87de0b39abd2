"""Tests of the governor's loops: they keep time, admit lateness and catch nothing up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import Decision, Migration, Observation, TrainingGrant
from rm.governor import Governor, Periods
from tests.rm.readings import HIKEY, observation, reading


class _FakeClock:
    """Time that passes when it is slept, and when a test lets it stall."""

    def __init__(self, start_s: float = 0.0) -> None:
        self.time_s = start_s

    def now_s(self) -> float:
        return self.time_s

    def sleep_until(self, time_s: float) -> None:
        self.time_s = max(self.time_s, time_s)


class _FakePlatform:
    """Shows one application; keeps what is asked for, as far as the cap allows."""

    def __init__(self, clock: _FakeClock) -> None:
        self.clock = clock
        self.seen = observation(reading(0))
        self.applied: list[Decision] = []
        self.asked = self.seen.opp_index

    @property
    def board(self) -> Board:
        return HIKEY

    def observe(self) -> Observation:
        pairs = zip(self.asked, self.seen.opp_cap, strict=True)
        opps = tuple(min(pair) for pair in pairs)
        self.seen = replace(self.seen, time_s=self.clock.time_s, opp_index=opps)
        return self.seen

    def apply(self, decision: Decision) -> None:
        self.applied.append(decision)
        self.asked = decision.opp_index or self.asked


class _FakePolicy:
    """Notes when it is asked; stalls the clock in the rounds that it is told to."""

    name = "fake"

    def __init__(self, clock: _FakeClock, stalls_s: dict[int, float] | None = None) -> None:
        self.clock = clock
        self.stalls_s = stalls_s or {}
        self.scaled_s: list[float] = []
        self.migrated_s: list[float] = []
        self.moves: tuple[Migration, ...] = ()
        self.opps = HIKEY.lowest_opps

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        self.migrated_s.append(round(self.clock.time_s, 6))
        return self.moves

    def scale(self, observation: Observation) -> tuple[int, ...]:
        self.scaled_s.append(round(self.clock.time_s, 6))
        self.clock.time_s += self.stalls_s.get(len(self.scaled_s), 0.0)
        return self.opps


class _Bench:
    """A governor on a fake clock, platform and policy."""

    def __init__(self, stalls_s: dict[int, float] | None = None, start_s: float = 0.0) -> None:
        self.clock = _FakeClock(start_s)
        self.platform = _FakePlatform(self.clock)
        self.policy = _FakePolicy(self.clock, stalls_s)
        self.heard: list[tuple[Observation, Decision]] = []
        self.governor = Governor(
            self.platform,
            self.policy,
            self.clock,
            periods=Periods(dvfs_s=0.1, migration_s=1.0),
            listener=lambda *heard: self.heard.append(heard),
        )


# --- time ---------------------------------------------------------------------------------------


def test_rounds_are_absolute_multiples_of_the_period() -> None:
    """No drift, wherever the clock starts and whatever a round takes."""
    bench = _Bench(dict.fromkeys(range(1, 99), 0.03), start_s=1000.0)
    bench.governor.run(1002.0)
    assert [round(1000 + 0.1 * n, 6) for n in range(1, 21)] == bench.policy.scaled_s
    assert (20, 0) == (bench.governor.rounds, bench.governor.missed_rounds)


def test_migration_is_due_once_in_its_period() -> None:
    """Every tenth DVFS round here."""
    bench = _Bench()
    bench.governor.run(3.0)
    assert [1.0, 2.0, 3.0] == bench.policy.migrated_s


def test_a_stall_of_five_periods_gives_one_late_round_and_no_burst() -> None:
    """What was missed is counted and not made up for."""
    bench = _Bench({3: 0.55})
    bench.governor.run(2.0)
    after = [time_s for time_s in bench.policy.scaled_s if time_s > 0.3]
    assert [0.9, 1.0, 1.1] == after[:3]  # the third round ends at 0.85
    assert 5 == bench.governor.missed_rounds
    assert 15 == bench.governor.rounds


def test_a_clock_that_wakes_five_periods_late_gives_one_late_round_as_well() -> None:
    """The machine slept, not the policy."""
    bench = _Bench()
    sleep = bench.clock.sleep_until

    def oversleep(time_s: float) -> None:
        sleep(time_s + (0.5 if abs(time_s - 0.4) < 1e-9 else 0.0))

    bench.clock.sleep_until = oversleep  # type: ignore[method-assign]
    bench.governor.run(2.0)
    assert [0.1, 0.2, 0.3, 0.9, 1.0, 1.1] == bench.policy.scaled_s[:6]
    assert (15, 5) == (bench.governor.rounds, bench.governor.missed_rounds)


def test_a_round_that_ends_just_in_time_misses_nothing() -> None:
    """The next one starts at once."""
    bench = _Bench({2: 0.1})
    bench.governor.run(1.0)
    assert (9, 1) == (bench.governor.rounds, bench.governor.missed_rounds)
    bench = _Bench({2: 0.0999})
    bench.governor.run(1.0)
    assert (10, 0) == (bench.governor.rounds, bench.governor.missed_rounds)


def test_a_migration_that_fell_into_a_stall_is_made_up_for_once() -> None:
    """In the first round after it; the next one is due at its own time."""
    bench = _Bench({8: 0.75})  # asleep from 0.8 to 1.55
    bench.governor.run(3.0)
    assert [1.6, 2.0, 3.0] == bench.policy.migrated_s


def test_several_missed_migrations_are_one() -> None:
    """A burst of moves would be decided on one and the same observation."""
    bench = _Bench({8: 2.75})  # asleep from 0.8 to 3.55
    bench.governor.run(5.0)
    assert [3.6, 4.0, 5.0] == bench.policy.migrated_s


@given(
    st.dictionaries(st.integers(1, 30), st.floats(0.0, 3.0), max_size=5),
    st.floats(0.0, 1e6),
    st.integers(0, 40),
)
def test_every_round_is_either_run_or_missed(
    stalls_s: dict[int, float], start_s: float, count: int
) -> None:
    """Rounds that no longer lie within the run are neither."""
    bench = _Bench(stalls_s, start_s=start_s)
    bench.governor.run(start_s + 0.1 * count)
    assert count == bench.governor.rounds + bench.governor.missed_rounds
    assert bench.governor.rounds == len(bench.policy.scaled_s)


class _Trainer(_FakePolicy):
    """Grants and clocks what it is told to, and notes when it is asked."""

    grants: tuple[TrainingGrant, ...] = ()
    clocks: tuple[int | None, ...] = ()

    def train(self, observation: Observation) -> tuple[TrainingGrant, ...]:
        assert len(self.scaled_s) == round(observation.time_s / 0.1)  # after scale
        return self.grants

    def accelerate(self, observation: Observation) -> tuple[int | None, ...]:
        return self.clocks


def _trained() -> tuple[_FakePlatform, _Trainer, Governor]:
    clock = _FakeClock()
    platform, policy = _FakePlatform(clock), _Trainer(clock)
    return platform, policy, Governor(platform, policy, clock, periods=Periods(dvfs_s=0.1))


def test_grants_are_carried_out_in_the_round_that_decides_them() -> None:
    """Whatever else holds as it was said before; no grant changes nothing."""
    platform, policy, governor = _trained()
    governor.run(0.3)
    assert 1 == len(platform.applied)
    grants = policy.grants = (TrainingGrant(1, 0, (4,)),)
    governor.run(0.5)
    policy.grants = ()
    governor.run(0.9)
    assert [(), grants, grants] == [d.grants for d in platform.applied]


def test_accelerators_are_clocked_until_they_have_what_was_asked_for() -> None:
    """Who resets a clock behind the governor's back gets it set again."""
    platform, policy, governor = _trained()
    governor.run(0.2)
    platform.seen = replace(platform.seen, accelerator_opp=(2,))
    policy.clocks = (None,)
    governor.run(0.4)
    assert 1 == len(platform.applied)
    policy.clocks = (5,)
    governor.run(0.6)
    assert [(), (5,), (5,)] == [d.accelerator_opp for d in platform.applied]
    platform.seen = replace(platform.seen, accelerator_opp=(5,))
    governor.run(0.9)
    assert 3 == len(platform.applied)


def test_a_policy_that_does_not_train_is_asked_nothing_of_it() -> None:
    """Its decisions hold no grant and leave the accelerators."""
    bench = _Bench()
    bench.governor.run(0.3)
    assert {((), ())} == {(d.grants, d.accelerator_opp) for d in bench.platform.applied}


def test_a_run_that_ends_before_its_first_round_does_nothing() -> None:
    """Nor does one that ends in the past."""
    bench = _Bench(start_s=5.0)
    bench.governor.run(5.05)
    bench.governor.run(1.0)
    assert 0 == bench.governor.rounds


def test_stop_ends_the_run_between_two_rounds() -> None:
    """A daemon that is told to end finishes what it is doing."""
    bench = _Bench()
    bench.governor.run(10.0, stop=lambda: bench.governor.rounds == 3)
    assert 3 == bench.governor.rounds
    assert bench.clock.time_s == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("dvfs_s", "migration_s"),
    [
        (0.0, 0.5),
        (-0.05, 0.5),
        (0.05, 0.0),
        (0.05, 0.12),
        (0.5, 0.05),
        (float("nan"), 0.5),
        (0.05, float("nan")),
        (0.05, float("inf")),
    ],
)
def test_periods_that_do_not_fit_together_are_refused(dvfs_s: float, migration_s: float) -> None:
    """With both values in the message."""
    message = rf"migration_s must be a whole multiple .* \(got {migration_s} and {dvfs_s}\)"
    with pytest.raises(InvalidInput, match=message):
        Periods(dvfs_s=dvfs_s, migration_s=migration_s)


def test_the_default_periods_are_the_papers() -> None:
    """50 ms and 500 ms: ten rounds to a migration."""
    assert 10 == Periods().rounds_per_migration
    assert 3 == Periods(dvfs_s=0.1, migration_s=0.3).rounds_per_migration


# --- decisions ----------------------------------------------------------------------------------


def test_a_decision_that_changes_nothing_is_not_carried_out_again() -> None:
    """A write to the machine is never for nothing."""
    bench = _Bench()
    bench.governor.run(3.0)
    assert [Decision((), (0, 0))] == bench.platform.applied
    assert 0 == bench.governor.opp_changes


def test_changes_are_carried_out_and_counted() -> None:
    """Operating points and migrations, each for itself."""
    bench = _Bench()
    bench.policy.opps = (2, 3)
    bench.policy.moves = (Migration(0, (5,)),)
    bench.governor.run(2.0)
    assert (1, 2) == (bench.governor.opp_changes, bench.governor.migrations)
    assert Decision((), (2, 3)) == bench.platform.applied[0]
    assert Decision((Migration(0, (5,)),), (2, 3)) == bench.platform.applied[1]


def test_what_the_kernel_caps_is_asked_for_once_and_is_no_change() -> None:
    """Else a throttled board would count a change in every round."""
    bench = _Bench()
    bench.platform.seen = replace(bench.platform.seen, opp_cap=(6, 5))
    bench.policy.opps = (0, 8)
    bench.governor.run(2.0)
    assert [Decision((), (0, 8))] == bench.platform.applied
    assert 1 == bench.governor.opp_changes  # from 0 to the cap


def test_a_wish_that_equals_the_cap_replaces_an_earlier_higher_one() -> None:
    """Else the board would jump up once the cap is lifted, which nobody asked for any more."""
    bench = _Bench()
    bench.platform.seen = replace(bench.platform.seen, opp_cap=(6, 5))
    bench.policy.opps = (0, 8)
    bench.governor.run(0.5)
    bench.policy.opps = (0, 5)
    bench.governor.run(1.0)
    bench.platform.seen = replace(bench.platform.seen, opp_cap=(6, 8))
    assert (0, 5) == bench.platform.observe().opp_index


def test_a_rivals_change_is_undone() -> None:
    """The operating points are what the policy says, whoever else writes them."""
    bench = _Bench()
    bench.policy.opps = (2, 2)
    bench.governor.run(1.0)
    bench.platform.asked = (6, 8)
    bench.governor.run(1.2)
    assert (2, 2) == bench.platform.observe().opp_index


def test_the_listener_hears_every_round() -> None:
    """The observation, and what was decided on it, applied or not."""
    bench = _Bench()
    bench.governor.run(1.0)
    assert 10 == len(bench.heard)
    assert all(Decision((), (0, 0)) == decision for _, decision in bench.heard)
    times_s = [seen.time_s for seen, _ in bench.heard]
    assert [0.1 * number for number in range(1, 11)] == pytest.approx(times_s)


def test_a_governor_needs_no_listener_and_no_periods() -> None:
    """The defaults are the paper's."""
    clock = _FakeClock()
    governor = Governor(_FakePlatform(clock), _FakePolicy(clock), clock)
    governor.run(1.0)
    assert 20 == governor.rounds


# --- the guard ----------------------------------------------------------------------------------


class _FakeGuard:
    """Admits what it is told to, and never lets the big cluster above its lowest point."""

    def __init__(self, *, admits: bool) -> None:
        self.open = admits

    def admits(self, observation: Observation) -> bool:
        return self.open

    def limit(self, observation: Observation, decision: Decision) -> Decision:
        assert decision.opp_index is not None
        return replace(decision, opp_index=(decision.opp_index[0], 0))


def _guarded(*, admits: bool) -> tuple[_Bench, _FakeGuard]:
    bench, guard = _Bench(), _FakeGuard(admits=admits)
    bench.governor = Governor(
        bench.platform,
        bench.policy,
        bench.clock,
        periods=Periods(dvfs_s=0.1, migration_s=1.0),
        guard=guard,
        listener=lambda *heard: bench.heard.append(heard),
    )
    return bench, guard


def test_a_policy_is_not_asked_and_nothing_is_applied_while_the_guard_does_not_admit() -> None:
    """The kernel steers then; the governor goes on watching."""
    bench, _ = _guarded(admits=False)
    bench.governor.run(1.0)
    assert ([], []) == (bench.policy.scaled_s, bench.platform.applied)
    assert [Decision()] * 10 == [decision for _, decision in bench.heard]


def test_what_the_guard_leaves_of_a_decision_is_applied() -> None:
    """No policy passes it."""
    bench, _ = _guarded(admits=True)
    bench.policy.opps = (3, 8)
    bench.governor.run(0.1)
    assert [Decision((), (3, 0))] == bench.platform.applied


def test_a_decision_is_applied_anew_after_the_guard_had_closed() -> None:
    """What was asked for before does not hold any more: the knobs were given back."""
    bench, guard = _guarded(admits=True)
    bench.governor.run(0.3)
    guard.open = False
    bench.governor.run(0.6)
    guard.open = True
    bench.governor.run(0.9)
    assert [Decision((), (0, 0))] * 2 == bench.platform.applied


def test_a_stop_during_the_sleep_ends_without_another_round() -> None:
    """A signal that comes while the governor sleeps is answered at once."""
    bench = _Bench()
    bench.governor.run(9.0, stop=lambda: bench.clock.time_s > 0.25)
    assert 2 == bench.governor.rounds


def test_a_run_without_an_end_goes_on_until_it_is_stopped() -> None:
    """A daemon does not know when it will end."""
    bench = _Bench()
    bench.governor.run(float("inf"), stop=lambda: bench.governor.rounds >= 25)
    assert 25 == bench.governor.rounds
