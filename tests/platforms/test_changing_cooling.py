"""A cooling setup that turns into another one during a run: exact in time, unseen by the policy."""

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board import CoolingChange
from platforms.board_file import check, load_board, shipped_boards
from platforms.errors import InvalidInput
from platforms.simulated.heat import HeatNetwork
from platforms.simulated.simulated_board import SimulatedBoard
from tests.platforms.programs import HIKEY, MEMORY, job, opps

FAILS = HIKEY.cooling_named("fan-fails")
FAN, PASSIVE = HIKEY.cooling_named("fan"), HIKEY.cooling_named("passive")
WITHOUT_LEAKAGE = replace(
    HIKEY, clusters=tuple(replace(cluster, leakage_w_per_v3=0.0) for cluster in HIKEY.clusters)
)


def busy(cooling: str, **fields: object) -> SimulatedBoard:
    """A HiKey with an application on a big and one on a LITTLE core."""
    given = {"board": HIKEY, "rng": np.random.default_rng(1)} | fields
    board = given["board"]
    jobs = [job(0, cores=(4,)), job(1, MEMORY, cores=(0,))]
    simulated = SimulatedBoard(  # type: ignore[misc]
        cooling=board.cooling_named(cooling),  # type: ignore[attr-defined]
        jobs=jobs,
        **given,  # type: ignore[arg-type]
    )
    simulated.apply(opps(6, 8))
    return simulated


@settings(deadline=None, max_examples=40)
@given(
    run_s=st.floats(0.5, 400.0),
    share=st.floats(0.05, 0.95),
    start_c=st.floats(25.0, 60.0),
    looks=st.lists(st.floats(0.0, 1.0), max_size=4),
)
def test_heat_before_and_after_the_change_is_each_networks_own(
    run_s: float, share: float, start_c: float, looks: list[float]
) -> None:
    """Two exact steps of constant power, the second from where the first one ended."""
    setup = replace(FAILS, then=CoolingChange(cooling="passive", at_share=share))
    board = replace(WITHOUT_LEAKAGE, cooling=(FAN, PASSIVE, setup))
    simulated = busy("fan-fails", board=board, run_s=run_s, start_temp_c=start_c)
    power_w = simulated.power_w
    for look in sorted(looks):
        simulated.advance_to(look * run_s)
        simulated.observe()
    simulated.advance_to(run_s)
    fan, passive = (HeatNetwork.build(board.thermal, cooling) for cooling in (FAN, PASSIVE))
    field = np.full(len(fan.names), start_c)
    field = fan.step(field, power_w, share * run_s)
    field = passive.step(field, power_w, (1.0 - share) * run_s)
    np.testing.assert_allclose(field, simulated.temperatures_c, atol=1e-6)
    assert math.isclose(power_w.sum() * run_s, simulated.energy_j, rel_tol=1e-9)


def test_no_temperature_and_no_energy_jumps_at_the_change() -> None:
    """With leakage as well: a microsecond before and at the change all is as good as the same."""
    simulated = busy("fan-fails", run_s=100.0)
    simulated.advance_to(50.0 - 1e-6)
    before_c, before_j = simulated.temperatures_c, simulated.energy_j
    assert "fan-fails" == simulated.cooling.name
    simulated.advance_to(50.0)
    assert "passive" == simulated.cooling.name
    np.testing.assert_allclose(before_c, simulated.temperatures_c, atol=1e-5)
    assert 0.0 < simulated.energy_j - before_j < 1e-5


def test_until_the_change_nothing_differs_from_a_fan_that_holds() -> None:
    """Readings, too, to the last bit: a policy cannot know."""
    failing, holding = busy("fan-fails", run_s=100.0), busy("fan")
    for time_s in (10.0, 49.9):
        failing.advance_to(time_s)
        holding.advance_to(time_s)
        assert holding.observe() == failing.observe()
    for board in (failing, holding):
        board.advance_to(100.0)
    assert failing.sensor_temp_c > holding.sensor_temp_c + 1.0


def test_after_the_change_the_board_settles_as_under_the_new_setup() -> None:
    """Leakage and all: it is that setup from then on."""
    failed, passive = busy("fan-fails", run_s=10.0), busy("passive")
    failed.advance_to(6.0)
    for board in (failed, passive):
        board.settle()
    np.testing.assert_allclose(passive.temperatures_c, failed.temperatures_c, atol=1e-6)


def test_a_change_at_a_share_of_a_run_of_unknown_length_is_refused() -> None:
    """It would never come, and nobody would see that it did not."""
    expected = (
        "cooling fan-fails changes at 50% of a run, so it needs the run's length (got none); "
        "take passive, or one that lasts"
    )
    with pytest.raises(InvalidInput, match=re.escape(expected)):
        busy("fan-fails")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda then: replace(then, cooling="water"),
            "cooling.fan-fails.then.cooling must name a setup that lasts, one of fan, passive, ",
        ),
        (
            lambda then: replace(then, cooling="fan-fails"),
            "fan-cold, fan-hot (got 'fan-fails')",
        ),
        (
            lambda then: replace(then, at_share=1.0),
            "cooling.fan-fails.then.at_share must lie between 0 and 1 (got 1.0)",
        ),
    ],
)
def test_a_change_that_cannot_be_is_named(
    change: Callable[[CoolingChange], CoolingChange], message: str
) -> None:
    """With the key, the requirement and the value."""
    assert FAILS.then is not None
    wrong = replace(FAILS, then=change(FAILS.then))
    cooling = tuple(wrong if setup is FAILS else setup for setup in HIKEY.cooling)
    (problem,) = [text for text in check(replace(HIKEY, cooling=cooling)) if "then" in text]
    assert message in problem


@pytest.mark.parametrize("name", sorted(set(shipped_boards()) - {"odroid-xu3"}))
def test_every_shipped_board_has_the_setups_to_compare_under(name: str) -> None:
    """Fan, none, a heat sink, hot and cold air, a fan that fails; ordered as physics has it.

    A board that was calibrated has the setups that it was measured under.
    """
    board = load_board(name)
    fan, passive, heatsink, cold, hot, fails = (
        board.cooling_named(setup)
        for setup in ("fan", "passive", "heatsink", "fan-cold", "fan-hot", "fan-fails")
    )
    assert passive.conductance_w_per_k < heatsink.conductance_w_per_k < fan.conductance_w_per_k
    assert cold.ambient_c < fan.ambient_c < hot.ambient_c
    assert {fan.conductance_w_per_k} == {s.conductance_w_per_k for s in (cold, hot, fails)}
    assert fails.then == CoolingChange(cooling="passive", at_share=0.5)
