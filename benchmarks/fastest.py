"""How long a call takes at least: what others do on the machine only adds to it."""

import time
from collections.abc import Callable

_RUNS, _CALLS = 20, 100


def fastest_s(run: Callable[[], object]) -> float:
    """Seconds that one call takes, by the least of some runs of many calls."""
    times = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        for _ in range(_CALLS):
            run()
        times.append((time.perf_counter() - begun) / _CALLS)
    return min(times)
