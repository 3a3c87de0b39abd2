"""Tests of the kernel's own thermal protection, the last resort below every policy."""

import math

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board_file import load_board
from platforms.simulated.protection import StepWise
from tests.platforms.programs import HIKEY

NANO = load_board("jetson-nano")
TRIP, WARM, COOL = 85.0, 84.5, 83.9


def _after(*samples_c: float) -> StepWise:
    kernel = StepWise(HIKEY)
    for temp_c in samples_c:
        kernel.update(temp_c)
    return kernel


def test_every_sample_above_the_trip_and_rising_takes_a_point_from_every_cluster() -> None:
    """Linux's step_wise: slowly, and as long as it grows hotter."""
    assert (6, 8) == _after().caps
    assert (5, 7) == _after(COOL, TRIP).caps
    assert (3, 5) == _after(COOL, TRIP, 86.0, 90.0).caps


def test_accelerators_that_compute_are_capped_with_the_clusters() -> None:
    """As long as they have points to give; the deepest of all says where it ends."""
    kernel = StepWise(NANO)
    assert ((14,), (11,)) == (kernel.caps, kernel.accelerator_caps)
    for step in range(1, 20):
        kernel.update(100.0 + step)
        assert ((max(0, 14 - step),), (max(0, 11 - step),)) == (
            kernel.caps,
            kernel.accelerator_caps,
        )
    assert () == StepWise(HIKEY).accelerator_caps


def test_the_first_sample_counts_as_rising() -> None:
    """A board that starts hot must not wait until it is hotter still."""
    assert (5, 7) == _after(TRIP).caps


def test_above_the_trip_nothing_changes_while_it_cools_or_holds_its_temperature() -> None:
    """The point that is taken works already: more would be too much."""
    assert _after(90.0).caps == _after(90.0, 90.0, 89.0, 86.0, TRIP).caps


def test_a_cluster_that_has_nothing_left_to_give_stays_at_its_lowest_point() -> None:
    """Clusters have different numbers of points."""
    climb = [TRIP + step for step in range(20)]
    assert (0, 0) == _after(*climb).caps
    assert (0, 1) == _after(*climb, COOL).caps


def test_within_the_hysteresis_nothing_changes() -> None:
    """Else the clusters would flap around the trip."""
    assert _after(TRIP, 86.0).caps == _after(TRIP, 86.0, WARM, 84.4, WARM).caps


def test_below_the_hysteresis_every_falling_sample_gives_a_point_back() -> None:
    """Until all are back."""
    assert (5, 7) == _after(TRIP, 86.0, COOL).caps
    kernel = _after(TRIP, 86.0, COOL, 83.8, 83.7)
    assert HIKEY.highest_opps == kernel.caps
    assert not kernel.throttling


def test_below_the_hysteresis_nothing_is_given_back_while_it_warms_or_holds() -> None:
    """It would be taken again at once."""
    assert _after(TRIP, 86.0).caps == _after(TRIP, 86.0, WARM, COOL + 1.0).caps
    assert (5, 7) == _after(TRIP, 86.0, 70.0, 70.0, 71.0).caps


def test_the_kernel_looks_more_often_from_the_switch_on_temperature_on() -> None:
    """Below it the sensor's own samples are enough."""
    assert math.inf == _after().pause_s
    assert math.inf == _after(64.9).pause_s
    assert HIKEY.protection is not None
    assert HIKEY.protection.polling_s == _after(64.9, 65.0).pause_s
    assert math.inf == _after(90.0, 64.9).pause_s


@given(st.lists(st.floats(60.0, 110.0), max_size=60))
def test_caps_stay_on_the_board_and_move_by_one_point_a_sample(samples_c: list[float]) -> None:
    """And a change is reported exactly when there is one."""
    kernel = StepWise(HIKEY)
    for temp_c in samples_c:
        before = kernel.caps
        changed = kernel.update(temp_c)
        assert changed or before == kernel.caps
        for old, new, top in zip(before, kernel.caps, HIKEY.highest_opps, strict=True):
            assert 0 <= new <= top
            assert abs(new - old) <= 1
        assert kernel.throttling == (kernel.caps != HIKEY.highest_opps)


def test_release_forgets_the_past() -> None:
    """A warm start begins with a board that nothing has throttled yet."""
    kernel = _after(TRIP, 86.0)
    kernel.release()
    assert HIKEY.highest_opps == kernel.caps
    assert kernel.update(TRIP)  # rising again, as if it were the first


def test_a_board_without_protection_is_never_capped() -> None:
    """The board file says so."""
    kernel = StepWise(replace(HIKEY, protection=None))
    assert not kernel.update(200.0)
    assert HIKEY.highest_opps == kernel.caps
    assert kernel.sensor is None
    assert math.inf == kernel.pause_s
