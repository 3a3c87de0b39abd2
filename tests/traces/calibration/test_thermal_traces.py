"""Recorded traces as the thermal fit takes them."""

import itertools
from dataclasses import replace as with_values

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from platforms.application import Job
from platforms.application_file import shipped_applications
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.platform import Decision
from platforms.simulated.power import LeakageShape
from platforms.simulated.simulated_board import SimulatedBoard
from traces.calibration.thermal_fit import fit_thermal
from traces.calibration.thermal_network import Parameter
from traces.calibration.thermal_response import respond
from traces.calibration.thermal_traces import recorded_data
from traces.calibration.thermal_trial import board_plan
from traces.schema import TraceMetadata
from traces.store import arrow_schema

BOARD = load_board("hikey970")
SHAPE = LeakageShape.build(BOARD.leakage)
FAN = BOARD.cooling_named("fan")
PROFILES = {name: replace(p, phases=()) for name, p in shipped_applications().items()}
METADATA = TraceMetadata(
    board="hikey970",
    board_sha256="ab",
    cooling="fan",
    sensor="cls0",
    opps_hz=(),
    seed=0,
    plan_sha256="cd",
)


def row(application: str, core: int, background: dict[int, str], opps: tuple[int, ...]) -> dict:
    """A row as the recorder writes it: settled, then the mean of twenty readings."""
    names = {core: application, **background}
    jobs = [
        Job(id=i, profile=PROFILES[name], target_ips=1.0, cores=(where,))
        for i, (where, name) in enumerate(names.items())
    ]
    rng = np.random.default_rng([core, *opps])
    simulated = SimulatedBoard(BOARD, cooling=FAN, rng=rng, jobs=jobs)
    simulated.advance_to(1e-6)
    simulated.apply(Decision((), opps))
    simulated.settle()
    seen = []
    for second in range(1, 21):
        simulated.advance_to(float(second))
        seen.append(simulated.observe())
    rates = [app.rate_ips for app in sorted(seen[-1].applications, key=lambda app: app.id)]
    return {
        "scenario": 0,
        "application": application,
        "application_core": core,
        "background": list(background.values()),
        "background_cores": list(background),
        "opp_index": list(opps),
        "freq_hz": list(BOARD.freqs_hz_at(opps)),
        "rate_ips": rates[0],
        "l2d_per_s": 0.0,
        "background_rate_ips": rates[1:],
        "core_utilisation": list(seen[-1].core_utilisation),
        "temp_c": float(np.mean([o.temperatures[0].temp_c for o in seen])),
        "temp_samples": 20,
        "window_s": 20.0,
        "throttled": False,
    }


@pytest.fixture(scope="module")
def traces() -> pa.Table:
    """Two mixes of programs on every free core, at some of both clusters' clocks."""
    first, second, third, *_ = sorted(PROFILES)
    mixes = [(first, {1: second, 6: third}), (second, {4: third, 5: first, 2: first})]
    rows = [
        row(name, core, background, opps)
        for name, background in mixes
        for core in range(8)
        for opps in itertools.product((0, 6), (0, 4, 8))
        if core not in background
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema("traces"))


def test_the_board_itself_explains_what_was_recorded_on_it(traces: pa.Table) -> None:
    """Power modelled from speeds, leakage where the fit's own temperatures put it."""
    plan = board_plan(BOARD, [FAN])
    data = recorded_data(traces, METADATA, BOARD, PROFILES)
    errors = np.concatenate(
        [
            run.temp_c - respond(plan, plan.prior[None], run, np.zeros(1), SHAPE)[0]
            for run in data.runs
        ]
    )
    assert len(errors) > 50
    assert abs(errors.mean()) < 0.1
    assert np.sqrt(np.mean(errors**2)) < 0.3


def test_steady_states_tell_the_air_and_the_way_to_it(traces: pa.Table) -> None:
    """From a prior that is off by half and by 10 K."""
    plan = board_plan(BOARD, [FAN])
    known = plan.prior[plan.names.index("conductance.ambient.fan")]
    plan = with_values(
        plan,
        parameters=tuple(
            Parameter(p.name, p.mean + 0.4, p.sd)
            if p.name == "conductance.ambient.fan"
            else Parameter(p.name, p.mean + 10.0, p.sd, log=False)
            if p.name == "air.fan"
            else Parameter(p.name, p.mean, 0.02)
            for p in plan.parameters
        ),
    )
    fit = fit_thermal(plan, recorded_data(traces, METADATA, BOARD, PROFILES), shape=SHAPE)
    found = {e.name: e for e in fit.estimates}
    assert found["air.fan"].all_low <= 25.0 <= found["air.fan"].all_high
    assert found["air.fan"].identified
    assert fit.value("conductance.ambient.fan") == pytest.approx(np.exp(known), rel=0.05)


def test_throttled_rows_are_left_out(traces: pa.Table) -> None:
    """They measured other operating points than they say."""
    throttled = [False] * (len(traces) - 1) + [True]
    column = traces.schema.get_field_index("throttled")
    some = traces.set_column(column, "throttled", pa.array(throttled))
    data = recorded_data(some, METADATA, BOARD, PROFILES)
    assert len(traces) - 1 == sum(len(run.step_s) for run in data.runs)
    none = traces.set_column(column, "throttled", pa.array([True] * len(traces)))
    with pytest.raises(InvalidInput, match="must hold runs that were not throttled"):
        recorded_data(none, METADATA, BOARD, PROFILES)


def test_a_program_without_a_profile_is_named(traces: pa.Table) -> None:
    """Its power cannot be modelled."""
    with pytest.raises(InvalidInput, match="application must have a profile"):
        recorded_data(traces, METADATA, BOARD, {})
