"""The guard: near the temperature limit training runs cooler than planned, and pauses at last.

The plan keeps the limit by a model; this looks at the board. It caps the mean power of training:

    within GUARD_BAND_K of the limit     the cap falls to STEP of what is taken now, every STEP_S
    at the limit                         training pauses
    RELEASE_K below the band for HOLD_S  the cap rises by 1 / STEP, and goes where the plan fits

It can only make training cooler than the plan, never hotter.
"""

import math

GUARD_BAND_K = 0.75
"""Three times what noise is left of the temperatures that it is told, the mean of four readings of
a sensor with 0.5 K of noise, or the observer's (0.2 to 0.3 K off on the simulated board)."""

STEP = 0.8
"""Share of the power that is left after a step: most modes' next cooler one lies there (chosen)."""

STEP_S = 2.0
"""From one step to the next: two readings of a sensor, by when core and die have followed."""

RELEASE_K = 0.25
"""The cap rises only so far below the band, which is where plans stay: one that keeps to that is
given back what the guard took."""

HOLD_S = 4.0
"""How long it has to be so cool before, and between two rises: longer than a die takes (3 s)."""


class Guard:
    """Watches the hottest temperature. `cap_w` is what training may take, infinite: as planned."""

    def __init__(self, limit_c: float) -> None:
        """`limit_c`, degC, is what must not be passed."""
        self.limit_c = limit_c
        self.cap_w = math.inf
        self._stepped_s = -math.inf
        self._cool_since_s: float | None = None

    @property
    def active(self) -> bool:
        """Whether it holds training back."""
        return self.cap_w < math.inf

    def release(self) -> None:
        """Training is over: nothing to hold back."""
        self.cap_w = math.inf
        self._cool_since_s = None

    def look(
        self, time_s: float, hottest_c: float, *, taken_w: float, planned_w: float, least_w: float
    ) -> None:
        """The hottest temperature now, degC.

        Training takes `taken_w`, the plan is `planned_w`, its coolest mode `least_w`.
        """
        if hottest_c < self.limit_c - GUARD_BAND_K - RELEASE_K:
            self._may_rise(time_s, planned_w, least_w)
            return
        self._cool_since_s = None
        if hottest_c >= self.limit_c:
            self.cap_w, self._stepped_s = 0.0, time_s
        elif hottest_c >= self.limit_c - GUARD_BAND_K and time_s - self._stepped_s >= STEP_S:
            self.cap_w, self._stepped_s = STEP * min(self.cap_w, taken_w), time_s

    def _may_rise(self, time_s: float, planned_w: float, least_w: float) -> None:
        if not self.active:
            return
        if self._cool_since_s is None:
            self._cool_since_s = time_s
        if time_s - max(self._cool_since_s, self._stepped_s) < HOLD_S:
            return
        self.cap_w, self._stepped_s = max(self.cap_w / STEP, least_w), time_s
        if self.cap_w >= planned_w:
            self.release()
