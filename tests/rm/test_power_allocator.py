"""The power allocator as Documentation/driver-api/thermal/power_allocator.rst describes it."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board import Board
from platforms.board_file import load_board
from platforms.platform import Observation, TemperatureReading
from rm.policies.energy_model import EnergyModel
from rm.policies.power_allocator import (
    PidConstants,
    PidController,
    PowerAllocator,
    divvy_up,
    estimate_pid_constants,
)
from tests.rm.readings import HIKEY, observation

SUSTAINABLE_W, T_ON_C, T_SET_C = 2.5, 65.0, 85.0
CONSTANTS = estimate_pid_constants(SUSTAINABLE_W, T_SET_C - T_ON_C)
MOST_W = 100.0
FULL = (360.0,) * 4 + (1024.0,) * 4


def _pid(constants: PidConstants = CONSTANTS) -> PidController:
    return PidController(constants, SUSTAINABLE_W, T_SET_C)


# --- the controller -----------------------------------------------------------------------------


def test_the_default_constants_are_the_documented_ones() -> None:
    """k_pu = 2 sustainable / (T_set - T_on), k_po half of it, k_i a tenth, no k_d, cut-off 0."""
    expected = PidConstants(k_po=0.125, k_pu=0.25, k_i=0.025, k_d=0.0, integral_cutoff_k=0.0)
    assert expected == CONSTANTS


def test_the_budget_falls_from_three_times_to_once_sustainable_power() -> None:
    """From the switch-on to the desired temperature, linearly, as the documentation derives."""
    budgets = [_pid().budget_w(temp_c, MOST_W) for temp_c in (T_ON_C, 75.0, T_SET_C)]
    assert budgets == pytest.approx([3 * SUSTAINABLE_W, 2 * SUSTAINABLE_W, SUSTAINABLE_W])


def test_overshoot_is_answered_with_k_po() -> None:
    """4 K over: 4 x 0.125 W less, and the first share of the integral."""
    budget_w = _pid().budget_w(T_SET_C + 4.0, MOST_W)
    assert budget_w == pytest.approx(SUSTAINABLE_W - 4 * CONSTANTS.k_po - 4 * CONSTANTS.k_i)


def test_errors_are_summed_below_the_cut_off_only() -> None:
    """By default while the temperature is over the target; undershoot does not make up for it."""
    pid = _pid()
    for temp_c in (80.0, 86.0, 87.0, 70.0):
        pid.budget_w(temp_c, MOST_W)
    assert -3.0 == pid.error_sum_k


def test_a_cut_off_above_0_sums_undershoot_too() -> None:
    """Within 10 K of the target."""
    pid = _pid(PidConstants(k_po=0.1, k_pu=0.2, k_i=0.02, integral_cutoff_k=10.0))
    for temp_c in (70.0, 80.0, 86.0):
        pid.budget_w(temp_c, MOST_W)
    assert 5.0 - 1.0 == pid.error_sum_k


def test_the_integral_never_outgrows_what_can_be_allocated() -> None:
    """A board that stays hot for an hour recovers as fast as one that was for a minute."""
    pid = _pid()
    for _ in range(10_000):
        pid.budget_w(T_SET_C + 5.0, 4.0)
    assert CONSTANTS.k_i * abs(pid.error_sum_k) < 4.0


def test_the_derivative_term_slows_the_approach() -> None:
    """With a k_d, a sinking error means less power."""
    plain, damped = _pid(), _pid(replace(CONSTANTS, k_d=0.1))
    for pid in (plain, damped):
        pid.budget_w(75.0, MOST_W)
    assert damped.budget_w(77.0, MOST_W) == pytest.approx(plain.budget_w(77.0, MOST_W) - 0.2)


@given(st.lists(st.floats(-20.0, 130.0), min_size=1, max_size=60), st.floats(0.1, 10.0))
def test_a_budget_lies_between_nothing_and_everything(temps_c: list[float], most_w: float) -> None:
    """Whatever the sensor shows."""
    pid = _pid()
    assert all(0.0 <= pid.budget_w(temp_c, most_w) <= most_w for temp_c in temps_c)


# --- the division -------------------------------------------------------------------------------


def test_one_who_requests_alone_receives_everything() -> None:
    """divvy_up_power's own first example."""
    assert (6.0, 0.0) == divvy_up([2.0, 0.0], [9.0, 9.0], 6.0)


def test_equal_requests_get_equal_shares() -> None:
    """Its second: three actors, a third each, whatever little they asked for."""
    shares = divvy_up([0.001] * 3, [9.0] * 3, 6.0)
    assert shares == pytest.approx((2.0, 2.0, 2.0))


def test_surplus_goes_to_the_others_by_how_far_they_are_from_their_most() -> None:
    """Shares 6, 2, 2 of 10 W; the first takes 3: its 3 W go to rooms of 2 and 4 W, 1 to 2."""
    granted = divvy_up([3.0, 1.0, 1.0], [3.0, 4.0, 6.0], 10.0)
    assert granted == pytest.approx((3.0, 3.0, 4.0))


def test_surplus_that_nobody_can_take_is_left() -> None:
    """Everybody has its most."""
    assert (1.0, 2.0) == divvy_up([1.0, 1.0], [1.0, 2.0], 10.0)


