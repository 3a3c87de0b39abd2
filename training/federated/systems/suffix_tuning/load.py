"""What a round asks of a device that trains a suffix."""

from msgspec import Struct

from training.federated.cost.flops import step_flops
from training.federated.cost.traffic import up_bytes
from training.federated.cost.work import Work
from training.federated.models.shape import Shape
from training.federated.suffix import Suffix
from training.federated.systems.suffix_tuning.options import TrainingOptions


class Load(Struct, frozen=True, kw_only=True):
    """A device's work in a round: FLOPs, and bytes sent and received."""

    flops: float
    up_bytes: int
    down_bytes: int


def work_of(shape: Shape, suffix: Suffix, options: TrainingOptions, tokens: int) -> Work:
    """One local step of a device."""
    return Work(
        shape=shape,
        suffix=suffix,
        batch=options.batch,
        tokens=tokens,
        optimiser=options.optimiser,
    )


def load_of(work: Work, *, steps: int, down_bytes: int) -> Load:
    """A round's work of a device."""
    return Load(flops=steps * step_flops(work), up_bytes=up_bytes(work), down_bytes=down_bytes)
