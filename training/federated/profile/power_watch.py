"""The power of the machine while something else goes on: watched, then asked for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from training.federated.profile.power_sensor import PowerSensor

LOOK_S = 0.05
IDLE_S = 2.0


class PowerWatch:
    """What a sensor said, with the monotonic times."""

    def __init__(self, sensor: PowerSensor) -> None:
        """`idle_w` is what an idle while before took: training counts above it."""
        self.sensor = sensor
        self.idle_w = 0.0
        self.seen: list[tuple[float, float]] = []
        self._done = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def above_idle_w(self, began_s: float, ended_s: float) -> tuple[float, float] | None:
        """The highest and the mean power of that while; None where nothing above idle was seen."""
        seen = [watts for now_s, watts in self.seen if began_s < now_s <= ended_s]
        mean_w = sum(seen) / len(seen) - self.idle_w if seen else 0.0
        return (max(seen) - self.idle_w, mean_w) if mean_w > 0 else None

    def start(self) -> None:
        """Begin to look, and learn what an idle machine takes."""
        self._thread.start()
        self._done.wait(IDLE_S)
        self.idle_w = sum(watts for _, watts in self.seen) / max(1, len(self.seen))

    def stop(self) -> None:
        """Look no more."""
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(LOOK_S):
            now_s = time.monotonic()
            watts = self.sensor.power_w(now_s)
            if watts is not None:
                self.seen.append((now_s, watts))


@contextmanager
def watching(sensor: PowerSensor | None) -> Iterator[PowerWatch | None]:
    """Watch a sensor for the length of a block, where there is one."""
    if sensor is None:
        yield None
        return
    watch = PowerWatch(sensor)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