def test_without_requests_everybody_may_have_its_most() -> None:
    """An idle board in the sun: the next load need not start at the lowest frequency."""
    assert (1.0, 2.0) == divvy_up([0.0, 0.0], [1.0, 2.0], 0.5)


_ACTORS = st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(0.01, 10.0)), min_size=1, max_size=6)


@given(_ACTORS, st.floats(0.0, 30.0))
def test_no_more_is_granted_than_there_is_and_than_anybody_can_take(
    actors: list[tuple[float, float]], budget_w: float
) -> None:
    """And nothing is held back that somebody who asked could take."""
    requested, most = zip(*actors, strict=True)
    granted = divvy_up(requested, most, budget_w)
    assert all(0.0 <= g <= m + 1e-9 for g, m in zip(granted, most, strict=True))
    if sum(requested) > 0.0:
        assert sum(granted) == pytest.approx(min(budget_w, sum(most)), abs=1e-6)


# --- caps on a board ----------------------------------------------------------------------------


def _seen(
    temp_c: float, *, opp_index: tuple[int, ...] = (6, 8), board: Board = HIKEY
) -> Observation:
    hot = tuple(TemperatureReading(s.name, temp_c, 0.1) for s in board.sensors)
    return replace(observation(board=board, opp_index=opp_index), temperatures=hot)


def _allocator(board: Board = HIKEY) -> PowerAllocator:
    assert board.protection is not None
    return PowerAllocator(board, EnergyModel.of(board), board.protection)


def _drawn_w(caps: Sequence[int]) -> float:
    domains = EnergyModel.of(HIKEY).domains
    return sum(len(d.cores) * d.powers_w[cap] for d, cap in zip(domains, caps, strict=True))


def test_below_the_switch_on_temperature_nothing_is_capped() -> None:
    """However much is drawn."""
    assert HIKEY.highest_opps == _allocator().update(_seen(64.9), FULL)


def test_at_the_switch_on_temperature_three_times_sustainable_is_more_than_all_can_take() -> None:
    """12 W against the board's 5.8 W: control begins without a step."""
    assert HIKEY.highest_opps == _allocator().update(_seen(65.0), FULL)


def test_at_the_target_the_clusters_take_the_sustainable_power_at_most() -> None:
    """4 W; the next higher OPP of the cluster with the coarser steps would pass it."""
    caps = _allocator().update(_seen(85.0), FULL)
    assert caps != HIKEY.highest_opps
    assert 2.0 < _drawn_w(caps) <= 4.0


@given(st.floats(65.0, 100.0), st.floats(0.0, 5.0))
def test_a_hotter_board_is_never_capped_higher(temp_c: float, hotter_k: float) -> None:
    """At the first look of two equal allocators."""
    cool, hot = (_allocator().update(_seen(t), FULL) for t in (temp_c, temp_c + hotter_k))
    assert all(h <= c for h, c in zip(hot, cool, strict=True))


def test_the_weights_favour_the_little_cluster() -> None:
    """1024 against 512 in the HiKey's tree: with equal weights LITTLE is capped lower."""
    equal = replace(HIKEY, clusters=tuple(replace(c, thermal_weight=1024) for c in HIKEY.clusters))
    assert (
        _allocator().update(_seen(88.0), FULL)[0] > _allocator(equal).update(_seen(88.0), FULL)[0]
    )


def test_an_idle_cluster_leaves_its_power_to_the_other() -> None:
    """4 W for one busy big core: it may run at the top."""
    alone = (0.0,) * 4 + (1024.0, 0.0, 0.0, 0.0)
    assert 8 == _allocator().update(_seen(85.0), alone)[1]


def test_overshoot_tightens_the_caps_poll_by_poll_until_the_board_is_cool() -> None:
    """The integral remembers, and the switch-on temperature resets it."""
    allocator = _allocator()
    first = allocator.update(_seen(85.5), FULL)
    for _ in range(40):
        later = allocator.update(_seen(85.5), FULL)
    assert _drawn_w(later) < _drawn_w(first)
    assert HIKEY.highest_opps == allocator.update(_seen(64.0), FULL)
    assert first == allocator.update(_seen(85.5), FULL)


def test_every_poll_of_a_long_round_is_integrated() -> None:
    """25 ms polls: a second in which the governor slept holds the same forty as forty rounds."""
    once, often = _allocator(), _allocator()
    at_once = once.update(replace(_seen(86.0), window_s=1.0), FULL)
    rounds = [often.update(replace(_seen(86.0), window_s=0.025), FULL) for _ in range(40)]
    assert at_once == rounds[-1] != rounds[0]


def test_between_two_polls_the_caps_hold() -> None:
    """The HiKey 960 polls every 100 ms, two rounds of the governor."""
    board = load_board("hikey960")
    allocator = _allocator(board)
    seen = _seen(75.0, opp_index=board.highest_opps, board=board)
    full = EnergyModel.of(board).core_capacity
    assert board.highest_opps == allocator.update(seen, full)
    assert board.highest_opps != allocator.update(seen, full)


def test_without_its_sensor_nothing_changes() -> None:
    """Blind, it keeps what it last thought right."""
    allocator = _allocator()
    caps = allocator.update(_seen(86.0), FULL)
    blind = replace(_seen(40.0), temperatures=())
    assert caps == allocator.update(blind, FULL) != HIKEY.highest_opps
