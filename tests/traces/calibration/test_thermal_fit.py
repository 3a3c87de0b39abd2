"""The thermal fit: what it recovers, what it says it cannot, and what comes of it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace as with_fields

from platforms.application_file import shipped_applications
from platforms.board_file import check, load_board
from traces.calibration.thermal_data import ThermalData
from traces.calibration.thermal_fit import ThermalFit, fit_thermal
from traces.calibration.thermal_intervals import inflation
from traces.calibration.thermal_likelihood import best_noise, reading_terms
from traces.calibration.thermal_network import plan_of
from traces.calibration.thermal_section import notes, suggest_thermal_section
from traces.calibration.thermal_structure import chain_thermal, choose_structure
from traces.calibration.thermal_trial import Trial, draw_trial


@cache
def trial(name: str = "hikey970", seed: int = 0, *, rails: bool = True) -> Trial:
    """A random board, and three minutes of two schedules on it."""
    rng = np.random.default_rng([7, seed])
    return draw_trial(
        load_board(name), shipped_applications(), rng, runs=2, run_s=180.0, rails=rails
    )


@cache
def fitted(name: str = "hikey970", seed: int = 0, *, rails: bool = True) -> ThermalFit:
    """Its fit."""
    one = trial(name, seed, rails=rails)
    return fit_thermal(one.plan, one.data, shape=one.shape)


@pytest.mark.parametrize("step_k", [0.0, 0.3, 2.0])
def test_the_likelihood_s_slope_and_curvature_are_its_derivatives(step_k: float) -> None:
    """By finite differences, near and far from the reading."""
    mean, tiny = np.linspace(15.0, 27.0, 61), 1e-4
    reading = np.full_like(mean, 20.0)

    def value(at: np.ndarray) -> np.ndarray:
        return reading_terms(reading, at, 0.5, step_k)[0]

    _, slope, curvature = reading_terms(reading, mean, 0.5, step_k)
    up, here, down = value(mean + tiny), value(mean), value(mean - tiny)
    np.testing.assert_allclose(slope, (up - down) / (2 * tiny), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(curvature, -(up - 2 * here + down) / tiny**2, atol=1e-3, rtol=1e-3)


def test_the_probabilities_of_all_rounded_readings_add_up_to_one() -> None:
    """The grid's cells cover the line; densities are per kelvin."""
    readings = np.arange(-20.0, 21.0)
    log_p = reading_terms(readings, np.full_like(readings, 0.3), 0.4, 1.0)[0]
    assert np.exp(log_p).sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("noise_k", "step_k"), [(0.5, 0.0), (0.5, 0.2), (0.5, 1.0), (0.3, 1.0)])
