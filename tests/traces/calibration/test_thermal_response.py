"""The fit's forward model against the simulated board's own network."""

from dataclasses import replace

import numpy as np
import pytest

from platforms.board_file import load_board
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.power import LeakageShape
from traces.calibration.thermal_data import ThermalData, ThermalRun, split_rails
from traces.calibration.thermal_network import ThermalPlan, with_lags, with_levels, with_shifts
from traces.calibration.thermal_response import respond
from traces.calibration.thermal_trial import board_plan

BOARD = load_board("hikey970")
FAN = BOARD.cooling_named("fan")
PLAN = board_plan(BOARD, [FAN])


def own_values(plan: ThermalPlan = PLAN) -> np.ndarray:
    """The parameters at which the plan is the board itself."""
    return plan.prior


def run_of(steps: int = 40, *, start_c: float | None = 31.0, seed: int = 0) -> ThermalRun:
    """Random power on all cores in steps of several lengths."""
    rng = np.random.default_rng(seed)
    core_w = rng.uniform(0, 1, (steps, 8))
    return ThermalRun(
        "run",
        "program",
        "fan",
        rng.choice([0.2, 0.5, 3.0], steps),
        core_w,
        rng.uniform(0, 0.2, steps),
        np.full((steps, 1), np.nan),
        start_c=start_c,
    )


def power_of(run: ThermalRun, step: int) -> np.ndarray:
    """The power per node of the board."""
    power = np.zeros(len(PLAN.nodes))
    power[:8] = run.core_w[step]
    power[PLAN.cluster_node] += run.shared_w[step]
    return power


def shown(plan: ThermalPlan, run: ThermalRun, start_c: float = 0.0) -> np.ndarray:
    """What one network's sensors show."""
    return respond(plan, own_values(plan)[None], run, np.array([start_c]))[0]


def test_a_run_is_that_of_the_simulated_board_s_network() -> None:
    """Step for step the same field, to a microkelvin."""
    run, network = run_of(), HeatNetwork.build(BOARD.thermal, FAN)
    field, expected = np.full(10, 31.0), []
    for step, seconds in enumerate(run.step_s):
        field = network.step(field, power_of(run, step), seconds)
        expected.append(PLAN.sensors[0].weights @ field)
    np.testing.assert_allclose(shown(PLAN, run)[:, 0], expected, atol=1e-6)


def test_a_mean_over_steps_is_that_of_many_small_steps() -> None:
    """Averaged runs show the mean over a step, not its end."""
    run = run_of(6)
    fine = replace(
        run,
        step_s=np.repeat(run.step_s / 400, 400),
        core_w=np.repeat(run.core_w, 400, axis=0),
        shared_w=np.repeat(run.shared_w, 400),
        temp_c=np.repeat(run.temp_c, 400, axis=0),
    )
    expected = shown(PLAN, fine)[:, 0].reshape(6, 400).mean(axis=1)
    found = shown(PLAN, replace(run, averaged=True))[:, 0]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_settled_steps_are_steady_states() -> None:
    """Each on its own, however long it lasted."""
    run, network = replace(run_of(5), settled=True), HeatNetwork.build(BOARD.thermal, FAN)
    expected = [PLAN.sensors[0].weights @ network.steady(power_of(run, i)) for i in range(5)]
    np.testing.assert_allclose(shown(PLAN, run)[:, 0], expected, atol=1e-6)


def test_an_unknown_start_is_the_board_s_with_the_chip_settled_on_it() -> None:
    """Under the first step's power held, the chip moves only with the board."""
    run = run_of(40, start_c=None)
    held = replace(
        run,
        core_w=np.repeat(run.core_w[:1], 40, axis=0),
        shared_w=np.repeat(run.shared_w[:1], 40),
        step_s=np.full(40, 0.05),
    )
    seen = shown(PLAN, held, 45.0)[:, 0]
    assert seen[0] > 45.0
    assert abs(seen[-1] - seen[0]) < 0.5


