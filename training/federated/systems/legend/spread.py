"""HetLoRA's ranks: one per device, by how fast it is."""

from collections.abc import Mapping

from platforms.errors import InvalidInput

LEVELS = 4


def spread_ranks(seconds: Mapping[str, float], *, mean: int, lowest: int) -> dict[str, int]:
    """A rank per device: the slowest quarter has `lowest`, the fastest 2 * mean - lowest.

    The quarters between are evenly between, so that the mean over a fleet that is divisible by
    four is `mean`. `seconds` is what a device takes for equal work; of equals the first is faster.

    >>> spread_ranks({"a": 4, "b": 1, "c": 3, "d": 2}, mean=8, lowest=2)
    {'a': 2, 'b': 14, 'c': 6, 'd': 10}
    """
    if not 1 <= lowest <= mean:
        raise InvalidInput(f"lowest rank must lie in 1 ... {mean}, the mean (got {lowest})")
    slowest_first = sorted(seconds, key=lambda name: -seconds[name])
    width = 2 * (mean - lowest)
    levels = {
        name: place * LEVELS // len(slowest_first) for place, name in enumerate(slowest_first)
    }
    return {name: lowest + round(width * levels[name] / (LEVELS - 1)) for name in seconds}
