"""Counters that show what a test says, for tests of who reads them."""

from collections.abc import Callable, Iterable

from platforms.linux.counters.counters import Count
from platforms.linux.managed import ProcessKey


class FakeCounters:
    """`counts` is what each process shows when it is read next, nothing done where none is given.

    `refusal` is why no process can be followed, None where it can.
    """

    reason: str | None = None

    def __init__(self, *, counts_l2d: bool = True, refusal: str | None = None) -> None:
        self.counts_l2d = counts_l2d
        self.refusal = refusal
        self.counts: dict[int, Count | None] = {}
        self.followed: dict[ProcessKey, tuple[int, ...]] = {}
        self.times_followed = 0

    def follow(self, key: ProcessKey, tids: Callable[[], Iterable[int]]) -> str | None:
        """Count for a process from now on."""
        if self.refusal is None:
            self.followed[key] = tuple(tids())
            self.times_followed += 1
        return self.refusal

    def read(self, key: ProcessKey) -> Count | None:
        """What was done."""
        if key not in self.followed:
            return None
        return self.counts.get(key.pid, Count(0.0, 0.0, 0.0))

    def release(self, key: ProcessKey) -> None:
        """Stop to count for a process."""
        self.followed.pop(key, None)

    def close(self) -> None:
        """Stop to count."""
        self.followed.clear()
