"""Observations of the HiKey 970 and others, written down instead of simulated."""

from collections.abc import Sequence

from platforms.board import Board
from platforms.board_file import load_board
from platforms.platform import ApplicationReading, Observation, TemperatureReading

HIKEY = load_board("hikey970")


def reading(
    number: int = 0,
    *,
    cores: tuple[int, ...] = (4,),
    rate_ips: float = 1e9,
    target_ips: float = 1e9,
    l2d_per_s: float = 1e7,
    threads: int = 1,
) -> ApplicationReading:
    """An application that just meets its target, unless said otherwise."""
    name = f"application-{number}"
    return ApplicationReading(number, name, target_ips, rate_ips, l2d_per_s, cores, threads)


def observation(
    *applications: ApplicationReading,
    board: Board = HIKEY,
    opp_index: tuple[int, ...] | None = None,
    opp_cap: tuple[int, ...] | None = None,
    utilisation: Sequence[float] | None = None,
    time_s: float = 1.0,
) -> Observation:
    """A board with these applications; their cores are busy unless `utilisation` says otherwise."""
    busy = {core for app in applications for core in app.cores}
    shown = [float(core in busy) for core in range(board.core_count)]
    return Observation(
        time_s,
        0.05,
        applications,
        board.lowest_opps if opp_index is None else opp_index,
        board.highest_opps if opp_cap is None else opp_cap,
        tuple(shown if utilisation is None else utilisation),
        tuple(TemperatureReading(sensor.name, 45.0, 0.5) for sensor in board.sensors),
    )
