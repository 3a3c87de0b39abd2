"""How much was counted, where counters were shared out or belong to some of the cores only."""

from collections.abc import Sequence


def scaled(values: Sequence[float], enabled_ns: float, running_ns: Sequence[float]) -> float:
    """What a thread did in total, from what each PMU counted of it, `values`.

    `enabled_ns` is how long the thread ran, anywhere; `running_ns` how long each PMU counted it. A
    PMU counts on its own cores only, so the times of all PMUs add up to the thread's. When the
    kernel shares counters out in turns they add up to less, and what was not counted is taken to
    be like what was.

    Of 3 ms that a thread ran, 1 ms on a LITTLE core and 2 ms on a big one, nothing is missing:

    >>> scaled([5e5, 4e6], 3e6, [1e6, 2e6])
    4500000.0

    Counted half of the time only:

    >>> scaled([2.5e5, 2e6], 3e6, [0.5e6, 1e6])
    4500000.0

    PMUs are read one after the other, so the sum may be a little too large; nothing counted at all
    is nothing:

    >>> scaled([5e5, 4e6], 3e6, [1e6, 2.01e6])
    4500000.0
    >>> scaled([0.0, 0.0], 3e6, [0.0, 0.0])
    0.0
    """
    counted, running = sum(values), sum(running_ns)
    return counted * enabled_ns / running if 0.0 < running < enabled_ns else float(counted)
