"""The controllers of `frequency-cap`: when they cap, when they let go."""

import math

import pytest
from msgspec.structs import replace

from platforms.platform import Observation, TemperatureReading
from rm.policies.energy_model import EnergyModel
from rm.training.baselines.frequency_cap import make
from rm.training.baselines.frequency_caps import HeatCap, highest_within
from tests.rm.readings import HIKEY, observation
from tests.rm.training.baselines.jobs import at_work, seen

TOP = (6, 8)
MODEL = EnergyModel.of(HIKEY)


def _read(temp_c: float, time_s: float, *, age_s: float = 0.0) -> Observation:
    shown = observation(time_s=time_s)
    return replace(shown, temperatures=(TemperatureReading("cls0", temp_c, age_s),))


def test_every_new_reading_above_the_limit_costs_all_clusters_an_operating_point() -> None:
    """Unless it is falling already."""
    cap = HeatCap(TOP, 60.0)
    assert TOP == cap.update(_read(59.9, 1.0))
    assert (5, 7) == cap.update(_read(61.0, 2.0))
    assert (4, 6) == cap.update(_read(62.0, 3.0))
    assert (4, 6) == cap.update(_read(61.5, 4.0))


def test_a_reading_that_was_seen_counts_once() -> None:
    """The governor looks more often than the sensor samples."""
    cap = HeatCap(TOP, 60.0)
    for number in range(10):
        cap.update(_read(61.0, 1.0 + 0.05 * number, age_s=0.05 * number))
    assert (5, 7) == cap.caps


def test_caps_rise_after_some_cool_readings_in_a_row() -> None:
    """And not while it is just below the limit."""
    cap = HeatCap(TOP, 60.0)
    cap.update(_read(61.0, 1.0))
    for number in range(5):
        cap.update(_read(59.0, 2.0 + number))
    assert (5, 7) == cap.caps
    found = [cap.update(_read(57.0, 10.0 + number)) for number in range(3)]
    assert [(5, 7), (5, 7), TOP] == found


def test_caps_never_leave_the_operating_points() -> None:
    """However hot it is."""
    cap = HeatCap(TOP, 60.0)
    for number in range(20):
        cap.update(_read(70.0 + number, 1.0 + number))
    assert (0, 0) == cap.caps


def test_a_power_budget_takes_the_highest_points_within_it() -> None:
    """By the energy model, for the cores that are busy."""
    busy = [1.0] * 8
    assert TOP == highest_within(MODEL, busy, math.inf)
    assert (0, 0) == highest_within(MODEL, busy, 0.0)
    opps = highest_within(MODEL, busy, 3.0)
    domains = MODEL.domains
    powers_w = [
        sum(4 * domain.states[opp].power_w for domain, opp in zip(domains, points, strict=True))
        for points in (opps, tuple(opp + 1 for opp in opps))
    ]
    assert powers_w[0] <= 3.0 < powers_w[1]


def test_an_idle_board_is_not_capped_by_power() -> None:
    """Nothing is busy, nothing is drawn."""
    assert TOP == highest_within(MODEL, [0.0] * 8, 0.1)


@pytest.mark.parametrize(("temp_c", "opps"), [(50.0, (6, 8)), (70.0, (5, 7))])
def test_the_policy_stays_within_its_caps(temp_c: float, opps: tuple[int, ...]) -> None:
    """The foreground's clocks as well."""
    context = at_work(temp_c=60.0)
    policy = make(context)
    context.jobs.hand_out(policy.train(seen(context, 0.5)), 0.5)
    for number in range(40):
        context.jobs.progress(1, samples=1.0, now_s=1.0 + 0.05 * number)
        shown = seen(context, 1.0 + 0.05 * number)
        reading = TemperatureReading("cls0", temp_c, 0.05 * number)
        found = policy.scale(replace(shown, temperatures=(reading,)))
    assert opps == found
