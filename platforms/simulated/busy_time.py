"""How busy the cores were since somebody last looked."""

from collections.abc import Sequence


class BusyTime:
    """Books the busy time of every core between two looks at it.

    As long as no core wakes or falls asleep nothing is booked: the share is then what it is now.
    """

    def __init__(self, core_count: int) -> None:
        """All cores sleep."""
        self._now = (0.0,) * core_count
        self._since_s = 0.0
        self._booked_s: list[float] | None = None

    def turn(self, now_s: float, looked_s: float, core_busy: Sequence[float]) -> None:
        """From `now_s` on cores are busy for these shares; the last look was at `looked_s`."""
        after = tuple(core_busy)
        if after != self._now:
            self._booked_s = self._busy_s(now_s, looked_s)
            self._since_s = now_s
            self._now = after

    def share(self, now_s: float, looked_s: float) -> tuple[float, ...]:
        """The busy share of every core from `looked_s` until `now_s`; begins a new window."""
        if self._booked_s is None:
            return self._now
        window_s = now_s - looked_s
        busy_s = self._busy_s(now_s, looked_s)
        self._booked_s = None
        if window_s < 1e-9:
            return self._now
        # Rounded, so that sums of parts give exactly 0 and 1.
        return tuple([min(1.0, round(busy / window_s, 9)) for busy in busy_s])

    def _busy_s(self, now_s: float, looked_s: float) -> list[float]:
        passed_s = now_s - max(self._since_s, looked_s)
        booked_s = self._booked_s or [0.0] * len(self._now)
        pairs = zip(booked_s, self._now, strict=True)
        return [before + passed_s * busy for before, busy in pairs]
