"""A governor that goes by load, and a controller that reacts to the cap."""

import pytest

from training.federated.systems.joint_batch_frequency.reactive import PATIENCE, TICK_S, Step, ride

SLOW = Step(sample_s=0.02, peak_w=3.0, mean_w=2.5)
MIDDLE = Step(sample_s=0.01, peak_w=5.0, mean_w=4.0)
FAST = Step(sample_s=0.005, peak_w=8.0, mean_w=7.0)
STEPS = [SLOW, MIDDLE, FAST]


def test_without_a_reason_to_react_it_runs_at_the_top() -> None:
    """A cap above everything."""
    found = ride(STEPS, 1000, cap_w=9.0)
    assert (5, 35, 0) == pytest.approx((found.time_s, found.energy_j, found.over_s))


def test_it_keeps_trying_the_step_above_the_cap() -> None:
    """One tick in eleven is over, and the first one."""
    found = ride(STEPS, 100_000, cap_w=6.0)
    share = 1 / (PATIENCE + 1)
    assert share == pytest.approx(found.over_share, rel=0.01)
    calm, over = (1 - share) / MIDDLE.sample_s, share / FAST.sample_s
    assert 100_000 / (calm + over) == pytest.approx(found.time_s, rel=0.01)


def test_all_samples_are_trained_and_all_time_is_paid() -> None:
    """Time of every step over its seconds per sample adds up, whatever is left at the end."""
    for samples in (1, 7, 33, 250, 1234):
        found = ride(STEPS, samples, cap_w=6.0)
        above = found.over_s / FAST.sample_s
        below = (found.time_s - found.over_s) / MIDDLE.sample_s
        assert samples == pytest.approx(above + below)
        assert 7.0 * found.over_s + 4.0 * (found.time_s - found.over_s) == pytest.approx(
            found.energy_j
        )


def test_a_short_burst_is_over_before_the_controller_looks() -> None:
    """All of it above the cap."""
    found = ride(STEPS, 10, cap_w=6.0)
    assert 1 == found.over_share
    assert 10 * FAST.sample_s == pytest.approx(found.time_s)


def test_where_nothing_holds_the_cap_it_stays_at_the_slowest() -> None:
    """And is above the cap all the time."""
    found = ride(STEPS, 1000, cap_w=1.0)
    done = TICK_S / FAST.sample_s + TICK_S / MIDDLE.sample_s
    assert 2 * TICK_S + (1000 - done) * SLOW.sample_s == pytest.approx(found.time_s)
    assert 1 == found.over_share
