"""Is a temperature sensor to be believed? A governor that steers by a dead one cooks the board.

Doubted is a sensor that is missing, stale, absurd, jumps as no heat capacity can, or is stuck: it
shows one value although the load has changed so much that it must have moved (see
`rm.safety.heat_estimate`).
A sensor that is stuck while the load does not change cannot be told from a board at rest.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from platforms.platform import Observation, TemperatureReading
from rm.safety.heat_estimate import HeatEstimate
from rm.safety.plausible import (
    HIGHEST_C,
    LOWEST_C,
    STALE_AFTER_S,
    is_plausible,
    stale_limit_s,
)

MOVED_K = 3.0
"""A sensor that must have moved this far cannot show the same value: it is three steps of the
coarsest sensor that is known (0.92 K), so the description may be wrong by a factor of two or three.
For coarser ones it is `MOVED_STEPS` steps."""

MOVED_STEPS = 3.0

WITHIN_S = 15.0
"""It must have moved so far within this time, two to five time constants of a die. Slower movements
prove nothing: a governor that holds a temperature moves the load against a board that warms up, and
how warm a board was before is not known."""

LASTING_S = 3.0
"""It must have been so far away for this long, or a sensor need not have seen it. For slow sensors
it is `LASTING_PERIODS` refreshes."""

LASTING_PERIODS = 3.0

STUCK_FOR_S = 10.0
"""How long the value stays after that before the sensor is doubted. For slow sensors it is
`STUCK_PERIODS` refreshes."""

STUCK_PERIODS = 5.0

JUMP_K = 15.0
"""What a reading may jump by beyond the description's doubled worst case: hot spots below a sensor
are smaller, hence faster, than a description's nodes. What broken sensors show instead (zero, the
end of the scale, other steps by bits that fell over) is mostly farther away."""

JUMP_HELD_S = 10.0
"""After a jump a sensor is doubted for this long."""


@dataclass
class _Track:
    """What is remembered of one sensor, and the limits that hold for it."""

    number: int
    stale_after_s: float
    moved_k: float
    lasting_s: float
    stuck_for_s: float
    value_c: float | None = None
    sampled_s: float = 0.0
    jumped_s: float = -np.inf
    jump: str = ""
    changed: bool = True
    changed_s: float = 0.0
    out_since_s: float | None = None
    is_out: bool = False


class _Estimated(NamedTuple):
    """The estimates at a time, see `HeatEstimate`."""

    time_s: float
    above_air_k: NDArray[np.float64]


class SensorWatch:
    """Watches the board's sensors, or those that are named. Units as in the names of the options.

    `problems` holds what is wrong with which sensor, as of the last observation.
    """

    def __init__(
        self,
        board: Board,
        *,
        sensors: Iterable[str] | None = None,
        stale_after_s: float = STALE_AFTER_S,
        moved_k: float = MOVED_K,
        stuck_for_s: float = STUCK_FOR_S,
        jump_k: float = JUMP_K,
    ) -> None:
        wanted = None if sensors is None else frozenset(sensors)
        watched = [s for s in board.sensors if wanted is None or s.name in wanted]
        self._tracks = {
            sensor.name: _Track(
                number=number,
                stale_after_s=stale_limit_s(sensor, stale_after_s),
                moved_k=max(moved_k, MOVED_STEPS * sensor.step_k),
                lasting_s=max(LASTING_S, LASTING_PERIODS * sensor.period_s),
                stuck_for_s=max(stuck_for_s, STUCK_PERIODS * sensor.period_s),
            )
            for number, sensor in enumerate(watched)
        }
        self._estimate = HeatEstimate(board, [sensor.name for sensor in watched])
        self._past: deque[_Estimated] = deque()
        self._jump_k = jump_k
        self._well: tuple[TemperatureReading, ...] | None = None
        self._well_s = 0.0
        self.problems: dict[str, str] = {}

    def problem(self, observation: Observation) -> str | None:
        """Why the sensors cannot be believed now; None while they can. Once per observation."""
        now_s, tracks, readings = observation.time_s, self._tracks, observation.temperatures
        has_advanced = self._estimate.add(observation)
        if readings is self._well and not has_advanced:
            self._well_s = now_s
            return None  # as mostly
        self._take(self._well or (), self._well_s)
        self._take(readings, now_s)
        if has_advanced:
            self._compare(now_s)
        if self._is_well(observation):
            self._well, self._well_s, self.problems = readings, now_s, {}
            return None  # as nearly always: the rest finds words
        self._well = None
        found = {reading.sensor: reading for reading in readings}
        doubts = {
            name: self._doubt(track, found.get(name), now_s) for name, track in tracks.items()
        }
        self.problems = {name: f"sensor {name} {text}" for name, text in doubts.items() if text}
        return next(iter(self.problems.values()), None)

    # --- inside ---------------------------------------------------------------------------------

    def _take(self, readings: Iterable[TemperatureReading], now_s: float) -> None:
        """Take note of what sensors showed, and when."""
        for reading in readings:
            track = self._tracks.get(reading.sensor)
            if track is not None and LOWEST_C <= reading.temp_c <= HIGHEST_C:
                sampled_s = now_s - reading.age_s
                if reading.temp_c != track.value_c:
                    self._follow(track, reading.temp_c, sampled_s)
                track.sampled_s = sampled_s

    def _is_well(self, observation: Observation) -> bool:
        """Whether every sensor has a reading that nothing at all speaks against."""
        now_s, tracks, believed = observation.time_s, self._tracks, 0
        for reading in observation.temperatures:
            track = tracks.get(reading.sensor)
            if track is None:
                continue
            if not (
                LOWEST_C <= reading.temp_c <= HIGHEST_C
                and reading.age_s <= track.stale_after_s
                and not track.is_out
                and now_s - track.jumped_s >= JUMP_HELD_S
            ):
                return False
            believed += 1
        return believed == len(tracks)

    def _follow(self, track: _Track, now_c: float, sampled_s: float) -> None:
        """Note a reading that differs from the one before."""
        before_c, track.value_c = track.value_c, now_c
        track.changed, track.is_out, track.out_since_s = True, False, None
        if before_c is not None and abs(now_c - before_c) > self._jump_k:
            self._judge_jump(track, before_c, now_c, sampled_s)

    def _judge_jump(self, track: _Track, before_c: float, now_c: float, sampled_s: float) -> None:
        passed_s = max(0.0, sampled_s - track.sampled_s)
        change_k = float(self._estimate.largest_change_k(passed_s)[track.number])
        possible_k = self._jump_k + 2.0 * change_k
        if abs(now_c - before_c) > possible_k:
            track.jumped_s = sampled_s
            track.jump = (
                f"must not jump by more than {possible_k:.0f} K in {passed_s:.2g} s "
                f"(got {before_c:g} degC, then {now_c:g})"
            )

    def _compare(self, now_s: float) -> None:
        """Has any sensor moved that shows the value it showed before?"""
        self._past.append(_Estimated(now_s, self._estimate.above_air_k))
        while self._past[0].time_s < now_s - WITHIN_S:
            self._past.popleft()
        for track in self._tracks.values():
            if track.changed:
                track.changed, track.changed_s = False, now_s
            if not track.is_out:
                self._judge_movement(track, now_s)

    def _judge_movement(self, track: _Track, now_s: float) -> None:
        """Note when a sensor that shows the same value began to be elsewhere for certain."""
        before = next(past for past in self._past if past.time_s >= track.changed_s)
        now = self._past[-1]
        moved_k = now.above_air_k[:, track.number] - before.above_air_k[:, track.number]
        certain_k = max(moved_k.min(), -moved_k.max())
        if certain_k <= track.moved_k:
            track.out_since_s = None
        elif track.out_since_s is None:
            track.out_since_s = now_s
        elif now_s - track.out_since_s >= track.lasting_s:
            track.is_out = True

    def _doubt(self, track: _Track, reading: TemperatureReading | None, now_s: float) -> str | None:
        """What speaks against a reading, in words."""
        if reading is None:
            return "must have a reading (got none)"
        if not is_plausible(reading.temp_c):
            return f"must lie in {LOWEST_C:g} ... {HIGHEST_C:g} degC (got {reading.temp_c:g})"
        if not reading.age_s <= track.stale_after_s:
            return (
                f"must be read at least every {track.stale_after_s:g} s "
                f"(got a reading of {reading.age_s:.1f} s ago)"
            )
        if now_s - track.jumped_s < JUMP_HELD_S:
            return track.jump
        if track.is_out and track.out_since_s is not None:
            out_s = now_s - track.out_since_s
            if out_s >= track.stuck_for_s:
                return (
                    f"must follow the load (got {reading.temp_c:g} degC all the time, although it "
                    f"must have moved by more than {track.moved_k:.1f} K {out_s:.0f} s ago)"
                )
        return None
