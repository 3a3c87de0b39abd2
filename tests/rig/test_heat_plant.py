"""Tests of the rig's physics: it is the simulated board's, fed from outside."""

import numpy as np
import pytest

from platforms.application import Job
from platforms.application_file import find_applications
from platforms.board_file import load_board
from platforms.simulated.simulated_board import SimulatedBoard
from tests.rig.heat_plant import IDLE, CoreUse, HeatPlant, activity_of
from tests.rig.places import RIG

BOARD = load_board(str(RIG / "boards" / "rig44.toml"))
(PROGRAM,) = find_applications(["office_ghostscript"])


def plant(**options: float) -> HeatPlant:
    """A plant under the heat sink."""
    cooling = BOARD.cooling_named("heatsink")
    return HeatPlant(BOARD, cooling, rng=np.random.default_rng(0), **options)


def test_one_program_heats_the_plant_as_it_heats_the_simulated_board() -> None:
    """Same program, core and operating point: the same temperatures after 30 s."""
    job = Job(id=1, profile=PROGRAM, target_ips=1.0, cores=(6,))
    cooling = BOARD.cooling_named("heatsink")
    simulated = SimulatedBoard(BOARD, cooling=cooling, rng=np.random.default_rng(0), jobs=[job])
    rig = plant()
    uses = [IDLE] * BOARD.core_count
    freq_hz = BOARD.clusters[1].freqs_hz[0]
    uses[6] = CoreUse(1.0, activity_of(PROGRAM, BOARD, 6, freq_hz))
    for step in range(1, 151):
        simulated.advance_to(0.2 * step)
        rig.advance(0.2, (0, 0), uses)
    assert simulated.temperatures_c == pytest.approx(rig.temp_c, abs=0.02)


def test_a_core_that_is_busy_half_the_time_takes_half_the_power_above_idle() -> None:
    """The power of a step is its mean, so the share counts and not the order."""
    used = {}
    for share in (0.0, 0.5, 1.0):
        rig = plant()
        rig.advance(0.001, (3, 3), [CoreUse(share, 0.8)] + [IDLE] * 7)
        used[share] = rig.power_w
    assert used[0.5] == pytest.approx((used[0.0] + used[1.0]) / 2, rel=1e-6)


def test_a_sensor_keeps_its_value_until_its_period_is_over() -> None:
    """As the real ones do: the rig's refresh twice a second."""
    rig = plant(start_temp_c=60.0)
    first = rig.shown_c()
    rig.advance(0.4, (0, 0), [IDLE] * 8)
    assert first == rig.shown_c()
    rig.advance(0.2, (0, 0), [IDLE] * 8)
    assert first != rig.shown_c()


def test_sensors_show_whole_steps() -> None:
    """Steps of 0.2 K are all that the guest's driver can read."""
    steps = np.array(plant(start_temp_c=43.21).shown_c()) / 0.2
    assert np.round(steps) == pytest.approx(steps)
