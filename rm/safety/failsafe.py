"""The failsafe: at the critical temperature every cluster runs at its lowest operating point.

It stands between policy and board, and no policy can pass it: it does not ask what the policy
wants. A reading that cannot be trusted counts as hot, as the board may be.
"""

from collections.abc import Iterable, Iterator, Sequence

from platforms.board import Board
from platforms.platform import Observation, TemperatureReading
from rm.safety.plausible import (
    HIGHEST_C,
    LOWEST_C,
    STALE_AFTER_S,
    is_plausible,
    stale_limit_s,
)

Opps = tuple[int, ...]


class Failsafe:
    """Watches a board's sensors, or those that are named; of others a hot reading counts as well.

    `active`: it acts now, for this `reason`; `rounds`: how often it acted. `cool` are the readings
    that it found cool: where it does not act and these come again it need not be asked.

    `critical_c` (degC) is where it begins, `hysteresis_k` below is where it ends: 5 K are more than
    noise and quantisation of the sensors, and little enough to give the board back soon.
    """

    def __init__(
        self,
        board: Board,
        *,
        critical_c: float,
        hysteresis_k: float = 5.0,
        sensors: Iterable[str] | None = None,
        stale_after_s: float = STALE_AFTER_S,
    ) -> None:
        self._lowest = board.lowest_opps
        wanted = None if sensors is None else frozenset(sensors)
        watched = [s for s in board.sensors if wanted is None or s.name in wanted]
        self._stale_s = {sensor.name: stale_limit_s(sensor, stale_after_s) for sensor in watched}
        self._critical_c = critical_c
        self._cool_c = critical_c - hysteresis_k
        self.cool: Sequence[TemperatureReading] | None = None
        self.active = False
        self.rounds = 0
        self.reason: str | None = None

    def limit(self, observation: Observation, opp_index: Opps, *, trusted: bool = True) -> Opps:
        """`opp_index`, or the lowest operating points; `trusted` False: sensors are in doubt."""
        self._look(observation, trusted=trusted)
        if not self.active:
            return opp_index
        self.rounds += 1
        return self._lowest

    def _look(self, observation: Observation, *, trusted: bool) -> None:
        readings = observation.temperatures
        if trusted and not self.active and self._is_cool(readings):
            self.cool = readings
            return  # as nearly always: the rest finds words
        limit_c = self._cool_c if self.active else self._critical_c
        hot = None if trusted else "the sensors are in doubt"
        for problem in self._hot(observation, limit_c):
            hot = problem
            break
        self.active = hot is not None
        self.reason = hot

    def _is_cool(self, readings: Sequence[TemperatureReading]) -> bool:
        """Whether every sensor has a reading that can be believed, below the critical one."""
        critical_c, stale_s = self._critical_c, self._stale_s
        for reading in readings:
            temp_c = reading.temp_c
            if not (temp_c < critical_c and LOWEST_C <= temp_c <= HIGHEST_C):
                return False
            if not reading.age_s <= stale_s.get(reading.sensor, STALE_AFTER_S):
                return False
        return len(readings) == len(stale_s)

    def _hot(self, observation: Observation, limit_c: float) -> Iterator[str]:
        """What is hot, or may be."""
        readings = observation.temperatures
        for name in sorted(self._stale_s.keys() - {reading.sensor for reading in readings}):
            yield f"{name} has no reading, which counts as hot"
        for reading in readings:
            if not self._is_known(reading):
                yield f"{reading.sensor} has no plausible reading, which counts as hot"
            elif reading.temp_c >= limit_c:
                yield f"{reading.sensor} must be below {limit_c:g} degC (got {reading.temp_c:g})"

    def _is_known(self, reading: TemperatureReading) -> bool:
        stale_s = self._stale_s.get(reading.sensor, STALE_AFTER_S)
        return is_plausible(reading.temp_c) and reading.age_s <= stale_s
