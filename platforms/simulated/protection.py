"""The kernel's own thermal protection, below every policy: Linux's step_wise on a passive trip.

At the trip and above, while it grows hotter, all clusters lose one operating point of their allowed
range with every look; below the trip by the hysteresis, while it cools, they get one back. Between,
and while the temperature holds, nothing changes. The trend is that between two looks. Cool, the
kernel looks when the sensor refreshes; from the switch-on temperature on it reads the hardware by
itself at its passive polling period. What it reads is as noisy and as quantised as what the board
shows, so at short periods the trend is noisy too.

Simplified: one sensor and one trip, and clusters that all go together, with the accelerators that
compute. (HiKey 970's tree asks for
power_allocator, which shares a power budget instead; step_wise is the kernel's default and needs no
tuning constants.)
"""

import math

from platforms.board import Board


class StepWise:
    """Caps all clusters' and accelerators' operating points while the watched sensor is hot."""

    def __init__(self, board: Board) -> None:
        """Without a protection section in the board nothing is ever capped."""
        self._protection = board.protection
        self._highest = board.highest_opps
        self._accelerators_highest = tuple(len(a.opps) - 1 for a in board.compute_accelerators)
        self._deepest = max(self._highest + self._accelerators_highest)
        self._depth = 0
        self._last_c: float | None = None

    @property
    def sensor(self) -> str | None:
        """The sensor that is watched, if any."""
        return self._protection.sensor if self._protection else None

    @property
    def caps(self) -> tuple[int, ...]:
        """The highest operating point allowed per cluster."""
        return tuple(max(0, top - self._depth) for top in self._highest)

    @property
    def accelerator_caps(self) -> tuple[int, ...]:
        """The highest operating point allowed per accelerator that computes."""
        return tuple(max(0, top - self._depth) for top in self._accelerators_highest)

    @property
    def throttling(self) -> bool:
        """Whether anything is capped now."""
        return self._depth > 0

    @property
    def pause_s(self) -> float:
        """How long the kernel waits for its next look; infinite: until the sensor refreshes."""
        kernel, last_c = self._protection, self._last_c
        if kernel is None or last_c is None or last_c < kernel.switch_on_c:
            return math.inf
        return kernel.polling_s

    def release(self) -> None:
        """Forget the past: nothing is capped until the next hot look."""
        self._depth = 0
        self._last_c = None

    def update(self, temp_c: float) -> bool:
        """Take a look (degC) at the watched sensor; True when the caps changed."""
        kernel, last_c, before = self._protection, self._last_c, self._depth
        if kernel is None:
            return False
        self._last_c = temp_c
        rising = last_c is None or temp_c > last_c
        falling = last_c is not None and temp_c < last_c
        if temp_c >= kernel.target_c and rising:
            self._depth = min(before + 1, self._deepest)
        elif temp_c < kernel.target_c - kernel.hysteresis_k and falling:
            self._depth = max(before - 1, 0)
        return self._depth != before