def test_leakage_settles_where_the_simulated_board_does() -> None:
    """Modelled power with leakage: held for long it ends in the settled state."""
    shape = LeakageShape.build(BOARD.leakage)
    base = run_of(1)
    heavy = np.full((1, 8), 0.4)
    settled = replace(base, core_w=heavy, leakage_w=np.full((1, 8), 0.1), settled=True)
    lasting = replace(
        settled,
        settled=False,
        step_s=np.full(4000, 0.2),
        core_w=np.repeat(heavy, 4000, axis=0),
        shared_w=np.repeat(base.shared_w, 4000),
        temp_c=np.full((4000, 1), np.nan),
        leakage_w=np.full((4000, 8), 0.1),
    )
    theta, start = own_values()[None], np.array([31.0])
    expected = respond(PLAN, theta, settled, start, shape)[0, -1, 0]
    found = respond(PLAN, theta, lasting, start, shape)[0, -1, 0]
    assert found == pytest.approx(expected, abs=0.01)
    assert found > respond(PLAN, theta, replace(settled, leakage_w=None), start)[0, -1, 0] + 1.0


def test_a_lagging_sensor_follows_with_its_time_constant() -> None:
    """Of a slow ramp it shows what was true a time constant before."""
    lag_s = 2.0
    plan = with_lags(PLAN, ["cls0"])
    theta = own_values(plan)
    theta[plan.names.index("lag.cls0")] = np.log(lag_s)
    steps = 2000
    ramp = replace(
        run_of(steps),
        step_s=np.full(steps, 0.05),
        core_w=np.repeat(np.linspace(0, 1, steps)[:, None], 8, axis=1),
        shared_w=np.zeros(steps),
    )
    prompt = respond(PLAN, own_values()[None], ramp, np.array([0.0]))[0, :, 0]
    late = respond(plan, theta[None], ramp, np.array([0.0]))[0, :, 0]
    np.testing.assert_allclose(late[-400:], prompt[-440:-40], atol=0.02)


def test_power_that_is_told_a_step_late_is_taken_a_step_earlier() -> None:
    """A shift by a whole step takes the next step's power."""
    plan = with_shifts(PLAN, ["fan"])
    theta = own_values(plan)
    theta[plan.names.index("shift.fan")] = 0.5
    run = replace(run_of(20), step_s=np.full(20, 0.5))
    early = replace(run, core_w=np.roll(run.core_w, -1, 0), shared_w=np.roll(run.shared_w, -1))
    found = respond(plan, theta[None], run, np.array([0.0]))[0, :-1, 0]
    np.testing.assert_allclose(found, shown(PLAN, early)[:-1, 0], atol=1e-9)


def test_a_level_is_added_to_what_its_sensor_shows() -> None:
    """And to nothing else."""
    plan = with_levels(PLAN, ["cls0"])
    theta = own_values(plan)
    theta[plan.names.index("level.cls0")] = 1.5
    run = run_of(5)
    found = respond(plan, theta[None], run, np.array([0.0]))[0]
    np.testing.assert_allclose(found, shown(PLAN, run) + 1.5, atol=1e-9)


def test_every_pole_is_real_and_negative_whatever_the_parameters() -> None:
    """Positive resistances and capacities by construction."""
    rng = np.random.default_rng(0)
    thetas = own_values() + rng.normal(0, 3, (200, len(PLAN.parameters)))
    rates = PLAN.networks(thetas, "fan").rates
    assert np.isfinite(rates).all()
    assert (rates > 0).all()


def test_a_rail_s_power_goes_to_the_busy_cores_and_the_shared_part() -> None:
    """Nothing is lost; an idle cluster's power is all shared."""
    power = np.array([[1.0, 2.0], [0.5, 0.3]])
    used = np.array([[0.5, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.5]])
    core_w, shared_w = split_rails(power, used, [(0, 1), (2, 3)], shared_ratio=0.2)
    np.testing.assert_allclose(core_w.sum(axis=1) + shared_w, power.sum(axis=1))
    assert core_w[0, 0] > 0
    assert core_w[0, 1] == 0
    assert core_w[1, 0] == core_w[1, 1] == 0


def test_data_that_do_not_fit_together_are_refused_by_name() -> None:
    """The run, the field and what it must be."""
    run = run_of(5)
    with pytest.raises(ValueError, match="run: shared_w must have one row per step, 5"):
        replace(run, shared_w=run.shared_w[:3])
    with pytest.raises(ValueError, match="run: core_w must be finite"):
        replace(run, core_w=run.core_w * np.nan)
    with pytest.raises(ValueError, match="run: step_s must hold positive times"):
        replace(run, step_s=-run.step_s)
    with pytest.raises(ValueError, match="run: temp_c must have a column per sensor, 2"):
        ThermalData(("a", "b"), (run,))
