"""PELT as Linux documents it: a geometric series of 1024 us periods that halves every 32."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rm.policies.pelt import (
    CAPACITY_SCALE,
    EST_WEIGHT,
    HALF_LIFE_PERIODS,
    PERIOD_S,
    Utilisation,
    Window,
    advanced,
    decay,
)

Y = 0.5 ** (1 / 32)


def _series(shares: list[float]) -> float:
    """``ewma(u) = (u_0 + u_1 y + ...) / (1 + y + ...)``, the newest period last in `shares`."""
    newest_first = reversed(shares)
    return CAPACITY_SCALE * sum(u * Y**n for n, u in enumerate(newest_first)) * (1 - Y)


def _after(shares: list[float], *, start: float = 0.0) -> float:
    util = start
    for share in shares:
        util = advanced(util, Window(PERIOD_S, share, 1.0, idle=share < 1.0))
    return util


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=100))
def test_periods_make_the_documented_series(shares: list[float]) -> None:
    """Decay by y a period, and the newest counts most."""
    assert _after(shares) == pytest.approx(_series(shares), abs=1e-9)


@given(st.floats(0.0, 1.0), st.integers(1, 300))
def test_a_steady_round_is_as_good_as_its_periods_one_by_one(share: float, periods: int) -> None:
    """So that a round of 50 ms may be folded in at once."""
    idle = share < 1.0
    at_once = advanced(300.0, Window(periods * PERIOD_S, share, 1.0, idle))
    assert at_once == pytest.approx(_after([share] * periods, start=300.0), abs=1e-6)


def test_a_contribution_halves_in_32_periods() -> None:
    """y^32 = 1/2."""
    assert 0.5 == decay(HALF_LIFE_PERIODS * PERIOD_S)
    asleep = Window(HALF_LIFE_PERIODS * PERIOD_S, 0.0, 1.0, idle=True)
    assert advanced(600.0, asleep) == pytest.approx(300.0)
    busy = Window(HALF_LIFE_PERIODS * PERIOD_S, 1.0, 1.0, idle=False)
    assert advanced(0.0, busy) == pytest.approx(512.0)


def _settled(share: float, speed: float, *, idle: bool) -> float:
    util = 0.0
    for _ in range(400):
        util = advanced(util, Window(0.05, share, speed, idle))
    return util


@pytest.mark.parametrize(("duty", "speed"), [(0.25, 1.0), (0.5, 0.5), (0.75, 1 / 3)])
def test_the_same_work_is_the_same_utilisation_at_any_frequency_and_core(
    duty: float, speed: float
) -> None:
    """sched-capacity.rst, 2.2 and 2.3: 25 % of a big core, at half the clock, on a third of it."""
    assert _settled(duty, speed, idle=True) == pytest.approx(0.25 * 1024)


def test_a_task_that_never_sleeps_comes_to_1024_on_any_core_but_later_on_a_slow_one() -> None:
    """Nobody can tell how large it would be on a faster one."""
    slow, fast = Window(0.1, 1.0, 0.35, idle=False), Window(0.1, 1.0, 1.0, idle=False)
    assert _settled(1.0, 0.35, idle=False) == pytest.approx(1024)
    assert advanced(0.0, slow) == pytest.approx(1024 * (1 - decay(0.035)))
    assert advanced(0.0, slow) < 0.65 * advanced(0.0, fast)


@given(
    st.lists(
        st.builds(Window, st.floats(0, 10), st.floats(0, 1), st.floats(0, 1), st.booleans()),
        max_size=30,
    )
)
def test_utilisation_stays_on_the_scale(windows: list[Window]) -> None:
    """Whatever is seen: 0 to 1024, and the estimate with it."""
    signal = Utilisation(0.0)
    for window in windows:
        signal = signal.after(window)
        assert 0.0 <= signal.average <= signal.value <= CAPACITY_SCALE + 1e-9


def test_the_estimate_rises_at_once_and_sinks_slowly() -> None:
    """UTIL_EST_FASTUP: a periodic task need not ramp up again after every sleep."""
    up = Utilisation(400.0, 100.0).after(Window(0.0, 0.5, 1.0, idle=True))
    assert 400.0 == up.estimate
    down = Utilisation(200.0, 600.0).after(Window(0.0, 0.5, 1.0, idle=True))
    assert down.estimate == pytest.approx(600.0 - EST_WEIGHT * 400.0)
    assert 200.0 < down.value == down.estimate


def test_an_estimate_within_a_hundredth_of_the_scale_is_left_alone() -> None:
    """UTIL_EST_MARGIN."""
    near = Utilisation(595.0, 600.0).after(Window(0.0, 0.5, 1.0, idle=True))
    assert 600.0 == near.estimate


def test_a_task_that_did_not_sleep_leaves_its_estimate() -> None:
    """It is taken when a task goes to sleep."""
    awake = Utilisation(500.0, 100.0).after(Window(0.05, 1.0, 1.0, idle=False))
    assert 100.0 == awake.estimate
    assert awake.value == awake.average > 500.0
