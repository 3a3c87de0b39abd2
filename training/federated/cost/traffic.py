"""What travels between server and devices, in bytes."""

import math
from collections.abc import Mapping

from training.federated.cost.parameters import trained_parameters
from training.federated.cost.work import FLOAT_BYTES, Work


def array_bytes(names_and_shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Bytes of float32 arrays of these shapes.

    >>> array_bytes({"w": (2, 3), "b": (2,)})
    32
    """
    return FLOAT_BYTES * sum(math.prod(shape) for shape in names_and_shapes.values())


def up_bytes(work: Work) -> int:
    """What a device sends: all that it has trained."""
    return FLOAT_BYTES * trained_parameters(work)


def down_bytes(work: Work) -> int:
    """What a device is sent: the state of all that it is to train; the rest is there already."""
    return FLOAT_BYTES * trained_parameters(work)
