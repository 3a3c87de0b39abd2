"""Tests of the failsafe: nothing that a policy says passes it."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rm.safety.failsafe import Failsafe
from tests.rm.readings import HIKEY, observation
from tests.rm.safety.boards import BOARDS, with_temperatures

LOWEST = HIKEY.lowest_opps
WANTED = HIKEY.highest_opps

anything = st.one_of(
    st.tuples(*[st.integers(-3, 99)] * 2),
    st.lists(st.one_of(st.integers(), st.floats(), st.none()), max_size=4).map(tuple),
    st.none(),
)
temps_c = st.one_of(st.floats(), st.floats(60.0, 100.0))


def limited(failsafe: Failsafe, temp_c: float, wanted: Any = WANTED, **options: Any) -> Any:
    """What is left of what a policy wants at this temperature."""
    return failsafe.limit(with_temperatures(observation(), temp_c, **options), wanted)


@given(temps=st.lists(temps_c, min_size=1, max_size=30), wanted=anything)
def test_no_policy_passes_it_while_a_reading_is_hot(temps: list[float], wanted: Any) -> None:
    """Whatever was before and whatever is wanted, of whatever type."""
    failsafe = Failsafe(HIKEY, critical_c=85.0)
    for temp_c in temps:
        left = limited(failsafe, temp_c, wanted)
        if not temp_c < 85.0:
            assert LOWEST == left
        assert left in (LOWEST, wanted) or left is wanted


@given(temps=st.lists(st.floats(60.0, 100.0), min_size=1, max_size=50))
def test_it_ends_only_below_the_hysteresis(temps: list[float]) -> None:
    """Between 80 and 85 degC it stays what it was."""
    failsafe, hot = Failsafe(HIKEY, critical_c=85.0), False
    for temp_c in temps:
        hot = temp_c >= 85.0 or (hot and temp_c >= 80.0)
        assert (LOWEST if hot else WANTED) == limited(failsafe, temp_c)
        assert hot == failsafe.active


def test_it_begins_at_the_critical_temperature_itself() -> None:
    """And says why."""
    failsafe = Failsafe(HIKEY, critical_c=85.0)
    assert WANTED == limited(failsafe, 84.9)
    assert failsafe.reason is None
    assert LOWEST == limited(failsafe, 85.0)
    assert failsafe.reason == "cls0 must be below 85 degC (got 85)"
    assert 1 == failsafe.rounds


@pytest.mark.parametrize("temp_c", [math.nan, -math.inf, -40.0, 131.0])
def test_a_reading_that_cannot_be_is_hot(temp_c: float) -> None:
    """-40 degC from a dead sensor must not mean full speed."""
    failsafe = Failsafe(HIKEY, critical_c=85.0)
    assert LOWEST == limited(failsafe, temp_c)
    assert failsafe.reason == "cls0 has no plausible reading, which counts as hot"


def test_an_old_reading_is_hot() -> None:
    """The board may have changed since."""
    failsafe = Failsafe(HIKEY, critical_c=85.0)
    assert WANTED == limited(failsafe, 45.0, age_s=5.0)
    assert LOWEST == limited(failsafe, 45.0, age_s=5.1)
    assert LOWEST == limited(failsafe, 45.0, age_s=math.nan)


def test_a_missing_reading_is_hot() -> None:
    """Blind means slow."""
    failsafe = Failsafe(HIKEY, critical_c=85.0)
    assert LOWEST == failsafe.limit(replace(observation(), temperatures=()), WANTED)
    assert failsafe.reason == "cls0 has no reading, which counts as hot"


def test_sensors_in_doubt_are_hot() -> None:
    """The sensor watch knows more than one reading tells."""
    failsafe = Failsafe(HIKEY, critical_c=85.0)
    seen = with_temperatures(observation(), 45.0)
    assert LOWEST == failsafe.limit(seen, WANTED, trusted=False)
    assert WANTED == failsafe.limit(seen, WANTED)


def test_the_hottest_of_many_sensors_decides() -> None:
    """One hot spot is enough."""
    board = BOARDS["rk3588"]
    seen = with_temperatures(observation(board=board), 45.0, 45.0, 91.0, 45.0, 45.0, 45.0, 45.0)
    failsafe = Failsafe(board, critical_c=90.0)
    assert board.lowest_opps == failsafe.limit(seen, board.highest_opps)
    assert failsafe.reason == "bigcore2 must be below 90 degC (got 91)"


def test_sensors_that_are_not_watched_may_be_missing_but_not_hot() -> None:
    """What the kernel does not show cannot be waited for; what it shows counts."""
    board = BOARDS["rk3588"]
    seen = observation(board=board)
    some = replace(seen, temperatures=seen.temperatures[:2])
    failsafe = Failsafe(board, critical_c=90.0, sensors=["package"])
    assert board.highest_opps == failsafe.limit(some, board.highest_opps)
    hot = with_temperatures(some, 45.0, 95.0)
    assert board.lowest_opps == failsafe.limit(hot, board.highest_opps)
