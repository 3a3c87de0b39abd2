"""Which operating point a frequency belongs to that lies between two."""

from bisect import bisect_left
from collections.abc import Sequence


def nearest_opp(freqs_hz: Sequence[int], freq_hz: float) -> int:
    """Index of the nearest of rising frequencies, the lower of two (as CPUFREQ_RELATION_C).

    >>> [nearest_opp((500, 1000, 2000), freq_hz) for freq_hz in (1, 998, 1499, 1500, 1501, 9999)]
    [0, 1, 1, 1, 2, 2]
    """
    above = bisect_left(freqs_hz, freq_hz)
    if above == len(freqs_hz):
        return above - 1
    if above and freq_hz - freqs_hz[above - 1] <= freqs_hz[above] - freq_hz:
        return above - 1
    return above
