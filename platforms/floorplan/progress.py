"""Say how far a long trace has come."""

from collections.abc import Callable
from typing import TextIO

from platforms.floorplan.power_trace import PowerTrace

_EVERY_S = 5.0


class Progress:
    """Prints a line every five seconds: share of the file, time simulated, speed, time to go."""

    def __init__(
        self, trace: PowerTrace, step_s: float, clock: Callable[[], float], out: TextIO
    ) -> None:
        """`clock` gives seconds that never run backwards."""
        self._trace, self._step_s, self._clock, self._out = trace, step_s, clock, out
        self._begun = self._said = clock()
        try:
            self._size = max(1, trace.path.stat().st_size)
        except OSError:
            self._size = 1

    def __call__(self, steps: int) -> None:
        """Take note that `steps` are done."""
        now = self._clock()
        if now - self._said < _EVERY_S:
            return
        self._said = now
        share, passed_s = self._trace.bytes_read / self._size, now - self._begun
        simulated_s = steps * self._step_s
        print(
            f"{min(share, 1.0):.0%} of {self._trace.path.name}: {simulated_s:g} s simulated, "
            f"{simulated_s / passed_s:.3g} per second, "
            f"{max(0.0, passed_s / share - passed_s):.0f} s to go",
            file=self._out,
            flush=True,
        )
