"""Who says how a device's training goes on: its order alone, or whoever governs the device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from numpy.typing import NDArray

from training.federated.batches import batches


class Pace(Protocol):
    """One training from its first to its last step; what came of it is counted on the way."""

    loss_sum: float
    steps: int
    samples: int

    def batches(
        self, model: Any, stepper: Any, count: int, *, batch: int, steps: int, seed: int
    ) -> Iterator[NDArray[Any]]:
        """The rows of each step, of `count` examples; ordered are so many `steps` of a `batch`."""
        ...

    def step(self, loss: float, samples: int) -> None:
        """A step is done."""
        ...


class AsOrdered:
    """Exactly what was ordered."""

    def __init__(self) -> None:
        self.loss_sum, self.steps, self.samples = 0.0, 0, 0

    def batches(
        self, model: Any, stepper: Any, count: int, *, batch: int, steps: int, seed: int
    ) -> Iterator[NDArray[Any]]:
        """See Pace."""
        del model, stepper
        return batches(count, batch=batch, steps=steps, seed=seed)

    def step(self, loss: float, samples: int) -> None:
        """See Pace."""
        self.loss_sum += loss
        self.steps += 1
        self.samples += samples


_MAKER: ContextVar[Callable[[], Pace]] = ContextVar("pace", default=AsOrdered)


def new_pace() -> Pace:
    """For a training that begins now."""
    return _MAKER.get()()


@contextmanager
def paced_by(maker: Callable[[], Pace]) -> Iterator[None]:
    """Let `maker` say how each training within the block goes on."""
    token = _MAKER.set(maker)
    try:
        yield
    finally:
        _MAKER.reset(token)
