"""Tests of the sensor: it shows what the board's would, no more and no finer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.simulated.sensor import SimulatedSensor
from tests.platforms.programs import HIKEY, job, opps, simulated

DESCRIBED = HIKEY.sensors[0]
QUIET = replace(DESCRIBED, noise_k=0.0)


def _sensor(*, quiet: bool = False, seed: int = 0) -> SimulatedSensor:
    return SimulatedSensor(HIKEY, QUIET if quiet else DESCRIBED, np.random.default_rng(seed))


@given(st.floats(-20.0, 140.0), st.integers(0, 99))
def test_values_lie_on_steps_of_0_216_k_from_the_offset(true_c: float, seed: int) -> None:
    """The HiKey 970's driver: -73720 + 216 x step milli-degrees."""
    steps = (_sensor(seed=seed).sample(0.0, true_c) - DESCRIBED.offset_c) / 0.216
    assert steps == pytest.approx(round(steps), abs=1e-6)


@given(st.floats(-20.0, 140.0))
def test_without_noise_the_value_is_the_nearest_step(true_c: float) -> None:
    """Quantisation is off by half a step at most."""
    assert abs(_sensor(quiet=True).sample(0.0, true_c) - true_c) <= 0.108 + 1e-9


def test_noise_has_the_described_width_and_no_bias() -> None:
    """0.5 K standard deviation, over 4000 samples."""
    sensor = _sensor()
    values = np.array([sensor.sample(float(i), 50.0) for i in range(4000)])
    assert values.mean() == pytest.approx(50.0, abs=0.03)
    assert values.std() == pytest.approx(np.hypot(0.5, 0.216 / np.sqrt(12)), rel=0.05)


def test_the_same_seed_draws_the_same_noise() -> None:
    """And another seed other noise."""
    drawn = []
    for seed in (5, 5, 6):
        sensor = _sensor(seed=seed)
        drawn.append([sensor.sample(float(i), 50.0) for i in range(20)])
    assert drawn[0] == drawn[1] != drawn[2]


def test_it_sits_where_its_weights_say() -> None:
    """On the mean of the four big cores."""
    field_c = np.zeros(len(HIKEY.thermal.nodes))
    field_c[4:8] = [40.0, 50.0, 60.0, 70.0]
    assert 55.0 == _sensor().true_c(field_c)


def test_a_value_stays_for_a_second_and_its_age_is_told() -> None:
    """Stale is visible: a reading is a value and how old it is."""
    board = simulated(job(cores=(4,)))
    board.apply(opps(0, 8))
    shown: dict[int, set[float]] = {}
    for tenth in range(1, 60):
        board.advance_to(tenth / 10)
        (reading,) = board.observe().temperatures
        assert (tenth % 10) / 10 == pytest.approx(reading.age_s, abs=1e-9)
        shown.setdefault(tenth // 10, set()).add(reading.temp_c)
    assert [1] * 6 == [len(values) for values in shown.values()]
    assert len(set.union(*shown.values())) > 1


def test_a_reading_follows_the_true_temperature() -> None:
    """Within noise (4 sigma), half a step and what passes in a second of waiting."""
    board = simulated(*(job(i, cores=(4 + i,)) for i in range(4)), cooling="passive")
    board.apply(opps(0, 6))
    for second in range(10, 100):
        board.advance_to(float(second))
        (reading,) = board.observe().temperatures
        assert reading.temp_c == pytest.approx(board.sensor_temp_c, abs=2.2)
