"""Batch regulation: batches with which all workers need the same time for a step."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Seconds that a worker needs for one sample: to compute, and to send and receive."""

    compute_s: float
    transfer_s: float

    @property
    def sample_s(self) -> float:
        """Both together."""
        return self.compute_s + self.transfer_s


def smoothed(old: Pace | None, seen: Pace, smoothing: float) -> Pace:
    """The moving average, in which the past has the weight `smoothing`.

    >>> smoothed(Pace(1.0, 2.0), Pace(2.0, 2.0), 0.75)
    Pace(compute_s=1.25, transfer_s=2.0)
    >>> smoothed(None, Pace(2.0, 2.0), 0.75)
    Pace(compute_s=2.0, transfer_s=2.0)
    """
    if old is None:
        return seen
    return Pace(
        smoothing * old.compute_s + (1 - smoothing) * seen.compute_s,
        smoothing * old.transfer_s + (1 - smoothing) * seen.transfer_s,
    )


def choose_batches(paces: Mapping[str, Pace], largest: int) -> dict[str, int]:
    """The fastest worker gets `largest`, the others what they do in its time, at least 1.

    >>> choose_batches({"a": Pace(1.0, 1.0), "b": Pace(3.0, 2.0), "c": Pace(90.0, 90.0)}, 32)
    {'a': 32, 'b': 12, 'c': 1}
    """
    fastest = min(pace.sample_s for pace in paces.values())
    return {
        worker: max(1, int(largest * fastest / pace.sample_s * (1 + 1e-12)))
        for worker, pace in paces.items()
    }


def equal_batches(paces: Mapping[str, Pace], largest: int) -> dict[str, int]:
    """The same batch for all: what is done without regulation.

    >>> equal_batches({"a": Pace(1.0, 1.0), "b": Pace(3.0, 2.0)}, 32)
    {'a': 32, 'b': 32}
    """
    return dict.fromkeys(paces, largest)


def step_s(paces: Mapping[str, Pace], batches: Mapping[str, int]) -> float:
    """How long the slowest worker needs for a step, in s."""
    return max(batches[worker] * paces[worker].sample_s for worker in batches)
