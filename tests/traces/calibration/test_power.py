"""Tests of the power fit."""

import numpy as np
import pytest

from traces.calibration.power import (
    PowerFit,
    PowerSamples,
    errors_of_held_out_groups,
    fit_power,
    intervals,
)

EVENTS = ("cycles", "instructions", "l2d")
TRUE = PowerFit(EVENTS, np.array([1.5e-10, 1.0e-10, 8e-10]), 0.7e-10, 1.2e-10, 0.08, 0.02)


def samples(
    rng: np.random.Generator, *, groups: int = 20, noise: float = 0.0, truth: PowerFit = TRUE
) -> PowerSamples:
    """Programs of different habits at eight clocks with up to four cores busy."""
    clocks = np.linspace(0.4e9, 1.8e9, 8)
    freq_hz, busy = (part.ravel() for part in np.meshgrid(clocks, [0.2, 1.0, 2.5, 4.0]))
    count = len(freq_hz)
    volt_v = 0.9 + 0.3 * (freq_hz - 0.4e9) / 1.4e9
    habits = [(rng.uniform(0.3, 2.5), 10 ** rng.uniform(-3, -1)) for _ in range(groups)]
    events = np.concatenate(
        [np.outer(freq_hz * busy, [1.0, ipc, misses]) for ipc, misses in habits]
    )
    made = PowerSamples(
        np.repeat([f"program{i:02}" for i in range(groups)], count),
        np.tile(freq_hz, groups),
        np.tile(volt_v, groups),
        rng.uniform(45, 80, count * groups),
        np.tile(busy, groups),
        events,
        np.ones(count * groups),
    )
    power_w = truth.power_w(made) * (1 + noise * rng.standard_normal(count * groups))
    return PowerSamples(*(getattr(made, name) for name in list(vars(made))[:-1]), power_w)


def test_energies_and_leakage_without_noise_are_found() -> None:
    """The leakage's growth too, as it lies on the grid."""
    fit = fit_power(samples(np.random.default_rng(0)), EVENTS)
    assert 0.02 == fit.growth_per_k
    assert fit.coefficients == pytest.approx(TRUE.coefficients, rel=1e-6)


def test_intervals_hold_the_truth_where_programs_differ() -> None:
    """Of 10 sets with 5 % noise each coefficient's interval misses three at most.

    Intervals of 95 % would miss more in one case of a thousand.
    """
    missed = np.zeros(len(TRUE.coefficients))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        seen = samples(rng, noise=0.05)
        fit = fit_power(seen, EVENTS, growth_per_k=0.02)
        low, high = intervals(seen, fit, rng=rng)
        missed += ~((low <= TRUE.coefficients) & (TRUE.coefficients <= high))
    assert missed.max() <= 3


def test_an_event_that_costs_nothing_is_given_no_negative_energy() -> None:
    """Correlated counters would like to; energies are positive or zero."""
    free = PowerFit(EVENTS, np.array([2e-10, 0.0, 0.0]), 0.7e-10, 1e-10, 0.05, 0.02)
    fit = fit_power(samples(np.random.default_rng(3), noise=0.05, truth=free), EVENTS)
    assert (fit.coefficients >= 0).all()
    assert fit.energy_j[1] < 0.2e-10


def test_a_program_that_is_left_out_is_not_seen_by_its_own_fit() -> None:
    """One that draws twice what its counters say shows it in its errors, and alone."""
    seen = samples(np.random.default_rng(4))
    odd = seen.group == "program07"
    power_w = np.where(odd, 2.0, 1.0) * seen.power_w
    doubled = PowerSamples(*(getattr(seen, name) for name in list(vars(seen))[:-1]), power_w)
    errors = errors_of_held_out_groups(doubled, EVENTS, growth_per_k=0.02)
    assert errors[odd] == pytest.approx(-0.5, abs=1e-6)
    assert np.abs(errors[~odd]).max() < 0.4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"power_w": np.array([0.0])}, "power_w must be positive"),
        ({"temp_c": np.array([np.nan])}, "temp_c must be finite"),
        ({"volt_v": np.array([1.0, 1.0])}, "same number of rows"),
    ],
)
def test_samples_that_cannot_be_are_refused(change: dict[str, np.ndarray], said: str) -> None:
    """Before anything is computed."""
    one = np.array([1.0])
    sound = {
        "group": np.array(["a"]),
        "freq_hz": one * 1e9,
        "volt_v": one,
        "temp_c": one * 50,
        "busy_cores": one,
        "events_per_s": np.ones((1, 2)),
        "power_w": one,
    }
    with pytest.raises(ValueError, match=said):
        PowerSamples(**(sound | change))
