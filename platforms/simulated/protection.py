"""The kernel's own thermal protection, below every policy: Linux's step_wise on a passive trip.

With every sample above the trip all clusters lose one operating point of their allowed range, with
every sample below the trip's hysteresis they get one back. (HiKey 970's tree asks for
power_allocator, which shares a power budget instead; step_wise is the kernel's default and needs no
tuning constants.)
"""

from platforms.board import Board


class StepWise:
    """Caps the operating points of all clusters while the protected sensor is hot."""

    def __init__(self, board: Board) -> None:
        """Without a protection section in the board nothing is ever capped."""
        self._protection = board.protection
        self._highest = board.highest_opps
        self._depth = 0

    @property
    def sensor(self) -> str | None:
        """The sensor that is watched, if any."""
        return self._protection.sensor if self._protection else None

    @property
    def caps(self) -> tuple[int, ...]:
        """The highest operating point allowed per cluster."""
        return tuple(max(0, top - self._depth) for top in self._highest)

    @property
    def throttling(self) -> bool:
        """Whether anything is capped now."""
        return self._depth > 0

    def release(self) -> None:
        """Forget the past: nothing is capped until the next hot sample."""
        self._depth = 0

    def update(self, temp_c: float) -> bool:
        """Take a sample (degC) of the watched sensor; True when the caps changed."""
        if self._protection is None:
            return False
        before = self._depth
        if temp_c >= self._protection.target_c:
            self._depth = min(self._depth + 1, max(self._highest))
        elif temp_c < self._protection.target_c - self._protection.hysteresis_k:
            self._depth = max(self._depth - 1, 0)
        return self._depth != before
