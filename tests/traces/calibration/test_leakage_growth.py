"""Tests of whether leakage's growth is told, and of the cubic that stands for it."""

from dataclasses import replace

import numpy as np
import pytest

from platforms.board_file import load_board
from platforms.simulated.power import LeakageShape
from traces.calibration.leakage_growth import cubic, growth_of, study_growth
from traces.calibration.power import GROWTHS_PER_K, PowerFit, PowerSamples

LEAKAGE = load_board("odroid-xu3").leakage


def samples(growth_per_k: float, *, noise: float = 0.0, spread_k: float = 25.0) -> PowerSamples:
    """Programs whose temperature has nothing to do with their load."""
    rng = np.random.default_rng(3)
    count = 200
    freq_hz = rng.choice(np.linspace(0.4e9, 1.8e9, 8), count)
    busy = rng.uniform(0, 4, count)
    made = PowerSamples(
        np.array([f"p{i % 20:02}" for i in range(count)]),
        freq_hz,
        0.9 + 0.2 * freq_hz / 1.8e9,
        60 + spread_k * rng.uniform(-1, 1, count),
        busy,
        (busy * freq_hz)[:, None],
        np.ones(count),
    )
    truth = PowerFit(("cycles",), np.array([2e-10]), 0.5e-10, 0.0, 0.3, growth_per_k)
    power_w = truth.power_w(made) * (1 + noise * rng.standard_normal(count))
    return replace(made, power_w=power_w)


def test_growth_is_told_where_temperature_does_not_follow_load() -> None:
    """It lies on the grid, and resampling keeps finding it."""
    found = study_growth(samples(0.02, noise=0.01), LEAKAGE, rng=np.random.default_rng(0))
    assert found.identified
    assert 0.02 == found.best_per_k == found.used_per_k


def test_growth_at_the_grids_end_is_not_told_and_the_boards_curve_is_kept() -> None:
    """What lies beyond what was tried may be anything."""
    found = study_growth(samples(0.06, noise=0.01), LEAKAGE, rng=np.random.default_rng(0))
    assert not found.identified
    assert growth_of(LEAKAGE) == found.used_per_k != found.best_per_k


def test_growth_is_not_told_where_all_rows_are_as_warm() -> None:
    """Then any growth fits as well."""
    seen = samples(0.02, noise=0.02, spread_k=0.5)
    assert not study_growth(seen, LEAKAGE, rng=np.random.default_rng(0)).identified


@pytest.mark.parametrize("growth_per_k", GROWTHS_PER_K[1:-1])
def test_the_cubic_follows_the_exponential_and_never_falls(growth_per_k: float) -> None:
    """Its deviation is what it says; a board file refuses a curve that falls."""
    coefficients, deviation = cubic(growth_per_k, 50.0)
    temp_c = np.linspace(20, 110, 500)
    value = np.polynomial.polynomial.polyval(temp_c, coefficients)
    off = np.abs(value / np.exp(growth_per_k * (temp_c - 50.0)) - 1).max()
    assert off == pytest.approx(deviation, rel=0.02)
    field_c = np.arange(0, 151)
    assert (np.diff(np.polynomial.polynomial.polyval(field_c, coefficients)) > 0).all()


def test_the_growth_of_a_curve_is_its_mean_between_45_and_80_degrees() -> None:
    """By the curve's own values."""
    low, high = LeakageShape.build(LEAKAGE).value(np.array([45.0, 80.0]))
    assert growth_of(LEAKAGE) == pytest.approx(np.log(high / low) / 35)
