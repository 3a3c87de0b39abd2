"""Tests of the estimate: it encloses what the simulated board does."""

import numpy as np
import pytest

from rm.safety.heat_estimate import LEAST, MOST, HeatEstimate
from tests.rm.readings import HIKEY
from tests.rm.safety.boards import step_run

HIGH = HIKEY.highest_opps


@pytest.mark.parametrize("cooling", ["fan", "passive"])
def test_the_board_lies_between_the_estimates(cooling: str) -> None:
    """A load that switches on: it heats the sensor by no less and no more than they say."""
    estimate = HeatEstimate(HIKEY, ["cls0"])
    run = step_run(HIKEY, cooling=cooling, before=(0, HIGH), after=(8, HIGH), at_s=5.0, seconds=15)
    for seen in run:
        estimate.add(seen)
    risen_k = seen.temperatures[0].temp_c - 25.0
    assert estimate.above_air_k[:, 0, LEAST].min() - 2.0 < risen_k
    assert risen_k < estimate.above_air_k[:, 0, MOST].max() + 2.0
    assert risen_k > 5.0


def test_an_idle_board_stays_at_the_temperature_of_the_air() -> None:
    """Its cores sleep."""
    estimate = HeatEstimate(HIKEY, ["cls0"])
    for seen in step_run(HIKEY, before=(0, HIGH), after=(0, HIGH), at_s=5.0, seconds=10.0):
        estimate.add(seen)
    np.testing.assert_allclose(estimate.above_air_k, 0.0)


def test_it_starts_in_the_steady_state_of_the_load_it_finds() -> None:
    """A daemon that starts late must not expect the board to warm up."""
    estimate = HeatEstimate(HIKEY, ["cls0"])
    steady = (8, HIGH)
    first = None
    for seen in step_run(HIKEY, before=steady, after=steady, at_s=5.0, seconds=30.0):
        if estimate.add(seen) and first is None:
            first = estimate.above_air_k
    assert first is not None
    np.testing.assert_allclose(estimate.above_air_k, first, rtol=1e-3)


def test_changes_of_the_clock_within_a_step_count_for_their_time() -> None:
    """Half of the time fast is half of the heat, whatever the order."""
    low, results = HIKEY.lowest_opps, []
    for turns in (2, 4):
        estimate = HeatEstimate(HIKEY, ["cls0"])
        run = step_run(HIKEY, before=(8, HIGH), after=(8, HIGH), at_s=1.0, seconds=0.85)
        for number, seen in enumerate(run):
            opps = HIGH if number % turns < turns / 2 else low
            estimate.add(
                seen.__class__(
                    *[
                        opps if n == "opp_index" else getattr(seen, n)
                        for n in seen.__struct_fields__
                    ]
                )
            )
        results.append(estimate.above_air_k[:, 0])
    np.testing.assert_allclose(results[0], results[1], rtol=0.1)


def test_a_sensor_cannot_change_faster_than_all_cores_heat_it() -> None:
    """From nothing at once to everything in the long run."""
    estimate = HeatEstimate(HIKEY, ["cls0"])
    changes = [float(estimate.largest_change_k(s)[0]) for s in (0.0, 0.05, 1.0, 1e6)]
    assert changes[0] == pytest.approx(0.0)
    assert changes == sorted(changes)
    assert changes[1] < 1.0
    assert 2.0 < changes[2] < 10.0
    assert changes[3] > 50.0
