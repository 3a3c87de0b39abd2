"""Tests of the kernel's own thermal protection, the last resort below every policy."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.simulated.protection import StepWise
from tests.platforms.programs import HIKEY

HOT, WARM, COOL = 85.0, 84.5, 83.9


def _after(*samples_c: float) -> StepWise:
    kernel = StepWise(HIKEY)
    for temp_c in samples_c:
        kernel.update(temp_c)
    return kernel


def test_every_sample_above_the_trip_takes_a_point_from_every_cluster() -> None:
    """Linux's step_wise: slowly, and as long as it is hot."""
    assert (6, 8) == _after().caps
    assert (5, 7) == _after(HOT).caps
    assert (3, 5) == _after(HOT, 90.0, HOT).caps


def test_a_cluster_that_has_nothing_left_to_give_stays_at_its_lowest_point() -> None:
    """Clusters have different numbers of points."""
    assert (0, 0) == _after(*[HOT] * 50).caps
    assert (0, 1) == _after(*[HOT] * 50, COOL).caps


def test_within_the_hysteresis_nothing_changes() -> None:
    """Else the clusters would flap around the trip."""
    assert _after(HOT, HOT).caps == _after(HOT, HOT, WARM, WARM, WARM).caps


def test_below_the_hysteresis_every_sample_gives_a_point_back() -> None:
    """Until all are back."""
    assert (5, 7) == _after(HOT, HOT, COOL).caps
    kernel = _after(HOT, HOT, COOL, COOL, COOL)
    assert HIKEY.highest_opps == kernel.caps
    assert not kernel.throttling


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
    kernel = _after(HOT, HOT)
    kernel.release()
    assert HIKEY.highest_opps == kernel.caps


def test_a_board_without_protection_is_never_capped() -> None:
    """The board file says so."""
    kernel = StepWise(replace(HIKEY, protection=None))
    assert not kernel.update(200.0)
    assert HIKEY.highest_opps == kernel.caps
    assert kernel.sensor is None
