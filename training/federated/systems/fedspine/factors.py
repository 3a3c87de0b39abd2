"""Weights and LoRA factors of a pruned device, cut out of full coordinates and put back into them.

The factor that touches a group's rows (B of query, key, value and of the first feed-forward
matrix) or its columns (A of the attention's output and of the second feed-forward matrix) shrinks
with the matrix beside it; the other factor stays whole.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.federated.exchange import Arrays
from training.federated.models.shape import Shape
from training.federated.systems.fedspine.structure import Kept, left, rows_of_heads

HEAD_ROWS = ("attention.query", "attention.key", "attention.value")
HEAD_COLUMNS = "attention.output"
CHANNEL_ROWS = "ffn.in"
CHANNEL_COLUMNS = "ffn.out"

_ROWS = ("weight", "bias", "lora_B")
_COLUMNS = ("weight", "lora_A")
_AXES = (
    {f"{part}.{kind}": ("heads", 0) for part in HEAD_ROWS for kind in _ROWS}
    | {f"{HEAD_COLUMNS}.{kind}": ("heads", 1) for kind in _COLUMNS}
    | {f"{CHANNEL_ROWS}.{kind}": ("channels", 0) for kind in _ROWS}
    | {f"{CHANNEL_COLUMNS}.{kind}": ("channels", 1) for kind in _COLUMNS}
)
"""Array -> what is pruned, and the axis along which the array shrinks with it."""


def cut(arrays: Arrays, kept: Kept, shape: Shape) -> dict[str, NDArray[Any]]:
    """What is left of arrays on a device with this structure; what is whole is not copied."""
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        place = _place(name, kept, shape)
        if place is None or len(place[1]) == array.shape[place[0]]:
            found[name] = array
        else:
            found[name] = np.take(array, place[1], axis=place[0])
    return found


def put_back(part: Arrays, full: Arrays, kept: Kept, shape: Shape) -> dict[str, NDArray[Any]]:
    """The arrays `part` of a device in full coordinates; what it had pruned is as in `full`.

    `full` is what the device's arrays were cut out of: a pruned coordinate has not moved.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, array in part.items():
        place = _place(name, kept, shape)
        if place is None:
            found[name] = array
            continue
        axis, index = place
        whole = np.array(full[name])
        whole[index if axis == 0 else (slice(None), index)] = array
        found[name] = whole
    return found


def cut_shapes(
    shapes: Mapping[str, tuple[int, ...]], ratio: float, shape: Shape
) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays that a device with this pruning ratio sends."""
    widths = {
        "heads": left(shape.heads, ratio) * (shape.hidden // shape.heads),
        "channels": left(shape.ffn, ratio),
    }
    found = {}
    for name, size in shapes.items():
        kind, axis = _AXES.get(_part(name), ("", 0))
        found[name] = (*size[:axis], widths[kind], *size[axis + 1 :]) if kind else size
    return found


def _place(name: str, kept: Kept, shape: Shape) -> tuple[int, NDArray[np.int64]] | None:
    """Axis and index of what is left of an array; None where nothing of it is pruned."""
    kind, axis = _AXES.get(_part(name), ("", 0))
    if not kind:
        return None
    layer = int(name.split(".")[1])
    if kind == "heads":
        return axis, rows_of_heads(kept.heads[layer], shape.hidden // shape.heads)
    return axis, np.asarray(kept.channels[layer], np.int64)


def _part(name: str) -> str:
    """The name of an array inside its layer.

    >>> _part("layer.3.ffn.in.lora_B"), _part("head.bias")
    ('ffn.in.lora_B', '')
    """
    return name.split(".", 2)[2] if name.startswith("layer.") else ""
