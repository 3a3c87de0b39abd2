"""Bring a board to the temperature at which a run is to begin, by heating or by cooling it.

Runs that begin equally warm need less time to settle, and equal runs give equal figures.
"""

from msgspec import Struct

from platforms.board import Board
from platforms.errors import ThermalLimit
from traces.experiment_protocol import Experiment
from traces.plan import StartTemperature


class Start(Struct, frozen=True):
    """Where a run began: the sensor's temperature, whether that is the one asked for."""

    temp_c: float
    reached: bool
    took_s: float


def reach_start(board: Board, experiment: Experiment, start: StartTemperature) -> Start:
    """Heat or cool until the first sensor is within the tolerance, or the time-out has passed.

    Heating runs the scenario's programs at the highest operating points, cooling pauses them at the
    lowest. Who overshoots comes back from the other side, within the same time-out for each side.
    """
    platform, clock = experiment.platform, experiment.clock
    begin_s = clock.now_s()
    left_s = {"heat": start.timeout_s, "cool": start.timeout_s}
    period_s = board.sensors[0].period_s
    doing: str | None = None
    while True:
        temp_c = platform.observe().temperatures[0].temp_c
        missing_k = start.temp_c - temp_c
        took_s = clock.now_s() - begin_s
        wanted = "heat" if missing_k > 0 else "cool"
        if abs(missing_k) <= start.tolerance_k or left_s[wanted] <= 0:
            experiment.pause(False)
            return Start(temp_c, abs(missing_k) <= start.tolerance_k, took_s)
        if wanted != doing:
            doing = wanted
            experiment.pause(wanted == "cool")
            experiment.clocks(board.highest_opps if wanted == "heat" else board.lowest_opps)
        try:
            clock.sleep_until(clock.now_s() + period_s)
        except ThermalLimit:
            left_s["heat"] = 0.0
        left_s[wanted] -= period_s
