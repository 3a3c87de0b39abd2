"""Tests of priorities: where not all targets can be met the more important ones are met first."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from benchmarks.priorities import App, Load, attained, simulated
from platforms.platform import Migration, Observation
from rm.checker import check_policy
from rm.policies.little_first import LittleFirst
from rm.priorities import (
    IN_VAIN_AFTER_S,
    LONGEST_PAUSE_S,
    MET,
    PATIENCE_S,
    SHARES,
    WELL_FOR_S,
    ByPriority,
    Easing,
)
from tests.rm.readings import HIKEY, observation, reading

ROUND_S = 0.5
STEP_S = PATIENCE_S + ROUND_S
ALL_STEPS = len(SHARES) - 1


class Days:
    """An easing that is told, round after round, how much everybody reaches of a target."""

    def __init__(self, priorities: Mapping[int, int]) -> None:
        self.easing = Easing(HIKEY)
        self.now_s = 0.0
        self._priorities = priorities

    def pass_by(
        self, seconds: float, attained: Mapping[int, float], *, utilisation: float = 1.0
    ) -> dict[int, float]:
        """What counts of the targets after so long."""
        shares: dict[int, float] = {}
        for _ in range(round(seconds / ROUND_S)):
            self.now_s += ROUND_S
            apps = [reading(n, cores=(n,), rate_ips=1e9 * x) for n, x in attained.items()]
            busy = [utilisation] * HIKEY.core_count
            seen = observation(*apps, time_s=self.now_s, utilisation=busy)
            shares = self.easing.shares(seen, self._priorities)
        return shares


def test_as_long_as_all_are_served_every_target_counts_in_full() -> None:
    """And short dips change nothing."""
    days = Days({0: 10, 1: 0})
    assert {} == days.pass_by(60.0, {0: 1.0, 1: 1.2})
    assert {} == days.pass_by(1.0, {0: 0.6, 1: 1.0})
    assert {} == days.pass_by(5.0, {0: 1.0, 1: 1.0})


def test_who_misses_takes_from_the_less_important_step_by_step() -> None:
    """Not from who is as important, nor from the more important."""
    days = Days({0: 5, 1: 5, 2: 0, 3: 9})
    served = {0: 0.7, 1: 1.0, 2: 1.0, 3: 1.0}
    assert {2: SHARES[1]} == days.pass_by(STEP_S, served)
    assert {2: SHARES[2]} == days.pass_by(PATIENCE_S, served)


def test_the_least_important_who_misses_takes_from_nobody() -> None:
    """Its target is what is given up."""
    days = Days({0: 5, 1: 0})
    assert {} == days.pass_by(60.0, {0: 1.0, 1: 0.3})


def test_the_least_important_give_first_and_all_before_the_next() -> None:
    """Up to the tenth of a target that is left to everybody."""
    days = Days({0: 9, 1: 5, 2: 0})
    served = {0: 0.7, 1: 1.0, 2: 1.0}
    assert {2: SHARES[-1]} == days.pass_by(STEP_S + (ALL_STEPS - 1) * PATIENCE_S, served)
    assert {2: SHARES[-1], 1: SHARES[1]} == days.pass_by(PATIENCE_S, served)


def test_when_all_is_well_the_steps_are_taken_back_one_by_one() -> None:
    """The last that was taken first."""
    days = Days({0: 9, 1: 0})
    days.pass_by(STEP_S + PATIENCE_S, {0: 0.7, 1: 1.0})
    well = {0: 1.0, 1: 0.6}
    assert {1: SHARES[2]} == days.pass_by(WELL_FOR_S - 1.0, well)
    assert {1: SHARES[1]} == days.pass_by(4.0, well)
    assert {} == days.pass_by(WELL_FOR_S, well)


def test_a_step_that_was_taken_back_too_early_waits_twice_as_long_the_next_time() -> None:
    """So that nobody is moved to and fro every few seconds."""
    days = Days({0: 9, 1: 0})
    days.pass_by(STEP_S, {0: 0.7, 1: 1.0})
    assert {} == days.pass_by(WELL_FOR_S + 2.0, {0: 1.0, 1: 0.6})
    assert {1: SHARES[1]} == days.pass_by(STEP_S + 1.0, {0: 0.7, 1: 1.0})
    assert {1: SHARES[1]} == days.pass_by(2 * WELL_FOR_S - 1.0, {0: 1.0, 1: 0.6})
    assert {} == days.pass_by(4.0, {0: 1.0, 1: 0.6})


def test_where_it_helps_nobody_the_others_get_theirs_back() -> None:
    """A target beyond what the board can do costs the others seconds, not all their time."""
    days = Days({0: 9, 1: 0})
    served = {0: 0.7, 1: 1.0}
    longest_s = STEP_S + ALL_STEPS * PATIENCE_S + IN_VAIN_AFTER_S + 1.0
    assert {} == days.pass_by(longest_s, served)
    assert {} == days.pass_by(LONGEST_PAUSE_S - 60.0, served)
    assert {1: SHARES[1]} == days.pass_by(60.0, served)


def test_who_comes_or_goes_ends_that() -> None:
    """Something else may be possible now."""
    days = Days({0: 9, 1: 0, 2: 0})
    days.pass_by(30.0, {0: 0.7, 1: 1.0, 2: 1.0})
    assert {1: SHARES[1]} == days.pass_by(STEP_S, {0: 0.7, 1: 1.0})


def test_what_helps_is_kept_although_it_is_not_enough() -> None:
    """As near to the target as can be."""
    days = Days({0: 9, 1: 0})
    days.pass_by(STEP_S + PATIENCE_S, {0: 0.6, 1: 1.0})
    assert {1: SHARES[-1]} == days.pass_by(60.0, {0: 0.9, 1: 0.2})


@pytest.mark.parametrize(("rate", "utilisation"), [(0.0, 1.0), (0.5, 0.4)])
def test_who_wants_no_more_than_it_gets_takes_from_nobody(rate: float, utilisation: float) -> None:
    """A film that is paused, a program that waits for its disk."""
    days = Days({0: 9, 1: 0})
    assert {} == days.pass_by(60.0, {0: rate, 1: 1.0}, utilisation=utilisation)


STRONGEST_OPPS = HIKEY.highest_opps


@pytest.mark.parametrize(
    ("core", "beside", "cap", "gives_way"),
    [
        (4, 5, STRONGEST_OPPS, False),
        (4, 4, STRONGEST_OPPS, True),
        (0, 5, STRONGEST_OPPS, True),
        (4, 5, (0, 3), True),
    ],
    ids=["nobody in the way", "a shared core", "a weak core", "a clock that is held down"],
)
def test_who_has_the_best_place_to_itself_takes_from_nobody(
    core: int, beside: int, cap: tuple[int, ...], gives_way: bool
) -> None:
    """It is as fast as it can be: what it lacks in a heavy phase, nobody else has."""
    easing = Easing(HIKEY)
    for second in range(6):
        apps = reading(0, cores=(core,), rate_ips=0.7e9), reading(1, cores=(beside,))
        seen = observation(*apps, opp_index=cap, opp_cap=cap, time_s=float(second))
        shares = easing.shares(seen, {0: 9, 1: 0})
    assert gives_way == (1 in shares)


def test_when_the_less_important_have_gone_nothing_is_eased() -> None:
    """Nor anybody who comes later at once."""
    days = Days({0: 9, 1: 0, 2: 0})
    days.pass_by(STEP_S, {0: 0.7, 1: 1.0})
    assert {} == days.pass_by(ROUND_S, {0: 0.7})
    assert 0 == days.easing.step
    assert {} == days.pass_by(ROUND_S, {})


# --- the policy around a policy -----------------------------------------------------------------


class Listening:
    """A policy that decides nothing, and remembers what it was shown."""

    name = "listening"
    last_gain = 0.25

    def __init__(self) -> None:
        self.shown: list[Observation] = []

    def migrate(self, seen: Observation) -> tuple[Migration, ...]:
        """No move."""
        self.shown.append(seen)
        return ()

    def scale(self, seen: Observation) -> tuple[int, ...]:
        """As it is."""
        self.shown.append(seen)
        return seen.opp_index


def _missing(time_s: float) -> Observation:
    return observation(
        reading(0, cores=(4,), rate_ips=0.7e9), reading(1, cores=(4,)), time_s=time_s
    )


def test_among_equals_a_policy_is_shown_what_was_seen() -> None:
    """Itself, so that it costs nothing."""
    policy = Listening()
    ranked = (App(0, 3), App(1, 3))
    wrapped = ByPriority(policy, HIKEY, lambda: ranked)
    for number in range(10):
        seen = _missing(float(number))
        wrapped.scale(seen)
        assert seen is policy.shown[-1]


def test_in_one_round_a_policy_is_shown_the_same_twice(caplog: pytest.LogCaptureFixture) -> None:
    """Targets alone differ from what was seen; the log says whose."""
    policy, ranked = Listening(), (App(0, 3), App(1))
    wrapped = ByPriority(policy, HIKEY, lambda: ranked)
    with caplog.at_level(logging.INFO, logger="rm.priorities"):
        for number in range(4):
            seen = _missing(float(number))
            wrapped.migrate(seen)
            wrapped.scale(seen)
    assert policy.shown[-1] is policy.shown[-2]
    assert [1e9, SHARES[1] * 1e9] == [app.target_ips for app in policy.shown[-1].applications]
    assert [0.7e9, 1e9] == [app.rate_ips for app in policy.shown[-1].applications]
    assert ["1 'application-1' 80%"] == [
        record.message.partition("of application ")[2] for record in caplog.records
    ]


def test_a_priority_that_changes_holds_at_once() -> None:
    """A reload may make them all equal."""
    policy, ranked = Listening(), [(App(0, 3), App(1))]
    wrapped = ByPriority(policy, HIKEY, lambda: ranked[0])
    for number in range(4):
        wrapped.scale(_missing(float(number)))
    assert wrapped.eased
    ranked[0] = (App(0), App(1))
    seen = _missing(5.0)
    wrapped.scale(seen)
    assert seen is policy.shown[-1]
    assert {} == wrapped.eased


def test_what_else_a_policy_tells_is_told() -> None:
    """The gain of its moves; and it has no more than the policy has."""
    wrapped = ByPriority(Listening(), HIKEY, lambda: ())
    assert ("listening", 0.25) == (wrapped.name, wrapped.last_gain)
    assert not hasattr(wrapped, "demand")


def test_it_keeps_every_promise_of_a_policy() -> None:
    """With whatever priorities."""
    ranked = tuple(App(number, number % 3) for number in range(20))
    check_policy(lambda: ByPriority(LittleFirst(HIKEY), HIKEY, lambda: ranked), HIKEY)


# --- on the simulated board ---------------------------------------------------------------------


def _attained(ranked: Sequence[App], *, seed: int) -> list[float]:
    """What twelve applications reach of their targets under ilgov, by id.

    Every target is 0.6 of what a big core gives at its top: too much for eight cores, four of them
    little.
    """
    board = simulated(Load(len(ranked), 0.6), HIKEY, seed)
    met, _ = attained(board, "ilgov", HIKEY, ranked, settle_s=20.0, judged_s=30.0)
    return met


@pytest.mark.parametrize("seed", [0, 1])
def test_on_a_board_with_too_much_to_do_ilgov_meets_the_important_targets(seed: int) -> None:
    """Which it misses among equals; the others share what is left."""
    equals = _attained([App(number) for number in range(12)], seed=seed)
    ranked = _attained([App(number, int(number < 2)) for number in range(12)], seed=seed)
    assert max(equals[:2]) < 0.9
    assert min(ranked[:2]) > MET
    assert np.mean(ranked[2:]) > 0.3
