"""Take the caches away, as the applications do whose board is governed.

A governor has work where cores are busy, and what they work on fills the caches that it shares with
them before its next round comes. On a machine that idles meanwhile they may keep what a round needs
or not, as its other guests please: then the same round takes 0.1 or 0.3 ms.
"""

from pathlib import Path

import numpy as np

USUAL_BYTES = 32 << 20
"""Of a last level, where the kernel does not tell."""

_UNITS = {"K": 1 << 10, "M": 1 << 20}
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


class CacheTaker:
    """Owns twice as much data as the largest cache of this machine holds."""

    def __init__(self, caches: Path = _CACHES) -> None:
        sizes = [_bytes(file.read_text().strip()) for file in caches.glob("index*/size")]
        self._data = np.ones(2 * max(sizes, default=USUAL_BYTES) // 8)

    def take(self) -> None:
        """Read and write all of it."""
        np.add(self._data, 1.0, out=self._data)


def _bytes(size: str) -> int:
    """As the kernel writes it.

    >>> _bytes("32768K")
    33554432
    """
    unit = _UNITS.get(size[-1:], 0)
    return int(size[:-1]) * unit if unit else int(size)
