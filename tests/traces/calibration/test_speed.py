"""Tests of the speed fit: what went in comes out, and what the data cannot tell is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces.calibration.speed import SpeedFit, Speeds, errors_at_held_out_clocks, fit_speed
from traces.calibration.stall_predictor import StallPredictor, relative_time

CLOCKS_HZ = np.linspace(0.4e9, 1.8e9, 8)


def speeds_of(cpi: float, stall_s: float, crowding: float, noise: np.ndarray | float = 0) -> Speeds:
    """Exact times, off by a relative `noise`."""
    time_s = cpi / CLOCKS_HZ + stall_s + crowding * CLOCKS_HZ
    return Speeds(CLOCKS_HZ, time_s * (1 + noise))


@settings(deadline=None, max_examples=60)
@given(st.floats(0.3, 4), st.floats(0, 3e-9), st.sampled_from([0.0, 0.3e-18, 1e-18]))
def test_a_program_without_noise_is_found_exactly(
    cpi: float, stall_s: float, crowding: float
) -> None:
    """With and without the third term, which is taken only where it is needed."""
    fit = fit_speed(speeds_of(cpi, stall_s, crowding))
    expected = speeds_of(cpi, stall_s, crowding).s_per_instruction
    assert fit.s_per_instruction(CLOCKS_HZ) == pytest.approx(expected, rel=1e-6)
    assert fit.cpi.value == pytest.approx(cpi, rel=1e-3, abs=1e-6)
    assert fit.stall_s.value == pytest.approx(stall_s, rel=1e-3, abs=1e-12)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """400 programs with 2 % noise: 95 % within four standard errors."""
    rng = np.random.default_rng(5)
    inside = np.array([_holds(rng) for _ in range(400)])
    for share in inside.mean(axis=0):
        assert 0.95 - 4 * np.sqrt(0.95 * 0.05 / 400) <= share <= 1.0


def _holds(rng: np.random.Generator) -> tuple[bool, bool]:
    cpi, stall_s = rng.uniform(0.5, 2), rng.uniform(0.1e-9, 1e-9)
    fit = fit_speed(speeds_of(cpi, stall_s, 0.0, 0.02 * rng.standard_normal(8)), terms=2)
    return (
        fit.cpi.low <= cpi <= fit.cpi.high,
        fit.stall_s.low <= stall_s <= fit.stall_s.high,
    )


def test_two_clocks_give_values_without_an_interval() -> None:
    """As many values as measurements: nothing is left to judge them by."""
    fit = fit_speed(speeds_of(1.0, 0.5e-9, 0.0).where(np.arange(8) < 2))
    assert fit.cpi.value == pytest.approx(1.0)
    assert not fit.cpi.identified
    assert not fit.stall_s.identified


def test_one_clock_gives_cycles_alone() -> None:
    """It does not tell stalls from cycles."""
    fit = fit_speed(speeds_of(1.0, 0.5e-9, 0.0).where(np.arange(8) < 1))
    assert 0.0 == fit.stall_s.value
    assert fit.cpi.value == pytest.approx(1.0 + 0.5e-9 * CLOCKS_HZ[0])


def test_a_clock_that_is_held_out_does_not_help_to_predict_itself() -> None:
    """A wrong measurement shows in its own error only there."""
    noise = np.zeros(8)
    noise[3] = 0.2
    errors = errors_at_held_out_clocks(speeds_of(1.0, 0.3e-9, 0.0, noise), terms=2)
    assert 3 == int(np.abs(errors).argmax())
    assert errors[3] == pytest.approx(1 / 1.2 - 1, abs=1e-9)


def test_the_share_of_stall_grows_with_the_clock() -> None:
    """Half of the time at the clock where cycles and stalls take as long."""
    fit = fit_speed(speeds_of(1.0, 1e-9, 0.0))
    assert fit.stall_share(1e9) == pytest.approx(0.5)
    assert fit.stall_share(2e9) > fit.stall_share(1e9)


@pytest.mark.parametrize(
    ("freq_hz", "time_s", "said"),
    [
        ([], [], "must be pairs"),
        ([1e9], [1e-9, 2e-9], "must be pairs"),
        ([1e9], [0.0], "s_per_instruction must be positive"),
        ([np.nan], [1e-9], "freq_hz must be positive"),
    ],
)
def test_measurements_that_cannot_be_are_refused(
    freq_hz: list[float], time_s: list[float], said: str
) -> None:
    """Before anything is computed."""
    with pytest.raises(ValueError, match=said):
        Speeds(np.array(freq_hz), np.array(time_s))


def test_stalls_of_a_program_seen_at_one_clock_are_told_from_programs_like_it() -> None:
    """Where the counters do say it: here the share is a smooth function of one event."""
    rng = np.random.default_rng(1)
    misses = 10 ** rng.uniform(-4, -1, 80)
    events = np.column_stack([misses, rng.uniform(0.5, 2, 80)])
    share = 0.2 * (np.log10(misses) + 4)
    predictor = StallPredictor.fit(events[:60], share[:60])
    assert np.abs(predictor.stall_share(events[60:]) - share[60:]).max() < 0.05
    usual = np.abs(share[60:] - share[:60].mean()).mean()
    assert np.abs(predictor.stall_share(events[60:]) - share[60:]).mean() < 0.1 * usual


def test_relative_time_is_one_at_the_reference_clock() -> None:
    """Whatever the share."""
    assert relative_time(np.array([0.0, 0.4]), np.array([1e9]), 1e9).tolist() == [[1.0], [1.0]]


def test_a_fit_is_a_value() -> None:
    """Two of the same data are equal, so reports can compare them."""
    assert isinstance(fit_speed(speeds_of(1, 0, 0)), SpeedFit)
    assert fit_speed(speeds_of(1, 0, 0)) == fit_speed(speeds_of(1, 0, 0))
