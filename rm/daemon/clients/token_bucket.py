"""A limit of a rate that lets a burst pass."""


class TokenBucket:
    """Gives `rate_per_s` tokens a second, at most `burst` at once; full at the start."""

    def __init__(self, rate_per_s: float, burst: float, now_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._filled_s = now_s

    def take(self, now_s: float, count: float = 1.0) -> bool:
        """Take `count` tokens, if there is at least one: a dear request is paid for afterwards."""
        self._fill(now_s)
        if self._tokens < 1.0:
            return False
        self._tokens -= count
        return True

    def ready_s(self, now_s: float, count: float = 1.0) -> float:
        """In how many seconds there are `count` tokens, 0 if they are there."""
        self._fill(now_s)
        return max(0.0, (count - self._tokens) / self._rate_per_s)

    def is_full(self, now_s: float) -> bool:
        """Whether nothing was taken for long enough to forget about it."""
        self._fill(now_s)
        return self._tokens >= self._burst

    def _fill(self, now_s: float) -> None:
        passed_s = max(0.0, now_s - self._filled_s)
        self._filled_s = now_s
        self._tokens = min(self._burst, self._tokens + passed_s * self._rate_per_s)
