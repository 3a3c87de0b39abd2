"""Clocks of the daemon: the kernel's own, and one that serves the socket while it waits."""

import time

from platforms.platform import Clock
from rm.daemon.clients.server import Server


class MonotonicClock:
    """The kernel's monotonic clock: no jump of the wall clock moves it."""

    def now_s(self) -> float:
        """Seconds since boot, without the time in suspend."""
        return time.monotonic()

    def sleep_until(self, time_s: float) -> None:
        """Sleep until `now_s` is at least `time_s`."""
        while (left_s := time_s - time.monotonic()) > 0.0:
            time.sleep(left_s)


class ServedClock:
    """A clock whose waits serve the socket, so that the governor's loop needs no thread for it."""

    def __init__(self, server: Server, clock: Clock) -> None:
        """`clock` is the one that `server` has."""
        self._server = server
        self._clock = clock

    def now_s(self) -> float:
        """Seconds of the clock."""
        return self._clock.now_s()

    def sleep_until(self, time_s: float) -> None:
        """Serve the socket until `now_s` is at least `time_s`, or the server is to end waits."""
        self._server.serve_until(time_s)
