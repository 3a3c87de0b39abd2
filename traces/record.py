"""Run scenarios through their sweep and write down what the platform shows."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from platforms.board import Board
from platforms.errors import ThermalLimit
from platforms.platform import ApplicationReading, Observation
from traces.experiment_protocol import Experiment, OpenExperiment, RunSpoiled
from traces.plan import Conduct, Plan, PlannedRun, PlannedScenario
from traces.start_temperature import Start, reach_start

logger = logging.getLogger(__name__)

Row = dict[str, Any]

RunPlace = tuple[int, tuple[int, ...]]
"""Which run of a scenario: the core of the application of interest, and the operating points."""

START_COLUMNS = {"start_temp_c": "float64", "start_reached": "bool"}
"""What rows have besides where a start temperature is asked for: where the run began, degC, and
whether that is within the tolerance (else the time-out had passed)."""

REPEAT_COLUMNS = {"repeats": "int32", "rejected": "int32", "temp_spread_k": "float64"}
"""And where runs are repeated: see `merged`."""


def extra_columns(conduct: Conduct) -> dict[str, str]:
    """The columns beside those of `traces.schema` that rows have, with their types."""
    columns: dict[str, str] = {}
    if conduct.start is not None:
        columns |= START_COLUMNS
    if conduct.repeats > 1:
        columns |= REPEAT_COLUMNS
    return columns


_ATTEMPTS = 3
"""So often a run is made that a program spoils by ending or failing in it."""


def record_scenario(
    board: Board,
    plan: Plan,
    scenario: PlannedScenario,
    open_: OpenExperiment,
    known: Mapping[RunPlace, Row] | None = None,
) -> list[Row]:
    """One row per run that the plan asks for; those in `known` are taken over, not made again.

    A run that the board cannot hold, or in which the kernel throttles, is no measurement of its
    operating points: its row says `throttled`, with what was seen up to then.
    """
    known = known or {}
    experiment = open_(scenario)
    return [
        known.get((run.core, run.opps)) or record_run(board, plan, experiment, run)
        for run in plan.runs(scenario, board)
    ]


def record_run(board: Board, plan: Plan, experiment: Experiment, run: PlannedRun) -> Row:
    """Make a run as often as the plan says; its row.

    Raises `RunSpoiled` where the programs spoil every attempt.
    """
    conduct, scenario = plan.conduct, run.scenario
    rows = [_unspoiled(board, plan, experiment, run) for _ in range(conduct.repeats)]
    row = rows[0] if conduct.repeats == 1 else merged(rows)
    return row | {
        "scenario": scenario.number,
        "application": scenario.application,
        "application_core": run.core,
        "background": list(scenario.background),
        "background_cores": list(scenario.background_cores),
        "opp_index": list(run.opps),
        "freq_hz": list(board.freqs_hz_at(run.opps)),
    }


def merged(rows: Sequence[Row]) -> Row:
    """One row of several repeats of a run: means of those that are measurements.

    `repeats` is how many those are, `rejected` how many throttled, `temp_spread_k` the largest
    difference of their temperatures. Where all throttled the row is the last one's.
    """
    good = [row for row in rows if not row["throttled"]]
    counts = {"repeats": len(good), "rejected": len(rows) - len(good)}
    if not good:
        return rows[-1] | counts | {"temp_spread_k": 0.0}
    temps = [row["temp_c"] for row in good]
    row = {name: _mean_of(name, [each[name] for each in good]) for name in good[0]}
    return row | counts | {"temp_spread_k": max(temps) - min(temps)}


_SUMS = ("temp_samples", "window_s")


def _mean_of(name: str, values: Sequence[Any]) -> Any:
    if name in _SUMS:
        return sum(values)
    if isinstance(values[0], bool):
        return all(values)
    if isinstance(values[0], list):
        return [sum(entries) / len(values) for entries in zip(*values, strict=True)]
    return sum(values) / len(values)


def _unspoiled(board: Board, plan: Plan, experiment: Experiment, run: PlannedRun) -> Row:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _run(board, plan, experiment, run)
        except RunSpoiled as error:
            if attempt == _ATTEMPTS:
                raise
            logger.warning("run %s is made again: %s", _named(run), error)
    raise AssertionError("not reached")


def _named(run: PlannedRun) -> str:
    return f"{run.scenario.number}, core {run.core} at {list(run.opps)}"


def _run(board: Board, plan: Plan, experiment: Experiment, run: PlannedRun) -> Row:
    """Start warm, settle, then sample the sensor over the window; figures are means over it."""
    conduct = plan.conduct
    start = None if conduct.start is None else reach_start(board, experiment, conduct.start)
    experiment.set(run.core, run.opps)
    throttled = False
    try:
        experiment.settle(conduct.settle_s)
    except ThermalLimit:
        throttled = True
    row = _window(board, plan, experiment, run.opps, throttled)
    return row if start is None else row | _started(start)


def _started(start: Start) -> Row:
    return {"start_temp_c": start.temp_c, "start_reached": start.reached}


def _window(
    board: Board, plan: Plan, experiment: Experiment, opps: tuple[int, ...], throttled: bool
) -> Row:
    platform, clock = experiment.platform, experiment.clock
    start_s = clock.now_s()
    period_s = board.sensors[0].period_s
    samples = 1 if throttled else max(1, round(plan.window_s / period_s))
    throttled |= not _holds(platform.observe(), opps)
    observations: list[Observation] = []
    executed, wanted = 0.0, plan.conduct.instructions
    try:
        for number in range(1, samples + 1):
            clock.sleep_until(start_s + number * period_s)
            observations.append(platform.observe())
            if wanted is not None:
                executed += _executed(observations[-1])
                if executed >= wanted:
                    break
    except ThermalLimit:
        throttled = True
        observations.append(platform.observe())
    experiment.check(observations)
    return _means(observations, opps, throttled)


def _holds(seen: Observation, opps: tuple[int, ...]) -> bool:
    """Whether the board runs at what was asked for, and nothing caps it below."""
    return seen.opp_index == opps and all(
        cap >= opp for cap, opp in zip(seen.opp_cap, opps, strict=True)
    )


def _executed(seen: Observation) -> float:
    """The instructions of the application of interest in an observation's window."""
    rates = [app.rate_ips for app in sorted(seen.applications, key=lambda app: app.id)]
    return rates[0] * seen.window_s if rates else 0.0


def _means(seen: list[Observation], opps: tuple[int, ...], throttled: bool) -> Row:
    count = len(seen)
    readings = [sorted(o.applications, key=lambda app: app.id) for o in seen]

    def mean(value: Callable[[ApplicationReading], float], position: int) -> float:
        return sum(value(apps[position]) for apps in readings) / count

    background = range(1, len(readings[0]))
    utilisation = zip(*(o.core_utilisation for o in seen), strict=True)
    return {
        "rate_ips": mean(lambda app: app.rate_ips, 0),
        "l2d_per_s": mean(lambda app: app.l2d_per_s, 0),
        "background_rate_ips": [mean(lambda app: app.rate_ips, i) for i in background],
        "core_utilisation": [sum(shares) / count for shares in utilisation],
        "temp_c": sum(o.temperatures[0].temp_c for o in seen) / count,
        "temp_samples": count,
        "window_s": sum(o.window_s for o in seen),
        "throttled": throttled or not all(_holds(o, opps) for o in seen),
    }
