"""What doubts the board and its surroundings, made as the configuration's safety section says."""

from dataclasses import dataclass
from pathlib import Path

from platforms.board import Board
from rm.daemon.configuration.settings import Configuration
from rm.daemon.opened_board import critical_c, sensor_zones
from rm.safety.failsafe import Failsafe
from rm.safety.rival_watch import RivalWatch
from rm.safety.sensor_watch import SensorWatch


@dataclass(frozen=True)
class Watches:
    """Each remembers what it has seen: others in their place begin anew."""

    sensors: SensorWatch
    failsafe: Failsafe
    rivals: RivalWatch


def watches_for(board: Board, configuration: Configuration, root: Path) -> Watches:
    """The watches for the board at `root`; InvalidInput for a sensor that it has not."""
    safety = configuration.safety
    return Watches(
        SensorWatch(
            board,
            sensors=sensor_zones(board, configuration),
            stale_after_s=safety.stale_after_s,
            moved_k=safety.stuck_after_k,
            stuck_for_s=safety.stuck_for_s,
        ),
        Failsafe(
            board,
            critical_c=critical_c(board, configuration, root),
            hysteresis_k=safety.hysteresis_k,
            stale_after_s=safety.stale_after_s,
        ),
        RivalWatch(tolerance=safety.rival_writes, within_s=safety.rival_within_s),
    )