def test_the_noise_is_found_below_the_rounding(noise_k: float, step_k: float) -> None:
    """Rounding widens the residuals, and is not taken for noise."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(20, 60, 20000)
    noisy = mean + noise_k * rng.standard_normal(len(mean))
    read = noisy if step_k == 0 else step_k * np.round(noisy / step_k)
    assert best_noise(read, mean, step_k) == pytest.approx(noise_k, rel=0.05)


def test_scores_that_hang_together_count_less() -> None:
    """White scores count fully; those of an AR(1) by (1 + r) / (1 - r), about."""
    rng = np.random.default_rng(0)
    white = rng.standard_normal((8, 4000))
    slow = np.zeros_like(white)
    for i in range(1, white.shape[1]):
        slow[:, i] = 0.8 * slow[:, i - 1] + 0.6 * white[:, i]
    assert inflation([w[:, None] for w in white]) < 1.1
    assert 6.5 < inflation([s[:, None] for s in slow]) < 10.0


def test_sensors_that_err_together_count_less() -> None:
    """Four copies of one sensor are worth one."""
    rng = np.random.default_rng(0)
    runs = [np.repeat(rng.standard_normal((500, 1)), 4, axis=1) for _ in range(4)]
    assert inflation(runs) == pytest.approx(4.0, rel=0.2)


@pytest.mark.parametrize(
    ("name", "seed", "rails"), [("hikey970", 0, True), ("hikey960", 1, False), ("rk3588", 2, True)]
)
def test_what_is_identified_is_recovered_in_its_interval(name: str, seed: int, rails: bool) -> None:
    """Of the intervals that are stated to hold together, all do."""
    one, fit = trial(name, seed, rails=rails), fitted(name, seed, rails=rails)
    assert fit.converged
    told = [e for e in fit.estimates if e.identified]
    assert len(told) >= 3
    missed = [e.name for e in told if not e.all_low <= one.truth[e.name] <= e.all_high]
    assert [] == missed


def test_the_noise_is_the_sensor_s() -> None:
    """What is left over is noise, not misfit."""
    fit = fitted()
    residuals = np.concatenate([fit.residuals(run).ravel() for run in trial().data.runs])
    step_k = fit.plan.sensors[0].step_k
    expected = np.sqrt(fit.noise_k[0] ** 2 + step_k**2 / 12)
    assert np.nanstd(residuals) == pytest.approx(expected, rel=0.1)


def test_what_no_sensor_sees_is_kept_at_the_prior_and_said_to_be_assumed() -> None:
    """One sensor on the big cluster tells little of how the little cores couple to each other."""
    fit = fitted()
    found = next(e for e in fit.estimates if e.name == "conductance.little.neighbours")
    assert not found.identified
    assert found.kept
    assert found.value == pytest.approx(found.prior)
    assert found.low < found.prior < found.high
    assert any("kept at the prior (assumed)" in line for line in notes(fit))


def test_air_and_resistance_are_confounded_in_a_short_run_at_one_power() -> None:
    """The fit says so instead of giving a number."""
    one = trial()
    run = one.data.runs[0]
    steps = 100
    held = replace(
        run.first(steps),
        core_w=np.repeat(run.core_w[50:51], steps, axis=0),
        shared_w=np.repeat(run.shared_w[50:51], steps),
        temp_c=np.full((steps, 1), 48.0),
    )
    fit = fit_thermal(one.plan, ThermalData(one.data.sensors, (held,)))
    air = next(e for e in fit.estimates if e.name == "air.fan")
    assert not air.identified
    assert any("confounded" in line for line in notes(fit))


def test_a_start_is_told_by_the_first_readings() -> None:
    """A prediction that sees three readings is as good as one that sees the run's start."""
    one, fit = trial("rk3588", 2), fitted("rk3588", 2)
    run = one.data.runs[1]
    error = fit.residuals(run, first_steps=3)
    assert np.sqrt(np.nanmean(error**2)) < 1.5 * np.sqrt(np.nanmean(fit.residuals(run) ** 2)) + 0.2


def test_the_suggestion_is_a_board_file_s_section_with_sources() -> None:
    """Put into the board it is sound, and every value says that it is fitted, or assumed."""
    board = load_board("hikey970")
    fit = fitted()
    found = suggest_thermal_section(fit, board, data="trial")
    assert ["fan"] == [setup.name for setup in found.cooling]
    assert fit.value("conductance.ambient.fan") == found.cooling[0].conductance_w_per_k
    assert found.cooling[0].sources["ambient_c"].startswith("fitted: trial, 95 % intervals")
    links = found.thermal.sources["links.conductance_w_per_k"]
    assert links.startswith("fitted: ")
    assert "assumed, not told by the data: " in links
    whole = with_fields(board, thermal=found.thermal, cooling=found.cooling)
    assert [] == list(check(whole))


def test_the_structure_is_chosen_by_what_was_held_out() -> None:
    """A board with a die between cores and board is not taken for one without."""
    one, board = trial("hikey970", 3), load_board("hikey970")
    clusters = [(cluster.name, cluster.cores) for cluster in board.clusters]
    fan = [board.cooling_named("fan")]
    plans = [
        (
            " ".join(shared),
            replace(
                plan_of(chain_thermal(clusters, shared), clusters, fan, []),
                sensors=(replace(one.plan.sensors[0], weights=_big(len(shared))),),
            ),
        )
        for shared in (("board",), ("die", "board"))
    ]
    tried = choose_structure(plans, one.data, {"run0": 0, "run1": 1}.__getitem__)
    assert "die board" == tried[0].name
    assert tried[0].held_out_k < tried[1].held_out_k


def _big(shared: int) -> np.ndarray:
    """The mean of the big cores."""
    return np.array([0.0] * 4 + [0.25] * 4 + [0.0] * shared)
