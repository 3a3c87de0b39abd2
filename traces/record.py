"""Run one scenario through its sweep and write down what the platform shows."""

from collections.abc import Callable
from typing import Any

from platforms.board import Board
from platforms.errors import ThermalLimit
from platforms.platform import ApplicationReading, Decision, Migration, Observation
from traces.experiment import APPLICATION_OF_INTEREST, Experiment, OpenExperiment
from traces.plan import Plan, PlannedScenario

Row = dict[str, Any]


def record_scenario(
    board: Board, plan: Plan, scenario: PlannedScenario, open_: OpenExperiment
) -> list[Row]:
    """One row per core that is free and point of the grid.

    A run that the board cannot hold, or in which the kernel throttles, is no measurement of its
    operating points: its row says `throttled`, with what was seen up to then.
    """
    experiment = open_(scenario)
    rows = []
    for core in plan.free_cores(scenario, board):
        move = (Migration(APPLICATION_OF_INTEREST, (core,)),)
        for opps in plan.grid:
            experiment.platform.apply(Decision(move, opps))
            row = _run(board, plan, experiment, opps)
            row |= {
                "scenario": scenario.number,
                "application": scenario.application,
                "application_core": core,
                "background": list(scenario.background),
                "background_cores": list(scenario.background_cores),
                "opp_index": list(opps),
                "freq_hz": list(board.freqs_hz_at(opps)),
            }
            rows.append(row)
    return rows


def _run(board: Board, plan: Plan, experiment: Experiment, opps: tuple[int, ...]) -> Row:
    """Settle, then sample the sensor over the window; all figures are means over the window."""
    platform, clock = experiment.platform, experiment.clock
    throttled = False
    try:
        experiment.settle()
    except ThermalLimit:
        throttled = True
    start_s = clock.now_s()
    period_s = board.sensors[0].period_s
    samples = 1 if throttled else max(1, round(plan.window_s / period_s))
    throttled |= platform.observe().opp_index != opps
    observations: list[Observation] = []
    try:
        for number in range(1, samples + 1):
            clock.sleep_until(start_s + number * period_s)
            observations.append(platform.observe())
    except ThermalLimit:
        throttled = True
        observations.append(platform.observe())
    return _means(observations, opps, throttled)


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
        "throttled": throttled or any(o.opp_index != opps for o in seen),
    }
