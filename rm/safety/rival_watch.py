"""Somebody else writes our knobs: notice it by what is read back, before two governors fight."""

from collections import deque


class RivalWatch:
    """Counts read-backs that differ from what was written and that no cap of the kernel explains.

    More than `tolerance` of them within `within_s` seconds make a problem: a few happen when a user
    tries something by hand or a core comes back; a daemon that writes every second or so is beyond
    them at once. The problem is over when none was seen for `within_s`.
    """

    def __init__(self, *, tolerance: int = 3, within_s: float = 10.0) -> None:
        self._tolerance = tolerance
        self._within_s = within_s
        self._seen_s: deque[float] = deque(maxlen=tolerance + 1)
        self._last = ""
        self._doubted = False
        self.seen = 0

    def differs(self, now_s: float, *, path: str, written: str, found: str) -> None:
        """A knob read `found` although `written` was written to it."""
        self._seen_s.append(now_s)
        self._last = f"{path} must read {written} as written (got {found})"
        self.seen += 1

    def problem(self, now_s: float) -> str | None:
        """Why there seems to be a rival; None while there is none."""
        if not self._seen_s:
            return None
        recent = [time_s for time_s in self._seen_s if now_s - time_s <= self._within_s]
        if len(recent) > self._tolerance:
            self._doubted = True
        self._doubted = self._doubted and bool(recent)
        if not self._doubted:
            return None
        return (
            f"{self._last}, for more than {self._tolerance} times within {self._within_s:g} s: "
            "another program writes it; 'ilgov doctor' lists those that are known"
        )
